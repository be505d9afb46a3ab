"""The terminal output of `streamify dev`, and its error."""

import threading
from collections.abc import Callable


class DevError(Exception):
    """The server cannot start; the message is a sentence for the terminal."""


class Terminal:
    """Prints from any thread, until the reader of the output is gone; then `gone` is set."""

    def __init__(self, echo: Callable[[str], None], style: Callable[[str, str], str]) -> None:
        self._echo = echo
        self.style = style
        self.gone: threading.Event = threading.Event()

    def echo(self, line: str = "") -> None:
        try:
            self._echo(line)
        except OSError:
            self.gone.set()
