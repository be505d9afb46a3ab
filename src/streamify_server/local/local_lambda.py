"""LocalLambda: the emulator as a context manager that can be used from any thread."""

import re
import shutil
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from .arguments import check_list, check_one_of, check_text, check_whole
from .events import Event, FaultInjected, History, InvocationRecord, LogWritten, Observer
from .faults import Fault
from .fronts.cors import Cors, checked_origins
from .fronts.front import URL_PERMISSIONS
from .functions import DUMMY_CREDENTIALS, Function, make_function
from .http.tls import LocalAuthority
from .lambda_api.reads import ACTIONS
from .layers import layer_name, unpack_layers
from .loop_thread import LoopThread
from .names import function_arn
from .unread import held_ports, unread_ports

if TYPE_CHECKING:
    from .http.request import Request
    from .servers import Servers
    from .service import StreamErrors

_T = TypeVar("_T")
_made: "weakref.WeakSet[LocalLambda]" = weakref.WeakSet()
_LOOK_SECONDS = 0.01
_NOT_RUNNING = "This LocalLambda is not running: use it in a with block, or call start()."
_REGION = re.compile(r"[a-z0-9-]+")
_ACCOUNT = re.compile(r"\d{12}")


class LocalLambda:
    """A local Lambda with response streaming on 127.0.0.1, for development and tests.

    Every function runs in its own processes, one for each concurrent invocation. Use boto3 or any other AWS
    SDK with the endpoint URL. Everything is stopped at the end of the `with` block, however it ends.

    Args:
        region_name: The region in ARNs and in the functions' environment.
        account_id: The account in ARNs.
        stream_errors: How a failed stream ends for its caller. "observed": as captured on AWS, where it looks
            like a complete one. "documented": with ErrorCode and ErrorDetails in the end event.
        concurrency: The maximum number of concurrent invocations of all functions; others get a 429.
        pacing: Limit the bandwidth as Lambda does: 6 MB at full speed, then 2 MB/s.
        tls: Serve https, with a certificate that clients with `client_kwargs` trust.
        port: The port of the Lambda API; 0 takes a free one.
        host: The address that the Lambda API, Function URLs and the inspector listen on; "0.0.0.0" lets
            containers and other machines connect. Any of them can then invoke the functions, which run with
            your permissions; `Host` headers may be addresses, names without a dot and names in `.internal`.
        denied: Actions, such as "lambda:GetPolicy" or "apigateway:GET", that are refused with
            AccessDeniedException.
        log: Called with each log line of every function, from the emulator's thread; for example `print`.

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
        pacing: bool = False,
        tls: bool = False,
        port: int = 0,
        host: str = "127.0.0.1",
        denied: Sequence[str] = (),
        log: Callable[[str], object] | None = None,
    ) -> None:
        check_one_of("stream_errors", stream_errors, "observed", "documented")
        check_whole("concurrency", concurrency, 1)
        check_text("region_name", region_name, "such as us-east-1", _REGION)
        check_text("account_id", account_id, "twelve digits", _ACCOUNT)
        self._region = region_name
        self._account = account_id
        self._stream_errors: StreamErrors = stream_errors
        self._concurrency = concurrency
        self._pacing = pacing
        self._tls = tls
        self._authority: LocalAuthority | None = None
        self._port = port
        self._host = host
        self._denied = frozenset(_denied(denied))
        self._functions: dict[str, Function] = {}
        self._observers: list[Observer] = [_line_printer(log)] if log else []
        self._thread: LoopThread | None = None
        self._servers: Servers | None = None
        self._history = History()
        _made.add(self)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        servers = self._servers
        where = "not started" if servers is None else servers.service.endpoint_url
        names = ", ".join(sorted(self._functions)) or "no functions"
        return f"<LocalLambda {where}, {names}>"

    def start(self) -> Self:
        """Start serving; do nothing if it is already running.

        Raises:
            ModuleNotFoundError: The extra `local` is not installed.
            OSError: The port is taken.
        """
        with self._lock:
            if self._thread is None:
                self._begin()
        return self

    def stop(self) -> None:
        """Stop every function process and stop serving; do nothing if it is not running."""
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
        memory_size: int | None = None,
        concurrency: int | None = None,
        aliases: Sequence[str] = (),
        description: str = "",
    ) -> None:
        """Add a function, or replace the one with that name.

        Args:
            name: Its name: letters, digits, `-` and `_`, at most 64.
            handler: "module.function" of a Python function, or the handler for the runtime in `command`.
            code: The directory with the code, which is the working directory of the process.
            command: A command that runs another Runtime API client; by default a Python runtime runs the
                handler.
            layers: Zip archives to unpack into a folder that is used as /opt.
            environment: Variables of the function; only PATH, HOME and the like are inherited. With
                AWS_LAMBDA_EXEC_WRAPPER a Python function starts as on Lambda: the wrapper, `/opt/...` or
                `/var/task/...`, runs instead of the runtime.
            timeout: Seconds after which an invocation is ended and its process killed, up to 1,800 (AWS
                documents 900).
            memory_size: In MB; a process that uses more during an invocation is killed as on Lambda (Linux).
                None reports 128 to the function and sets no limit.
            concurrency: The function's reserved concurrency; further concurrent invocations get a 429.
            aliases: Qualifiers besides "$LATEST" with which the function can be invoked.
            description: Shown by the control plane.

        Raises:
            ValueError: The name, directory, timeout or handler is invalid.
        """
        function = make_function(
            name=name,
            arn=function_arn(self._region, self._account, name),
            handler=handler,
            code=code,
            command=command,
            environment=dict(environment or {}),
            timeout=timeout,
            memory_size=memory_size,
            concurrency=concurrency,
            aliases=aliases,
            description=description,
            opt=self._unpacked(layers),
            layers=tuple(map(layer_name, layers)),
        )
        self._functions[name] = function
        if self._servers:
            self._call(self._servers.service.add, function)

    def _unpacked(self, layers: Sequence[str | Path]) -> Path | None:
        check_list("layers", layers)
        if not layers:
            return None
        opt = unpack_layers(layers)
        weakref.finalize(self, shutil.rmtree, opt, ignore_errors=True)
        return opt

    def restart_function(self, name: str) -> None:
        """Use new processes for the next invocations, with the current code.

        Raises:
            KeyError: There is no such function.
        """
        function = self._functions[self._known(name)]
        if self._servers:
            self._call(self._servers.service.add, function)

    def function_url(
        self,
        name: str,
        *,
        invoke_mode: Literal["BUFFERED", "RESPONSE_STREAM"] = "BUFFERED",
        auth_type: Literal["NONE", "AWS_IAM"] = "NONE",
        cors: Cors | None = None,
        pass_origins: Sequence[str] = (),
        empty_body: Literal["hang", "end"] = "hang",
        granted: Sequence[str] = URL_PERMISSIONS,
        port: int = 0,
    ) -> str:
        """Open a Function URL.

        Args:
            name: The function.
            invoke_mode: "RESPONSE_STREAM" sends a response as it arrives; "BUFFERED", also the default on
                AWS, expects one JSON object.
            auth_type: "AWS_IAM" verifies that requests are signed with the keys in `client_kwargs`.
            cors: Which other origins may call it, and how; the URL answers their preflight requests and adds
                the CORS headers.
            pass_origins: Origins, "https://app.example" or "*" for any, whose requests and preflight requests
                are passed on to the application, which handles CORS itself. Others are refused.
            empty_body: What happens to a streamed prelude without a body: "hang", as seen on AWS, until the
                caller disconnects, or "end".
            granted: What the resource policy grants to everybody with auth_type "NONE"; unless it contains
                both "lambda:InvokeFunctionUrl" and "lambda:InvokeFunction", the URL responds with 403.
            port: The port to listen on; 0 takes a free one.

        Returns:
            The URL, with a slash at the end.

        Raises:
            KeyError: There is no such function.
            ValueError: An argument is invalid.
        """
        check_list("granted", granted)
        for permission in granted:
            check_one_of("granted", permission, *URL_PERMISSIONS)
        check_one_of("invoke_mode", invoke_mode, "BUFFERED", "RESPONSE_STREAM")
        check_one_of("auth_type", auth_type, "NONE", "AWS_IAM")
        if not isinstance(cors, Cors | None):
            raise ValueError(f"cors is a Cors, not {cors!r}.")
        if cors and pass_origins:
            raise ValueError(
                "cors= lets the URL answer CORS, pass_origins= the application: use one of them."
            )
        check_one_of("empty_body", empty_body, "hang", "end")
        return self._open_front(
            port,
            function=name,
            api="url",
            streaming=invoke_mode == "RESPONSE_STREAM",
            signed=auth_type == "AWS_IAM",
            cors=cors,
            pass_origins=checked_origins(pass_origins),
            hangs_when_empty=empty_body == "hang",
            granted=tuple(granted),
        )

    def rest_api(
        self,
        name: str,
        *,
        response_transfer_mode: Literal["BUFFERED", "STREAM"] = "BUFFERED",
        pass_origins: Sequence[str] = (),
        empty_body: Literal["hang", "end"] = "hang",
        port: int = 0,
    ) -> str:
        """Open a REST API of API Gateway with a proxy integration of all paths with the function.

        Args:
            name: The function.
            response_transfer_mode: "STREAM" sends a response as it arrives and requires a prelude in its
                first 16 KB; "BUFFERED" expects one JSON object.
            pass_origins: As for `function_url`.
            empty_body: As for `function_url`.
            port: The port to listen on; 0 selects a free one.

        Returns:
            The URL, with a slash at the end.

        Raises:
            KeyError: There is no such function.
            ValueError: An argument is invalid.
        """
        check_one_of("response_transfer_mode", response_transfer_mode, "BUFFERED", "STREAM")
        check_one_of("empty_body", empty_body, "hang", "end")
        streaming = response_transfer_mode == "STREAM"
        return self._open_front(
            port,
            function=name,
            api="rest",
            streaming=streaming,
            pass_origins=checked_origins(pass_origins),
            hangs_when_empty=empty_body == "hang",
        )

    def _open_front(self, port: int, **fields: Any) -> str:
        from .fronts.front import Front

        self._known(fields["function"])
        return self._loop.run(self._running.open_front(Front(**fields), port))

    def inject(self, name: str, fault: Fault, times: int | None = None) -> None:
        """Inject a fault into the next invocations of a function.

        Faults are queued: after `inject("fn", Fault(error="TooManyRequestsException"), times=2)` another call
        applies from the third invocation on.

        Args:
            name: The function.
            fault: The fault.
            times: The number of invocations; None: all, until `clear_faults`.

        Raises:
            KeyError: There is no such function.
            ValueError: An argument is invalid.
        """
        self._known(name)
        if not isinstance(fault, Fault):
            raise ValueError(f"inject takes a Fault, not {fault!r}.")
        check_whole("times", times, 1)
        self._call(self._running.service.faults.add, name, fault, times)

    def clear_faults(self, name: str) -> None:
        """Remove all queued faults of a function."""
        self._call(self._running.service.faults.clear, self._known(name))

    def invocations(self, name: str) -> list[InvocationRecord]:
        """Return the last 1,000 invocations of a function (payloads up to 64 MiB in all), oldest first.

        Raises:
            KeyError: There is no such function.
        """
        return self._call(self._running.service.history.invocations, self._known(name))

    def logs(self, name: str) -> list[str]:
        """Return the last 10,000 log lines of a function, including Lambda's own.

        At most 64 Mi characters are kept; a line of excessive length is split.

        Raises:
            KeyError: There is no such function.
        """
        return self._call(self._running.service.history.logs, self._known(name))

    def _known(self, name: str) -> str:
        if name not in self._functions:
            added = ", ".join(sorted(self._functions)) or "none"
            raise KeyError(f"There is no function {name!r} here; added were: {added}.")
        return name

    @property
    def code(self) -> dict[str, Path]:
        """The directory of each function's code."""
        return {name: function.code for name, function in self._functions.items()}

    @property
    def running(self) -> bool:
        """Whether it is serving: between `start` and `stop`."""
        return self._servers is not None

    def open_requests(self, patience: float = 0.0) -> list[str]:
        """Return the requests, "POST /path", whose responses were neither read to the end nor closed.

        Responses that were sent completely are found if urllib3 (and so boto3) or aiohttp holds them in this
        process, or, on Linux, if they are unread in a socket of any program.

        Args:
            patience: Seconds to wait for responses that are about to end.
        """
        give_up = time.monotonic() + patience
        # Nothing notifies us that a caller has disconnected or read everything: poll.
        while (left := self._left_open()) and time.monotonic() < give_up:
            time.sleep(_LOOK_SECONDS)
        return [f"{request.method} {request.target}" for request in left]

    def _left_open(self) -> "list[Request]":
        serving, ports = self._call(lambda: (self._running.serving, self._running.ports))
        if serving:
            return list(serving)
        unread = unread_ports(ports, tls=self._tls) | held_ports(ports)
        answered = self._call(lambda: self._running.answered) if unread else {}
        return [answered[port] for port in sorted(unread) if port in answered]

    def process_ids(self) -> list[int]:
        """Return the process ids of the running function processes."""
        return self._call(lambda: self._running.service.process_ids)

    def told_since(self, moment: float) -> list[LogWritten | FaultInjected]:
        """Return log lines of the functions and effects of faults since a time, in order; also after `stop`.

        Args:
            moment: The time in seconds since the epoch.
        """
        with self._lock:
            return (
                self._call(self._history.told_since, moment)
                if self._thread
                else self._history.told_since(moment)
            )

    def subscribe(self, observer: Callable[[Event], None]) -> Callable[[], None]:
        """Call a function with every event, from the emulator's thread; it must not block.

        Returns:
            A function that ends the subscription.
        """
        self._observers.append(observer)
        unsubscribe = self._call(self._servers.service.subscribe, observer) if self._servers else None

        def end() -> None:
            if observer in self._observers:
                self._observers.remove(observer)
                if unsubscribe and self._thread:
                    unsubscribe()

        return end

    def inspector(self, *, port: int = 0, payloads: bool = True) -> str:
        """Serve the stream inspector, a page that shows live when a function sent each chunk.

        Args:
            port: Its port; 0 takes a free one.
            payloads: Whether it shows the content of payloads and responses, or only times and sizes.

        Returns:
            The URL of the page. It contains a token: anyone who has the URL can read the page.

        Raises:
            OSError: The port is taken.
        """
        return self._loop.run(self._running.open_inspector(port, payloads))

    @property
    def endpoint_url(self) -> str:
        """The URL of the Lambda API, for boto3's `endpoint_url`."""
        return self._running.service.endpoint_url

    @property
    def client_kwargs(self) -> dict[str, Any]:
        """boto3's arguments for a client: endpoint, region, dummy credentials and certificate."""
        trusted = {"verify": str(self._authority.path)} if self._authority else {}
        return {
            **trusted,
            "endpoint_url": self.endpoint_url,
            "region_name": self._region,
            "aws_access_key_id": DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        }

    @property
    def _running(self) -> "Servers":
        if self._servers is None:
            raise RuntimeError(_NOT_RUNNING)
        return self._servers

    @property
    def _loop(self) -> LoopThread:
        if self._thread is None:
            raise RuntimeError(_NOT_RUNNING)
        return self._thread

    def _call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        return self._loop.call(function, *arguments)

    def _begin(self) -> None:
        if sys.platform == "win32":
            raise RuntimeError("LocalLambda runs on Linux and macOS.")
        self._authority = LocalAuthority() if self._tls else None
        self._thread = LoopThread("LocalLambda")
        try:
            self._servers = self._thread.run(self._open())
        except BaseException:
            self._end()
            raise

    async def _open(self) -> "Servers":
        from .servers import Servers
        from .service import LambdaService

        service = LambdaService(
            region=self._region,
            account=self._account,
            stream_errors=self._stream_errors,
            concurrency=self._concurrency,
            denied=self._denied,
            pacing=self._pacing,
            ca_bundle=str(self._authority.path) if self._authority else None,
        )
        servers = Servers(service, authority=self._authority, host=self._host)
        try:
            await servers.open(self._port)
        except BaseException:
            await servers.close()
            raise
        self._history = service.history
        for observer in self._observers:
            service.subscribe(observer)
        for function in self._functions.values():
            service.add(function)
        return servers

    def _end(self) -> None:
        thread, self._thread = self._thread, None
        servers, self._servers = self._servers, None
        assert thread is not None
        try:
            if servers:
                thread.run(servers.close())
        finally:
            thread.close()
            if self._authority:
                self._authority.close()


def all_made() -> "list[LocalLambda]":
    """Return every LocalLambda of this process that is still referenced."""
    return list(_made)


def _denied(actions: Sequence[str]) -> Iterator[str]:
    for action in [actions] if isinstance(actions, str) else actions:
        if action not in ACTIONS:
            raise ValueError(f"denied takes {', '.join(ACTIONS)}, not {action!r}.")
        yield action


def _line_printer(log: Callable[[str], object]) -> Observer:
    def observe(event: Event) -> None:
        if isinstance(event, LogWritten):
            log(event.line)

    return observe
