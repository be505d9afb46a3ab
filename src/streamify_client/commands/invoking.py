"""What `streamify invoke` does: bytes to standard output, everything else to standard error."""

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from streamify_client.client import StreamClient
from streamify_client.errors import (
    ConfigurationError,
    CorruptStreamError,
    FunctionError,
    HttpStatusError,
    StreamifyError,
    StreamTimeoutError,
    TruncatedStreamError,
)
from streamify_client.response import ResponseStream

OK, FAILED, USAGE, TRUNCATED, TIMEOUT, INTERRUPTED = 0, 1, 2, 18, 28, 130  # 18 and 28 are curl's

_CLIENT_OPTIONS = ("endpoint_url", "region_name")
_CALL_OPTIONS = (
    *("qualifier", "method", "headers", "auth", "retries", "resumes", "continues", "verified"),
    *("total_timeout", "connect_timeout", "first_byte_timeout", "idle_timeout"),
)


class TerminatedError(BaseException):
    """A signal asked the process to end: what is open is cleaned up first."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status: int = 128 + number  # as shells report it


class BinaryOutputError(Exception):
    """Bytes that are not text were about to go to a terminal."""


def run(given: Mapping[str, Any]) -> int:
    """Invoke, and return the exit status."""
    try:
        with _signals_raised():
            _invoke(given)
    except BrokenPipeError:  # the reader has had enough, which is not a failure
        _forget_stdout()
    except KeyboardInterrupt:
        return INTERRUPTED
    except TerminatedError as terminated:
        return terminated.status
    except StreamifyError as error:
        _explain(error, include=given["include"])
        return _status(error)
    except BinaryOutputError:
        _say("the body is binary, and standard output is a terminal: write it to a file with --output.")
        return USAGE
    except Exception as error:  # where in our code it happened is of no interest
        _say(str(error) or repr(error))
        return FAILED
    return OK


@contextlib.contextmanager
def _signals_raised() -> Iterator[None]:
    """Raise TerminatedError where SIGTERM or SIGHUP would end the process at once."""

    def terminate(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second signal must not cut the clean-up short
        raise TerminatedError(number)

    names = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    ours = [
        number for number in numbers if signal.getsignal(number) is signal.SIG_DFL
    ]  # nohup ignores SIGHUP
    for number in ours:
        signal.signal(number, terminate)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _invoke(given: Mapping[str, Any]) -> None:
    payload = _payload(given["payload"])
    if sys.stdout is None and (given["include"] or not given["output"]):
        raise ConfigurationError("Standard output is closed: write to a file with --output.")
    with _client(given) as client:
        stream = client.stream(given["function"], payload, log_tail=given["log_tail"], **_options(given))
        with stream:
            if given["include"]:
                _write(_head(stream.status_code, stream.headers.pairs(), stream.cookies))
            if given["output"]:
                _save(stream, given["output"])
            else:
                _print(stream, given["view"])
    if given["log_tail"] and stream.result.log_tail:
        _say_lines(stream.result.log_tail)


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the call; ``--timeout`` is short for two of them."""
    short = {"first_byte_timeout": given["timeout"], "idle_timeout": given["timeout"]}
    options = {name: given[name] if given[name] is not None else short.get(name) for name in _CALL_OPTIONS}
    return {name: value for name, value in options.items() if value is not None}


def _client(given: Mapping[str, Any]) -> StreamClient:
    options: dict[str, Any] = {name: given[name] for name in _CLIENT_OPTIONS if given[name] is not None}
    if given["ca_bundle"]:
        options["verify"] = given["ca_bundle"]
    if given["profile"]:
        options["session"] = _session(given["profile"])
    return StreamClient(**options)


def _session(profile: str) -> Any:
    try:
        import boto3
        from botocore.exceptions import ProfileNotFound
    except ImportError as error:
        raise ConfigurationError("--profile needs boto3: pip install 'streamify[client]'.") from error
    try:
        return boto3.session.Session(profile_name=profile)
    except ProfileNotFound as error:
        raise ConfigurationError(f"{error}.") from error


