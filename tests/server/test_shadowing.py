"""Imports of Python's modules beside files that are called like them, in a process of its own for each."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(folder: Path, script: str, *, on_lambda: bool = True) -> str:
    """What a script prints on an interpreter that searches this folder first."""
    begin = f"import sys\nsys.path.insert(0, {str(folder)!r})\n"
    begin += "from streamify_server.shadowing import unshadowed\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + script],
        env={"PYTHONPATH": str(ROOT / "src"), **({"AWS_LAMBDA_RUNTIME_API": "h:1"} if on_lambda else {})},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


IMPORT = """
with unshadowed():
    import stringprep
print(stringprep.__file__)
import stringprep
print(stringprep.__file__)
"""


def test_inside_python_is_found_and_outside_the_function(tmp_path: Path) -> None:
    (tmp_path / "stringprep.py").write_text("")
    inside, outside = run(tmp_path, IMPORT).split()
    assert Path(inside).parent != tmp_path
    assert Path(outside).parent == tmp_path


def test_what_the_function_has_imported_stays_the_functions(tmp_path: Path) -> None:
    (tmp_path / "stringprep.py").write_text("")
    inside, outside = run(tmp_path, f"import stringprep\n{IMPORT}").split()
    assert Path(inside).parent != tmp_path
    assert Path(outside).parent == tmp_path


def test_a_package_is_shadowed_with_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "wsgiref").mkdir()
    (tmp_path / "wsgiref" / "__init__.py").write_text("")
    (tmp_path / "wsgiref" / "util.py").write_text("")
    script = """
import wsgiref.util
theirs = wsgiref.util.__file__
with unshadowed():
    import wsgiref.util
print(wsgiref.util.__file__)
import wsgiref.util
print(wsgiref.util.__file__ == theirs)
"""
    inside, same = run(tmp_path, script).split()
    assert not Path(inside).is_relative_to(tmp_path)
    assert same == "True"


@pytest.mark.parametrize("there", ["a folder of data", "nothing"])
def test_what_is_not_shadowed_is_imported_once(tmp_path: Path, there: str) -> None:
    if there != "nothing":
        (tmp_path / "stringprep").mkdir()
        (tmp_path / "stringprep" / "table.txt").write_text("")
    inside, outside = run(tmp_path, IMPORT).split()
    assert inside == outside


def test_anywhere_but_on_lambda_nothing_is_changed(tmp_path: Path) -> None:
    (tmp_path / "stringprep.py").write_text("")
    inside, outside = run(tmp_path, IMPORT, on_lambda=False).split()
    assert inside == outside


def test_an_error_of_an_import_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "stringprep.py").write_text("")
    script = """
before = list(sys.meta_path)
try:
    with unshadowed():
        import not_there
except ImportError as error:
    print(error.name, sys.meta_path == before)
"""
    assert run(tmp_path, script) == "not_there True\n"
