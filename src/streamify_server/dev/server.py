"""The development server: what is started, in which order, and how it ends."""

import contextlib
import errno
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Literal

from streamify_server.local import LocalLambda
from streamify_server.local.functions import Function, make_function

from .banner import banner
from .check import Problem, check_handler
from .report import Report
from .watch import changes


class DevError(Exception):
    """The server cannot start; the message is a sentence for the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions:
    """What `streamify dev` was told; ports of 0 take free ones."""

    handler: str
    code: Path = Path()
    name: str = ""
    port: int = 8700
    url_port: int = 8701
    inspector_port: int = 8702
    timeout: float = 900.0
    environment: Mapping[str, str] = field(default_factory=dict)
    stream_errors: Literal["observed", "documented"] = "observed"
    invoke_mode: Literal["RESPONSE_STREAM", "BUFFERED"] = "RESPONSE_STREAM"
    payloads: bool = True
    reload: bool = True

    @property
    def function(self) -> str:
        """The function's name: what was asked for, or that of the handler's module."""
        module = self.handler.rpartition(".")[0]
        return self.name or re.sub(r"[^a-zA-Z0-9-_]+", "-", module.replace("/", ".").rpartition(".")[2])


class Terminal:
    """Prints, from any thread, until nobody reads any more."""

    def __init__(self, echo: Callable[[str], None], style: Callable[[str, str], str]) -> None:
        self._echo = echo
        self.style = style
        self.gone: threading.Event = threading.Event()

    def echo(self, line: str = "") -> None:
        try:
            self._echo(line)
        except OSError:
            self.gone.set()


def run_dev(options: DevOptions, terminal: Terminal) -> None:
    """Serve a function until Ctrl-C, SIGTERM, or the end of whoever reads the output.

    Raises:
        DevError: It cannot start, and why.
    """
    function = _function(options)
    with _interruptible(), contextlib.ExitStack() as stack:
        problem = check_handler(function)
        if problem and not (problem.trace and options.reload):
            raise DevError(_told(options.handler, problem))
        aws = stack.enter_context(_started(options))
        aws.subscribe(Report(terminal.echo, terminal.style).observe)
        try:
            _serve(function, options, aws, problem, terminal)
        except ModuleNotFoundError as missing:
            raise DevError(str(missing)) from None


def _started(options: DevOptions) -> LocalLambda:
    try:
        with _port(options.port, "--port"):
            return LocalLambda(stream_errors=options.stream_errors, port=options.port).start()
    except (ModuleNotFoundError, RuntimeError) as error:  # no h11, or no Linux or macOS
        raise DevError(str(error)) from None


def _serve(
    function: Function, options: DevOptions, aws: LocalLambda, problem: Problem | None, terminal: Terminal
) -> None:
    aws.add_function(
        function.name,
        handler=options.handler,
        code=options.code,
        timeout=options.timeout,
        environment=options.environment,
    )
    with _port(options.url_port, "--url-port"):
        url = aws.function_url(function.name, invoke_mode=options.invoke_mode, port=options.url_port)
    with _port(options.inspector_port, "--inspector-port"):
        inspector = aws.inspector(port=options.inspector_port, payloads=options.payloads)
    for changed in changes(function.code, terminal.gone) if options.reload else _until(terminal.gone):
        if changed is None:
            terminal.echo(banner(options, aws, url, inspector, terminal.style))
        else:
            aws.restart_function(function.name)
            problem = check_handler(function)
            terminal.echo(f"Reloaded: {changed} changed.")
        if problem:
            terminal.echo(terminal.style(_told(options.handler, problem), "red"))
            terminal.echo("It is loaded again at the next change.")


@contextlib.contextmanager
def _port(number: int, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise DevError(f"Port {number} cannot be opened: {error.strerror or error}.") from None
        advice = f"end what listens there, or choose another with {option} (0 takes a free one)"
        raise DevError(f"Port {number} is taken: {advice}.") from None


def _until(gone: threading.Event) -> Iterator[Path | None]:
    yield None
    gone.wait()


def _function(options: DevOptions) -> Function:
    try:
        return make_function(
            name=options.function, arn="", handler=options.handler, code=options.code, command=None,
            timeout=options.timeout, environment=dict(options.environment), opt=None,
        )  # fmt: skip
    except ValueError as error:
        raise DevError(str(error)) from None


def _told(handler: str, problem: Problem) -> str:
    trace = f"\n\n{problem.trace}" if problem.trace else ""
    return f"The handler {handler} cannot be loaded: {problem.sentence}.{trace}"


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """End quietly on Ctrl-C, and on SIGTERM and SIGHUP as on Ctrl-C."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGTERM] + ([signal.SIGHUP] if sys.platform != "win32" else [])
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
