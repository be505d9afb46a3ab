"""The development server of `streamify dev`."""

import contextlib
import errno
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

from streamify_server.local import LocalLambda
from streamify_server.local.functions import Function, make_function
from streamify_server.local.http.request import is_loopback

from .banner import Served, banner
from .functions import DevFunction
from .loading import Loader
from .report import Report
from .terminal import DevError, Terminal
from .watch import changes, ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions:
    """The options of `streamify dev`; port 0 selects a free one.

    The first function's URL has the port `url_port`, each further one the next port that is not in use here.
    """

    functions: tuple[DevFunction, ...]
    host: str = "127.0.0.1"
    port: int = 8700
    url_port: int = 8701
    inspector_port: int = 8702
    stream_errors: Literal["observed", "documented"] = "observed"
    pass_origins: tuple[str, ...] = ()
    payloads: bool = True
    reload: bool = True

    @property
    def url_ports(self) -> list[int]:
        """The port of each function's URL."""
        if not self.url_port:
            return [0] * len(self.functions)
        others = {self.port, self.inspector_port}
        free = (port for port in range(self.url_port + 1, 65536) if port not in others)
        return [self.url_port, *(next(free, 0) for _ in self.functions[1:])]


def run_dev(options: DevOptions, terminal: Terminal) -> None:
    """Serve functions until Ctrl-C or SIGTERM, or until the reader of the output is gone.

    Raises:
        DevError: It cannot start; the message says why.
    """
    functions = [_function(function) for function in options.functions]
    with _interruptible(), contextlib.ExitStack() as stack:
        shown: set[str] = set()
        loaders = [Loader(function, terminal, options.reload, shown) for function in functions]
        for loader in loaders:
            stack.callback(loader.stop)
        for loader in loaders:
            loader.wait(until_loaded=not options.reload)
        aws = stack.enter_context(_started(options))
        code = {function.name: function.code for function in functions}
        aws.subscribe(Report(terminal.echo, terminal.style, code).observe)
        try:
            _serve(loaders, options, aws, terminal)
        except ModuleNotFoundError as missing:
            raise DevError(str(missing)) from None


def _started(options: DevOptions) -> LocalLambda:
    try:
        with _port(options.host, options.port, "--port"):
            aws = LocalLambda(stream_errors=options.stream_errors, host=options.host, port=options.port)
            return aws.start()
    except (ModuleNotFoundError, RuntimeError) as error:  # no awslambdaric, or no Linux or macOS
        raise DevError(str(error)) from None


def _serve(loaders: list[Loader], options: DevOptions, aws: LocalLambda, terminal: Terminal) -> None:
    served = [
        _add(function, port, options, aws)
        for function, port in zip(options.functions, options.url_ports, strict=True)
    ]
    with _port(options.host, options.inspector_port, "--inspector-port"):
        inspector = aws.inspector(port=options.inspector_port, payloads=options.payloads)
    directories = sorted({loader.function.code for loader in loaders})
    told = banner(
        served,
        client=aws.client_kwargs,
        inspector=inspector,
        watched=" and ".join(map(str, directories)) if options.reload else "",
        reachable="" if is_loopback(options.host) else options.host,
        style=terminal.style,
    )
    for changed in changes(directories, terminal.gone) if options.reload else ticks(terminal.gone):
        if told:
            terminal.echo(told)
            told = ""
        if changed:
            _reload(changed, loaders, aws, terminal)
        for loader in loaders:
            loader.look()


def _add(function: DevFunction, port: int, options: DevOptions, aws: LocalLambda) -> Served:
    aws.add_function(
        function.name,
        handler=function.handler,
        code=function.code,
        timeout=function.timeout,
        environment=function.environment,
        memory_size=function.memory_size,
    )
    with _port(options.host, port, "--url-port"):
        url = aws.function_url(
            function.name, invoke_mode=function.invoke_mode, pass_origins=options.pass_origins, port=port
        )
    return Served(name=function.name, handler=function.handler, url=url)


def _reload(changed: frozenset[Path], loaders: list[Loader], aws: LocalLambda, terminal: Terminal) -> None:
    """Restart the functions whose code has changed.

    This does not wait for the test whether the new code loads, so that a save never waits for an earlier one.
    The test has its own process, and the function's process imports the code itself.
    """
    for loader in loaders:
        if any(path.is_relative_to(loader.function.code) for path in changed):
            aws.restart_function(loader.function.name)
            loader.start()
    first = min(changed)
    # The innermost directory that contains it.
    root = max(loader.function.code for loader in loaders if first.is_relative_to(loader.function.code))
    terminal.echo(f"Reloaded: {first.relative_to(root)} changed.")


@contextlib.contextmanager
def _port(host: str, number: int, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise DevError(f"{host} is not an address of this machine: choose another with --host.") from None
        if error.errno != errno.EADDRINUSE:
            raise DevError(f"Port {number} cannot be opened: {error.strerror or error}.") from None
        advice = f"end what listens there, or choose another with {option} (0 takes a free one)"
        raise DevError(f"Port {number} is taken: {advice}.") from None


def _function(function: DevFunction) -> Function:
    try:
        return make_function(
            name=function.name, arn="", handler=function.handler, code=function.code, command=None,
            timeout=function.timeout, environment=dict(function.environment), opt=None,
        )  # fmt: skip
    except ValueError as error:
        raise DevError(str(error)) from None


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """End quietly, with status 0, on Ctrl-C, SIGTERM and SIGHUP: the normal ways to stop the server."""

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
