"""Hooks for the site: add the reference, recipes and changelog, and replace links to files outside of it."""

import ast
import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
REFERENCE = {
    "streamify_client": "[Read streams](../client.md), and their [errors](../errors.md).",
    "streamify_client.testing": "Canned streams for tests: [Testing code that reads streams](../testing.md).",
    "streamify_client.dask": "[Dask data frames](../many-streams.md) of many responses.",
    "streamify_client.doctor": "[What is wrong](../doctor.md) with a deployed stream.",
    "streamify_server": "Make streams: [Streaming handlers](../server.md).",
    "streamify_server.middlewares": "The [middlewares](../middlewares.md) that come with the package.",
    "streamify_server.asgi": "[ASGI and WSGI applications](../asgi.md) as streaming handlers.",
    "streamify_server.errors": "The [errors](../errors.md#in-handlers) of handlers.",
    "streamify_server.testing": "Call a handler in a [unit test](../server.md).",
    "streamify_server.posting": "Stream through [another transport](../server.md#another-transport).",
    "streamify_server.local": "A Lambda [on your machine](../local-lambda.md).",
}
RECIPE = re.compile(r"\]\(\.\./examples/recipes/(\w+)\.(?:py|html)\)")
CELL = re.compile(r"<(t[dh])\b.*?</\1>", re.S)
CODE = re.compile(r"(?<=<code>)[^<]+")
BREAK = re.compile(r"(?<=\w[_.,/=(\[-])(?=\w)|(?<=[a-z])(?=[A-Z])")
OUTSIDE = re.compile(r"\[([^\]\n]*)\]\(\.\./([^)\s#]+)[^)\s]*\)")


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages that are generated from the code and from CHANGELOG.md."""
    for name, about in REFERENCE.items():
        page = f"reference/{name}.md"
        files.append(File.generated(config, page, content=reference(name, about)))
    for path in sorted((ROOT / "examples" / "recipes").glob("*.py")):
        files.append(File.generated(config, f"recipes/{path.stem}.md", content=recipe(path)))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "changelog.md", content=changelog.replace("](docs/", "](")))


def reference(name: str, about: str) -> str:
    """Return the source of a page with every public name of a module, for mkdocstrings."""
    entries = [f"::: {name}.{each}" for each in public_names(importlib.import_module(name))]
    return "\n\n".join([f"# {name}", about, *entries])


def recipe(path: Path) -> str:
    """Return the source of a recipe's page: its docstring as text, then its code."""
    source = path.read_text(encoding="utf-8")
    module = ast.parse(source)
    title, _, about = (ast.get_docstring(module) or "").partition("\n")
    code = "\n".join(source.splitlines()[module.body[0].end_lineno :]).strip()
    blocks = [f"# {title.rstrip('.')}", about.strip("\n"), f"```python\n# {path.name}\n{code}\n```"]
    if (page := path.with_suffix(".html")).exists():
        blocks.append(f"```html\n{page.read_text(encoding='utf-8').strip()}\n```")
    return "\n\n".join(blocks)


def public_names(module: ModuleType) -> list[str]:
    """Return what a module exports: `__all__`, or else its own names without an underscore."""
    exported = getattr(module, "__all__", None)
    if exported is None:
        exported = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        ]
    return [name for name in exported if not name.startswith("_")]


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Replace links to files that are not part of the site with the files' paths."""
    if page.file.src_uri.startswith("reference/"):
        return markdown
    return OUTSIDE.sub(_named, RECIPE.sub(r"](recipes/\1.md)", markdown))


def on_page_content(html: str, **_: Any) -> str:
    """Allow line breaks inside code in tables, since long names are wider than columns on a phone."""

    def breakable(code: re.Match[str]) -> str:
        return BREAK.sub("<wbr>", code[0])

    return CELL.sub(lambda cell: CODE.sub(breakable, cell[0]), html)


def _named(link: re.Match[str]) -> str:
    name, path = link[1].strip("`"), link[2].rstrip("/")
    return f"`{path}`" if path.startswith(name) else f"{link[1]} (`{path}`)"
