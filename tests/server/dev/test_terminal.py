"""`streamify dev` in a terminal: colours, and a debugger in the foreground."""

import contextlib
import os
import pty
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from streamify_server.local import LocalLambda
from support.local import boto3_client, invoke

APP = """
def handler(event, context):
    secret = 42
    breakpoint()
    return secret + 1
"""
WITH_PDB = APP.replace("breakpoint()", "import pdb; pdb.set_trace(header='Look here.')")


# The first terminal that a session's leader opens becomes its own, so that Ctrl-C reaches it.
PROGRAM = """
import os
os.close(os.open(os.ttyname(0), os.O_RDWR))
from streamify_client.cli import main
main()
"""


class Session:
    """`streamify dev app.handler` in a terminal of its own."""

    def __init__(self, folder: Path, app: str = APP, **environment: str) -> None:
        (folder / "app.py").write_text(app)
        self._terminal, theirs = pty.openpty()
        ports = ["--port", "0", "--url-port", "0", "--inspector-port", "0"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "dev", "app.handler", *ports],
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def until(self, pattern: str) -> re.Match[str]:
        """Read on until what is shown has this in it; forget what was shown up to there."""
        while not (match := re.search(pattern, self.shown)):
            self.shown += os.read(self._terminal, 65536).decode().replace("\r\n", "\n")
        self.shown = self.shown[match.end() :]
        return match

    def type(self, line: str) -> None:
        os.write(self._terminal, line.encode() + b"\n")

    def end(self) -> int:
        os.write(self._terminal, b"\x03")
        # A terminal whose output nobody reads would hold its writers up.
        threading.Thread(target=self._read_rest, daemon=True).start()
        return self.process.wait(30)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._terminal)

    def _read_rest(self) -> None:
        try:
            while os.read(self._terminal, 65536):
                pass
        except OSError:
            pass


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    made = Session(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(("app", "header"), [(APP, ""), (WITH_PDB, r"Look here\.\n")])
def test_a_breakpoint_in_a_function_is_a_prompt_in_the_terminal(
    tmp_path: Path, app: str, header: str
) -> None:
    with contextlib.closing(Session(tmp_path, app)) as session:
        url = session.until(r"Function URL +\x1b\[36m(\S+)\x1b")[1]
        session.until("Ctrl-C ends it")
        answers: list[bytes] = []

        def call() -> None:
            with urllib.request.urlopen(url, timeout=60) as response:
                answers.append(response.read())

        calling = threading.Thread(target=call)
        calling.start()
        # The line of the breakpoint itself from Python 3.13 on, before that the next.
        place = (
            r"app.py\([45]\)handler\(\)\n-> (breakpoint\(\)|import pdb; .*|return secret \+ 1)\n\(Pdb app\) "
        )
        session.until(rf"{header}> \S*{place}")
        session.type("secret = 1000")
        session.until(r"\(Pdb app\) ")
        session.type("continue")
        calling.join(60)
        assert answers == [b"1001"]
        session.until(r"ok.* app  GET /  ")


def test_ctrl_c_at_the_prompt_ends_everything(session: Session) -> None:
    url = session.until(r"Function URL +\x1b\[36m(\S+)\x1b")[1]
    session.until("Ctrl-C ends it")

    def call() -> None:
        with contextlib.suppress(OSError, HTTPException):
            urllib.request.urlopen(url, timeout=60).close()

    calling = threading.Thread(target=call)
    calling.start()
    session.until(r"\(Pdb app\) ")
    assert session.end() == 0
    calling.join(60)


@pytest.mark.parametrize("app", [APP, WITH_PDB])
def test_a_breakpoint_without_a_terminal_is_passed_over_in_a_sentence(tmp_path: Path, app: str) -> None:
    (tmp_path / "app.py").write_text(app)
    with LocalLambda() as aws:
        aws.add_function("app", handler="app.handler", code=tmp_path, timeout=30)
        client = boto3_client(aws)
        assert invoke(client, name="app")["Payload"] == b"43"
        client.close()
        said = [line for line in aws.logs("app") if "passed over" in line]
    advice = "Run `streamify dev` in one, pytest with -s, or let debugpy listen."
    assert said == [
        f"breakpoint() in {tmp_path}/app.py, line 4, was passed over: there is no terminal. {advice}"
    ]


def test_no_color_leaves_colours_out(tmp_path: Path) -> None:
    session = Session(tmp_path, NO_COLOR="1")
    try:
        session.until(r"Function URL +http://\S+\n")
    finally:
        session.close()