def _payload(given: str | None) -> bytes | str | None:
    if given == "-":
        if sys.stdin is None:
            raise ConfigurationError("--payload - reads standard input, which is closed.")
        return sys.stdin.buffer.read()
    if given is None or not given.startswith("@"):
        return given
    try:
        with open(given[1:], "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"--payload: {error.strerror}: {given[1:]!r}.") from error


def _save(stream: ResponseStream, path: str) -> None:
    from streamify_client.files.sinks import opened_sink

    with opened_sink(path, compression=None) as sink:
        for chunk in stream.iter_bytes():
            sink.write(chunk)


def _print(stream: ResponseStream, view: str) -> None:
    terminal = sys.stdout.isatty()
    for piece in _pieces(stream, view):
        if terminal and view == "raw" and b"\0" in piece:
            raise BinaryOutputError
        _write(piece)


def _pieces(stream: ResponseStream, view: str) -> Iterator[bytes]:
    if view == "raw":
        yield from stream.iter_bytes()
    elif view == "text":
        yield from (text.encode() for text in stream.iter_text())
    elif view == "lines":
        yield from (line.encode() + b"\n" for line in stream.iter_lines())
    elif view == "json":
        yield from (_json(value) for value in stream.iter_json())
    else:
        for event in stream.iter_sse():
            yield _json({"event": event.event, "data": event.data, "id": event.id, "retry": event.retry})


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _head(status: int, pairs: list[tuple[str, str]], cookies: tuple[str, ...]) -> bytes:
    named = {name.lower() for name, _ in pairs}
    more = [] if "set-cookie" in named else [("set-cookie", cookie) for cookie in cookies]
    lines = [f"HTTP {status}", *(f"{name}: {value}" for name, value in (*pairs, *more)), "", ""]
    return "\n".join(lines).encode("utf-8", "replace")


def _write(data: bytes) -> None:
    """Write all of the data: an unbuffered standard output (PYTHONUNBUFFERED) takes what has room."""
    output = sys.stdout.buffer
    output.flush()
    raw = getattr(output, "raw", output)
    left = memoryview(data)
    while left:
        try:
            written = raw.write(left)
        except OSError as error:
            error.filename = error.filename or "standard output"
            raise
        if written is None:  # the pipe is in non-blocking mode, and full
            select.select([], [raw], [])
        else:
            left = left[written:]


def _status(error: StreamifyError) -> int:
    if isinstance(error, StreamTimeoutError):
        return TIMEOUT
    if isinstance(error, TruncatedStreamError | CorruptStreamError):
        return TRUNCATED
    return USAGE if isinstance(error, ConfigurationError) else FAILED


def _explain(error: StreamifyError, *, include: bool) -> None:
    if isinstance(error, HttpStatusError) and include:
        with contextlib.suppress(BrokenPipeError):
            _write(_head(error.status_code, list(error.headers.items()), ()))
    _say(str(error))
    if isinstance(error, HttpStatusError) and error.body:
        _say_lines(error.body.decode("utf-8", "backslashreplace"))
    if isinstance(error, FunctionError):
        _say_lines("\n".join(error.stack_trace))
        _say_lines(error.log_tail or "")


def _say(message: str) -> None:
    print(f"streamify: {_printable(message)}", file=sys.stderr)


def _say_lines(text: str) -> None:
    for line in text.splitlines():
        print(f"  {_printable(line)}", file=sys.stderr)


def _printable(line: str) -> str:
    """Replace control characters: what a function says must not control the terminal."""
    return "".join(
        character if character.isprintable() or character == "\t" else "\ufffd" for character in line
    )


def _forget_stdout() -> None:
    """The reader has gone; Python must not find that out again when it flushes at its end."""
    with open(os.devnull, "wb") as nowhere, contextlib.suppress(OSError):
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
