"""`streamify dev` in a terminal: colours, and a debugger in the foreground."""

import os
import pty
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

APP = """
def handler(event, context):
    secret = 42
    breakpoint()
    return secret + 1
"""


class Session:
    """`streamify dev app.handler` in a terminal of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        (folder / "app.py").write_text(APP)
        self._terminal, theirs = pty.openpty()
        ports = ["--port", "0", "--url-port", "0", "--inspector-port", "0"]
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from streamify_client.cli import main; main()",
                "dev",
                "app.handler",
                *ports,
            ],
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


def test_a_breakpoint_in_a_function_is_a_prompt_in_the_terminal(session: Session) -> None:
    url = session.until(r"Function URL +\x1b\[36m(\S+)\x1b")[1]
    session.until("Ctrl-C ends it")
    answers: list[bytes] = []

    def call() -> None:
        with urllib.request.urlopen(url, timeout=60) as response:
            answers.append(response.read())

    calling = threading.Thread(target=call)
    calling.start()
    session.until(r"app.py\(5\)handler\(\)\n-> return secret \+ 1\n\(Pdb app\) ")
    session.type("secret = 1000")
    session.until(r"\(Pdb app\) ")
    session.type("continue")
    calling.join(60)
    assert answers == [b"1001"]
    session.until(r"ok.* app  GET /  ")


def test_no_color_leaves_colours_out(tmp_path: Path) -> None:
    session = Session(tmp_path, NO_COLOR="1")
    try:
        session.until(r"Function URL +http://\S+\n")
    finally:
        session.close()
