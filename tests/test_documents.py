"""The README and the pages of docs/ as their readers meet them (conftest.py runs their code)."""

import codeop
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from streamify_client.commands import invoking
from streamify_client.commands.group import streamify
from support.documents import FILE_NAME

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def test_the_readme_pasted_into_python_prints_what_it_says(tmp_path: Path) -> None:
    session, printed = [], []
    for language, code in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        if language == "text":
            printed.append(code.rstrip("\n"))
        elif language == "python" and (named := FILE_NAME.match(code)):
            (tmp_path / named[1]).write_text(code, encoding="utf-8")
        elif language == "python":
            session.append(code)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    pasted = subprocess.run(
        [sys.executable, "-i", "-q"],
        input="\n".join(session) + "\n",  # a blank line ends a block, as Enter does
        env={**environment, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in pasted.stderr, pasted.stderr
    assert len(printed) == 2
    pattern = ".*".join(re.escape(text).replace(re.escape("..."), ".*") for text in printed)
    assert re.search(pattern, pasted.stdout, re.S), pasted.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_has_code_that_its_reader_does_not_see(page: Path) -> None:
    assert "invisible-code" not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_not_a_file_can_be_pasted_into_python_line_by_line(page: Path) -> None:
    for language, code in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python" and not FILE_NAME.match(code):
            assert unfinished(code) == ""


def unfinished(code: str) -> str:
    """What the prompt of Python still waits for after the block and Enter; a wrong line raises."""
    typed = ""
    for line in [*code.splitlines(), ""]:
        typed += line + "\n"
        if codeop.compile_command(typed.removesuffix("\n"), symbol="single") is not None:
            typed = ""
    return typed.strip()


def test_the_tests_on_the_page_about_pytest_pass(tmp_path: Path) -> None:
    page = (ROOT / "docs/pytest.md").read_text(encoding="utf-8")
    for _, code in BLOCK.findall(page):
        if named := FILE_NAME.match(code):
            (tmp_path / named[1]).write_text(code, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "4 passed" in ran.stdout, ran.stdout + ran.stderr


LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.M)


def links(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [
        target for target in LINK.findall(text) if "://" not in target and not target.startswith("mailto:")
    ]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub and MkDocs give a page's headings."""
    found = set()
    for heading in HEADING.findall(page.read_text(encoding="utf-8")):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        found.add(re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", words).strip().lower()))
    return found


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("module", ["streamify_client.errors", "streamify_server.errors"])
def test_the_page_on_errors_says_of_each_what_to_do(module: str) -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    rows = "".join(re.findall(r"^\| (`\w+Error`.*?) \|", page, re.M))
    errors = [kind for kind in vars(import_module(module)).values() if isinstance(kind, type)]
    for error in errors:
        if issubclass(error, Exception) and error.__name__ not in ("StreamifyError", "StreamError"):
            assert f"`{error.__name__}`" in rows


def test_the_page_on_the_command_line_has_every_exit_status() -> None:
    page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    statuses = [value for name, value in vars(invoking).items() if name.isupper() and isinstance(value, int)]
    assert len(statuses) == 6
    for status in statuses:
        assert f"| {status} | " in page
    for name in streamify.list_commands(click.Context(streamify)):
        assert f"`streamify {name}`" in page


def test_every_target_that_checks_or_builds_is_explained_to_contributors() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.M))
    explained = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    assert targets - explained == {"help", "install", "lint", "types", "clean"}
    assert explained <= targets
    assert set(re.findall(r"^make ([a-z-]+)", (ROOT / ".ci/run").read_text(), re.M)) <= targets
