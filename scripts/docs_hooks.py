"""What the site does with links that lead out of docs/: their files are named and not linked."""

import re
from typing import Any

OUTSIDE = re.compile(r"\[([^\]\n]*)\]\(\.\./([^)\s#]+)[^)\s]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace `[name](../path)` by the name and the path in the source."""
    return OUTSIDE.sub(_named, markdown)


def _named(link: re.Match[str]) -> str:
    name, path = link[1].strip("`"), link[2].rstrip("/")
    return f"`{path}`" if path.startswith(name) else f"{link[1]} (`{path}`)"
