"""LocalLambda: the emulator as a context manager, usable from any thread."""

import asyncio
import re
import shlex
import shutil
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .events import Event, InvocationRecord, LogWritten, Observer
from .faults import Fault
from .functions import DUMMY_CREDENTIALS, Function, python_command
from .layers import unpack_layers, wrapped_command
from .names import LATEST, function_arn

if TYPE_CHECKING:
    from .service import LambdaService, StreamErrors

_T = TypeVar("_T")
_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")


class LocalLambda:
    """A streaming Lambda on 127.0.0.1, for development and tests.

    Every function runs in processes of its own, one for each concurrent invocation, and is reached with
    boto3 or any other AWS SDK by its endpoint URL. Nothing outlives the `with` block, however it ends.

    Args:
        region_name: The region in ARNs and in the functions' environment.
        account_id: The account in ARNs.
        stream_errors: How a failed stream ends for its caller. "observed": as captured on AWS, with nothing
            that tells it from a whole one. "documented": with ErrorCode and ErrorDetails in the end event.
        concurrency: Concurrent invocations of all functions; one more is refused with 429.
        port: The port of the Lambda API; 0 takes a free one.
        log: Called with each log line of every function, from the emulator's thread; `print` will do.

    >>> with LocalLambda() as aws:
    ...     aws.add_function("hello", handler="app.handler", code="examples")
    ...     client = boto3.client("lambda", **aws.client_kwargs)  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        region_name: str = "us-east-1",
        account_id: str = "123456789012",
        stream_errors: "StreamErrors" = "observed",
        concurrency: int = 1000,
        port: int = 0,
        log: Callable[[str], object] | None = None,
    ) -> None:
        if stream_errors not in ("observed", "documented"):
            raise ValueError(f'stream_errors is "observed" or "documented", not {stream_errors!r}.')
        self._region = region_name
        self._account = account_id
        self._stream_errors: StreamErrors = stream_errors
        self._concurrency = concurrency
        self._port = port
        self._functions: dict[str, Function] = {}
        self._observers: list[Observer] = [_line_printer(log)] if log else []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._service: LambdaService | None = None
        self._lock = threading.Lock()

    def start(self) -> Self:
        """Start serving; does nothing if it already does.

        Raises:
            ModuleNotFoundError: The extra `local` is not installed.
            OSError: The port is taken.
        """
        with self._lock:
            if self._thread is None:
                self._begin()
        return self

    def stop(self) -> None:
        """End every function process and stop serving; does nothing if it already has."""
        with self._lock:
            if self._thread is not None:
                self._end()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def add_function(
        self,
        name: str,
        *,
        handler: str = "",
        code: str | Path = ".",
        command: Sequence[str] | str | None = None,
        layers: Sequence[str | Path] = (),
        environment: Mapping[str, str] | None = None,
        timeout: float = 3.0,
        memory_size: int = 128,
        concurrency: int | None = None,
        aliases: Sequence[str] = (),
        description: str = "",
    ) -> None:
        """Add a function, or replace the one of that name.

        Args:
            name: Its name: letters, digits, `-` and `_`, at most 64.
            handler: "module.function" of a Python function, or what the runtime in `command` takes for one.
            code: The directory that the process starts in and finds its code in.
            command: The command that runs any other Runtime API client; without it a Python runtime runs the
                handler.
            layers: Zip archives that are unpacked into a folder which stands for /opt.
            environment: Variables of the function; nothing but PATH, HOME and the like is inherited. With
                AWS_LAMBDA_EXEC_WRAPPER a Python function starts as on Lambda: the wrapper, `/opt/...` or
                `/var/task/...`, runs in place of the runtime.
            timeout: Seconds until an invocation is ended and its process killed, up to 900.
            memory_size: In MB; reported to the function, not enforced.
            concurrency: The function's reserved concurrency: one more concurrent invocation is refused with
                429.
            aliases: Qualifiers besides "$LATEST" under which the function can be invoked.
            description: Shown by the control plane.

        Raises:
            ValueError: A name, directory, timeout or handler that cannot be.
        """
        directory = Path(code).resolve()
        _check(name, handler, directory, command, timeout)
        variables = dict(environment or {})
        opt = self._unpacked(layers)
        wrapped = None if command else wrapped_command(variables, directory, opt)
        function = Function(
            name=name,
            arn=function_arn(self._region, self._account, name),
            handler=handler,
            code=directory,
            command=_argv(command) or wrapped or python_command(handler),
            environment=variables,
            timeout=timeout,
            memory_size=memory_size,
            concurrency=concurrency,
            version=LATEST,
            aliases=tuple(aliases),
            description=description,
            last_modified=time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime()),
            opt=opt,
            wrapped=wrapped is not None,
        )
        self._functions[name] = function
        if self._service:
            self._run(_call(self._service.add, function))

    def _unpacked(self, layers: Sequence[str | Path]) -> Path | None:
        if not layers:
            return None
        opt = unpack_layers(layers)
        weakref.finalize(self, shutil.rmtree, opt, ignore_errors=True)
        return opt

    def restart_function(self, name: str) -> None:
        """Let the next invocations start on new processes, with the code as it is now.

        Raises:
            KeyError: There is no such function.
        """
        function = self._functions[name]
        if self._service:
            self._run(_call(self._service.add, function))

    def inject(self, name: str, fault: Fault, times: int | None = None) -> None:
        """Let something go wrong with the next invocations of a function.

        Plans queue up: `inject("fn", Fault(error="TooManyRequestsException"), times=2)` followed by another
        plan throttles two invocations and then does what the other says.

        Args:
            name: The function.
            fault: What goes wrong.
            times: With how many invocations; None: with all, until `clear_faults`.

        Raises:
            KeyError: There is no such function.
            ValueError: Fewer than one time.
        """
        if name not in self._functions:
            raise KeyError(name)
        if times is not None and times < 1:
            raise ValueError(f"A fault is injected at least once, not {times} times.")
        self._run(_call(self._running.faults.add, name, fault, times))

    def clear_faults(self, name: str) -> None:
        """Let the next invocations of a function go well."""
        self._run(_call(self._running.faults.clear, name))

    def invocations(self, name: str) -> list[InvocationRecord]:
        """The last 1,000 invocations of a function, oldest first."""
        return self._run(_call(self._running.history.invocations, name))

    def logs(self, name: str) -> list[str]:
        """The last 10,000 log lines of a function, Lambda's own among them."""
        return self._run(_call(self._running.history.logs, name))

    def subscribe(self, observer: Callable[[Event], None]) -> Callable[[], None]:
        """Have a function called with every event, from the emulator's thread; it must not block.

        Returns:
            A function that ends the subscription.
        """
        self._observers.append(observer)
        unsubscribe = self._run(_call(self._service.subscribe, observer)) if self._service else None

        def end() -> None:
            if observer in self._observers:
                self._observers.remove(observer)
                if unsubscribe and self._thread:
                    unsubscribe()

        return end

    def inspector(self, *, port: int = 0, payloads: bool = True) -> str:
        """Serve the stream inspector, a page that shows live when each chunk left a function.

        Args:
            port: Its port; 0 takes a free one.
            payloads: Whether it shows what payloads and responses say, or only times and sizes.

        Returns:
            The URL of the page; it holds a token, so whoever has it may look.

        Raises:
            OSError: The port is taken.
        """
        return self._run(self._running.open_inspector(port, payloads))

    @property
    def endpoint_url(self) -> str:
        """The URL of the Lambda API: what boto3 takes as `endpoint_url`."""
        api = self._running.api
        return f"{api.scheme}://{api.address}"

    @property
    def client_kwargs(self) -> dict[str, Any]:
        """What a client needs: endpoint, region and dummy credentials, under boto3's names."""
        return {
            "endpoint_url": self.endpoint_url,
            "region_name": self._region,
            "aws_access_key_id": DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        }

    @property
    def _running(self) -> "LambdaService":
        if self._service is None:
            raise RuntimeError("This LocalLambda is not running: use it in a with block, or call start().")
        return self._service

    def _begin(self) -> None:
        if sys.platform == "win32":
            raise RuntimeError("LocalLambda runs on Linux and macOS.")
        _import_h11()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="LocalLambda", daemon=True)
        self._thread.start()
        try:
            self._service = self._run(self._open())
        except BaseException:
            self._end()
            raise

    async def _open(self) -> "LambdaService":
        from .service import LambdaService

        service = LambdaService(
            region=self._region,
            account=self._account,
            stream_errors=self._stream_errors,
            concurrency=self._concurrency,
        )
        try:
            await service.open(self._port)
        except OSError:
            await service.close()
            raise
        for observer in self._observers:
            service.subscribe(observer)
        for function in self._functions.values():
            service.add(function)
        return service

    def _end(self) -> None:
        assert self._loop is not None
        assert self._thread is not None
        service, self._service = self._service, None
        try:
            if service:
                self._run(service.close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None

    def _run(self, work: Awaitable[_T]) -> _T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(_await(work), self._loop).result()


async def _await(work: Awaitable[_T]) -> _T:
    return await work


async def _call(function: Callable[..., _T], *arguments: Any) -> _T:
    return function(*arguments)


def _import_h11() -> None:
    try:
        import h11  # noqa: F401
    except ModuleNotFoundError:
        raise ModuleNotFoundError("LocalLambda needs h11: pip install 'streamify[local]'") from None


def _argv(command: Sequence[str] | str | None) -> tuple[str, ...]:
    return tuple(shlex.split(command) if isinstance(command, str) else command or ())


def _check(name: str, handler: str, code: Path, command: Sequence[str] | str | None, timeout: float) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"A function's name has 1 to 64 letters, digits, - and _: {name!r}.")
    if not handler and not command:
        raise ValueError(f"The function {name} needs handler='module.function', or a command that runs it.")
    if not code.is_dir():
        raise ValueError(f"The code of the function {name} is a directory, and {code} is none.")
    if not 0 < timeout <= 900:
        raise ValueError(f"The timeout of {name} is more than 0 and at most 900 seconds, not {timeout}.")


def _line_printer(log: Callable[[str], object]) -> Observer:
    def observe(event: Event) -> None:
        if isinstance(event, LogWritten):
            log(event.line)

    return observe
