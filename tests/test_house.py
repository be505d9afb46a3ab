"""The rooms of the code: what may import what, and what an import may cost."""

import ast
import graphlib
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from support.layer import BARE_PYTHON

SOURCE = Path(__file__).parent.parent / "src"
HEAVY = {"boto3", "botocore", "aiobotocore", "pandas", "pyarrow", "polars", "httpx2", "h11", "rich", "click"}
# These load what they need of both halves when they are called.
BOTH_HALVES = {
    "streamify_client/cli.py",
    "streamify_server/dev/cli.py",
    "streamify_server/dev/demo.py",
    "streamify_server/pytest_plugin.py",
}


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(
    ("package", "other"),
    [("streamify_client", "streamify_server"), ("streamify_server", "streamify_client")],
)
def test_the_two_packages_meet_only_on_the_wire(package: str, other: str) -> None:
    for path in (SOURCE / package).rglob("*.py"):
        if str(path.relative_to(SOURCE)) not in BOTH_HALVES:
            assert other not in imported_packages(path), path


def imports_between_modules(package: str) -> dict[str, set[str]]:
    """Which modules of a package import which, for their types or within a function as well."""
    paths = {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (SOURCE / package).rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for module, path in paths.items():
        around = module if path.name == "__init__.py" else module.rpartition(".")[0]
        named: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                parts = around.split(".")
                base = ".".join(parts[: len(parts) + 1 - node.level]) if node.level else ""
                source = ".".join(filter(None, (base, node.module)))
                inside = {f"{source}.{alias.name}" for alias in node.names} & paths.keys()
                named |= inside or {source}
        found[module] = named & paths.keys() - {module, package}
    return found


@pytest.mark.parametrize("package", ["streamify_client", "streamify_server"])
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    try:
        graphlib.TopologicalSorter(imports_between_modules(package)).prepare()
    except graphlib.CycleError as circle:
        pytest.fail(" <- ".join(circle.args[1]))


def test_the_servers_engine_stands_on_wire_and_runtime_and_not_they_on_it() -> None:
    for module, imported in imports_between_modules("streamify_server").items():
        if module.startswith(("streamify_server.wire", "streamify_server.runtime")):
            assert not [name for name in imported if name.startswith("streamify_server.engine")], module


# Where each part of the client stands: it imports from its own room, and from those before it.
CLIENTS_ROOMS = (
    "errors",
    "models",
    "wire",
    "_extras",
    "request",
    "transports",
    "files",
    "stream",
    "response",
    "aio_response",
    "dataframes",
    "many",
    "aio_many",
    "client",
    "aio",
    "dask",
    "doctor",
    "testing",
    "commands",
    "cli",
    "__main__",
)


def test_data_flow_through_the_clients_rooms_in_one_direction() -> None:
    for module, imported in imports_between_modules("streamify_client").items():
        if module == "streamify_client":
            continue
        here = CLIENTS_ROOMS.index(module.split(".")[1])
        above = [name for name in imported if "." in name and name.split(".")[1] in CLIENTS_ROOMS[here + 1 :]]
        assert not above, f"{module} imports {', '.join(above)}"


@pytest.mark.parametrize("package", ["streamify_client", "streamify_server"])
def test_importing_a_package_imports_nothing_heavy(package: str) -> None:
    script = f"import sys, {package}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("package", ["streamify_client", "streamify_server"])
def test_a_package_that_was_copied_without_its_metadata_can_be_imported_whole(package: str) -> None:
    script = f"from {package} import *; print(__version__)"
    done = subprocess.run(
        [BARE_PYTHON, "-c", script], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("unknown\n", "")


@pytest.mark.parametrize("package", ["streamify_client", "streamify_server"])
def test_a_package_lists_the_names_that_it_imports_later(package: str) -> None:
    module = import_module(package)
    assert dir(module) == sorted(module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing


def test_the_wire_imports_nothing_from_outside_itself() -> None:
    for path in (SOURCE / "streamify_client" / "wire").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                inside = node.level == 1 or node.module.startswith("streamify_client.wire")
                assert inside or not node.module.startswith("streamify"), (path, node.module)
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert not imported_packages(path) & {"socket", "asyncio", "ssl", "http", "threading"}, path


def test_every_page_of_the_docs_is_in_their_index_and_their_navigation() -> None:
    root = SOURCE.parent
    pages = {page.name for page in (root / "docs").glob("*.md")} - {"index.md"}
    index = set(
        re.findall(r"\]\(([a-z0-9-]+\.md)\)", (root / "docs" / "index.md").read_text(encoding="utf-8"))
    )
    navigation = set(
        re.findall(r"- ([a-z0-9-]+\.md)$", (root / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    )
    assert index == pages
    assert navigation == pages | {"index.md"}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_public_docstring_begins_with_one_line_and_keeps_its_drawings_indented(path: Path) -> None:
    """`help()` and editors show the first line alone; a formatter moves what is not indented behind text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        text = ast.get_docstring(node) or ""
        assert not re.search(r"^([├└│]|from [\w.]+ import |@\w)", text, re.M), text
        if not getattr(node, "name", "").startswith("_"):
            assert "\n" not in text.split("\n\n")[0], text
