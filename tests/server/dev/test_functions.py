"""Which functions `streamify dev` is told to serve."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_server.dev.functions import DevFunction, functions_of, read_env_file

DEFAULTS = DevFunction(handler="", environment={"COLOUR": "red"})


def names(*arguments: str) -> list[tuple[str, str]]:
    return [(function.name, function.handler) for function in functions_of(arguments, DEFAULTS)]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["app.handler"], [("app", "app.handler")]),
        (["jobs.nightly.run"], [("nightly", "jobs.nightly.run")]),
        (["jobs/nightly.run"], [("nightly", "jobs/nightly.run")]),
        (["report=app.handler"], [("report", "app.handler")]),
        (["app.a", "app.b"], [("app-a", "app.a"), ("app-b", "app.b")]),
        (["app.a", "x=app.b"], [("app", "app.a"), ("x", "app.b")]),
    ],
)
def test_a_function_has_the_name_of_its_module_or_its_own(
    arguments: list[str], found: list[tuple[str, str]]
) -> None:
    assert names(*arguments) == found


@pytest.mark.parametrize("argument", ["app", "app.", ".handler", "", "a b.c", "app.1", "=", "x=app"])
def test_what_is_not_a_handler_is_refused(argument: str) -> None:
    with pytest.raises(ValueError, match=r"is not module\.function"):
        names(argument)


@pytest.mark.parametrize(
    "arguments", [["app.a", "app.a"], ["x=app.a", "x=app.b"], ["app-a=x.y", "app.a", "app.b"]]
)
def test_two_functions_of_one_name_are_refused(arguments: list[str]) -> None:
    with pytest.raises(ValueError, match="Two functions are named"):
        names(*arguments)


def from_file(folder: Path, text: str) -> tuple[DevFunction, ...]:
    (folder / "functions.toml").write_text(text)
    return functions_of([str(folder / "functions.toml")], DEFAULTS)


def test_a_file_names_its_functions_and_what_is_their_own(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    first, second = from_file(
        tmp_path,
        """
        [functions.report]
        handler = "app.handler"
        [functions.export]
        handler = "jobs.export"
        code = "src"
        timeout = 30
        memory_size = 512
        invoke_mode = "BUFFERED"
        env_file = ".env"
        environment = { B = "table" }
        """,
    )
    assert first == DevFunction(
        name="report", handler="app.handler", code=tmp_path, environment={"COLOUR": "red"}
    )
    assert second == DevFunction(
        name="export",
        handler="jobs.export",
        code=tmp_path / "src",
        timeout=30,
        memory_size=512,
        invoke_mode="BUFFERED",
        environment={"COLOUR": "red", "A": "file", "B": "table"},
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"has no \[functions.NAME\] table"),
        ("functions = 1", r"has no \[functions.NAME\] table"),
        ("[functions.a", "is not a TOML file"),
        ("[functions.a]", r'\[functions.a\] needs handler = "module.function"'),
        ("[functions.a]\nhandler = 'app'", "'app' is not module.function"),
        ("[functions.a]\nhandler = 'a.b'\nhandle = 1", "has no 'handle': it can have handler, code"),
        ("[functions.a]\nhandler = 'a.b'\ntimeout = '3'", "timeout cannot be '3'"),
        ("[functions.a]\nhandler = 'a.b'\ntimeout = true", "timeout cannot be True"),
        ("[functions.a]\nhandler = 'a.b'\ninvoke_mode = 'STREAM'", "invoke_mode cannot be 'STREAM'"),
        ("[functions.a]\nhandler = 'a.b'\nenvironment = { A = 1 }", "environment cannot be"),
        ("[functions.a]\nhandler = 'a.b'\nenv_file = 'no.env'", "no.env cannot be read: No such file"),
    ],
)
def test_what_a_file_cannot_say_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        from_file(tmp_path, text)


def test_an_env_file_is_read_as_other_tools_read_it(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# a comment\n\nA=1\nexport B='x y' # why\nC=\"two\\nlines\"\nD=\nE=a#b\nF=$A\n")
    assert read_env_file(path) == {"A": "1", "B": "x y", "C": "two\nlines", "D": "", "E": "a#b", "F": "$A"}


@pytest.mark.parametrize(("text", "line"), [("A=1\n\nnot a pair\n", 3), ("A\n", 1), ("\nA='open\n", 2)])
def test_a_line_that_is_not_a_variable_is_named(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / ".env"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"line {line}, is not NAME=VALUE"):
        read_env_file(path)


@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_variables_or_a_sentence(tmp_path_factory: Any, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.env"
    path.write_text(text, encoding="utf-8")
    with contextlib.suppress(ValueError):
        assert all(isinstance(value, str) for value in read_env_file(path).values())
