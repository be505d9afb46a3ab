"""Log events and responses, up to a limit."""

from __future__ import annotations

import json
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from streamify_server.response import HttpResponse

from ._options import check, check_options

if TYPE_CHECKING:
    from streamify_server.middleware import Request

_LAMBDA_CONTEXT = (
    "function_name",
    "function_version",
    "invoked_function_arn",
    "memory_limit_in_mb",
    "aws_request_id",
    "log_group_name",
    "log_stream_name",
    "identity",
    "client_context",
)
_EXECUTION_CONTEXT = ("tenant_id",)
# Names in lower case and what to remove below them; None removes everything.
PathTree = dict[str, "PathTree | None"]

WITHHELD = "[withheld]"


class input_output_logger:
    """Logs every event, and every response when its body has ended; the body still streams.

    At most `max_bytes` of an event and of a body are logged; of longer ones only the beginning of the text,
    with `"truncated": true` in the message.

    Args:
        logger: Called with each message, a dict: `{"event": ...}`, then `{"response": ...}`; or an object
            with `info(message)`, such as a `logging.Logger` or the Logger of Powertools; False logs nothing.
            By default a message is printed as one line of JSON.
        execution_context: Add `tenant_id` of the context.
        lambda_context: Add the other attributes of the context, such as `aws_request_id`.
        omit_paths: Values not to log, such as "event.headers.authorization", "event.items.[].token" or
            "response.body.password", ignoring case; or a list of names, such as
            `["event", "a.dotted.name"]`. Paths may lead into a body of JSON text; a body that was truncated
            or is not JSON is then not logged at all, because the values cannot be found in it.
        mask: Logged instead of these values; None removes the keys too.
        max_bytes: The maximum number of logged bytes of a body, and of an event as JSON.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import input_output_logger
        >>> log = input_output_logger(omit_paths=["event.token"], mask="***", max_bytes=100)
        >>> @streaming_handler(middlewares=[log])
        ... def handler(event, context):
        ...     yield "row 1, "
        ...     yield "row 2"
        >>> handler({"token": "s3cret"}, None)
        {"event": {"token": "***"}}
        {"response": "row 1, row 2", "bytes": 12}
        b'row 1, row 2'
    """

    def __init__(
        self,
        *,
        logger: Callable[[dict[str, Any]], Any] | Literal[False] | Any = None,
        execution_context: bool = False,
        lambda_context: bool = False,
        omit_paths: Sequence[str | Sequence[str]] = (),
        mask: str | None = None,
        max_bytes: int = 16 * 1024,
    ) -> None:
        check("omit_paths", omit_paths, "Sequence")
        for path in omit_paths:
            check("omit_paths", [path] if isinstance(path, str) else path, "Sequence[str]")
        check_options(locals())
        self._log = _logger(logger)
        self._keys = (
            *(_EXECUTION_CONTEXT if execution_context else ()),
            *(_LAMBDA_CONTEXT if lambda_context else ()),
        )
        self._tree = path_tree(omit_paths)
        self._mask = mask
        self._key = f"streamify.input_output_logger.{id(self)}"  # there may be several instances
        self._max_bytes = max_bytes

    def before(self, request: Request) -> None:
        """Log the event."""
        event = redacted(request.event, self._tree.get("event", {}), self._mask)
        logged, truncated = _bounded(event, self._max_bytes)
        self._tell(request, {"event": logged}, truncated)

    def after(self, request: Request) -> None:
        """Record the beginning of the body."""
        tap = request.internal[self._key] = _Tap(self._max_bytes)
        request.transform_body(tap)

    def on_error(self, request: Request) -> None:
        """Record the body of the response to the error instead of the one that failed."""
        request.internal.pop(self._key, None)
        if request.response is not None:
            self.after(request)

    def on_stream_end(self, request: Request) -> None:
        """Log the response."""
        tap = request.internal.get(self._key)
        if tap is None:
            return
        response: Any = tap.text()
        if isinstance(request.response, HttpResponse):
            status, headers = request.response.status, dict(request.response.headers)
            response = {"statusCode": status, "headers": headers, "body": response}
        message = {
            "response": redacted(response, self._tree.get("response", {}), self._mask),
            "bytes": tap.total,
        }
        if request.stream_end is not None and request.stream_end.error is not None:
            message["error"] = repr(request.stream_end.error)
        self._tell(request, message, tap.total > self._max_bytes)

    def _tell(self, request: Request, message: dict[str, Any], truncated: bool) -> None:
        if self._log is None:
            return
        if truncated:
            message["truncated"] = True
        context = {
            key: value for key in self._keys if (value := getattr(request.context, key, None)) is not None
        }
        if context:
            message["context"] = context
        self._log(message)


class _Tap:
    """A transform that changes nothing and keeps the beginning of the body."""

    __slots__ = ("_kept", "_limit", "total")

    def __init__(self, limit: int) -> None:
        self._kept = bytearray()
        self._limit = limit
        self.total = 0

    def feed(self, chunk: bytes, /) -> bytes:
        self.total += len(chunk)
        if (room := self._limit - len(self._kept)) > 0:
            self._kept += chunk[:room]
        return chunk

    def flush(self) -> bytes:
        return b""

    def finish(self) -> bytes:
        return b""

    def text(self) -> str:
        decoder = getincrementaldecoder("utf-8")()
        try:
            return decoder.decode(self._kept, final=self.total <= self._limit)
        except UnicodeDecodeError:
            return f"[{self.total} bytes, not text]"


def _bounded(value: Any, limit: int) -> tuple[Any, bool]:
    """Return the value, or the beginning of its JSON if that has more than `limit` characters; and which."""
    kept: list[str] = []
    room = limit
    try:
        for piece in json.JSONEncoder(default=str).iterencode(value):
            kept.append(piece[:room])
            room -= len(piece)
            if room < 0:
                return "".join(kept), True
    except (ValueError, TypeError, RecursionError) as error:
        return f"[not JSON: {error}]", False
    return value, False


def _logger(logger: Any) -> Callable[[dict[str, Any]], Any] | None:
    if logger is None or logger is False:
        return _print if logger is None else None
    if callable(info := getattr(logger, "info", None)):
        logger = info
    check("logger", logger, "Callable")
    function: Callable[[dict[str, Any]], Any] = logger
    return function


def _print(message: dict[str, Any]) -> None:
    print(json.dumps(message, default=str), flush=True)


def path_tree(paths: Iterable[str | Sequence[str]]) -> PathTree:
    """Return the paths, dotted text or lists of names, as a tree; a path includes all paths below it."""
    tree: PathTree = {}
    split = [path.split(".") if isinstance(path, str) else path for path in paths]
    for path in sorted(split, key=len):
        *names, last = [name.lower() for name in path]
        branch: PathTree | None = tree
        for name in names:
            branch = branch.setdefault(name, {}) if branch is not None else None
        if branch is not None:
            branch[last] = None
    return tree


def redacted(value: Any, tree: PathTree | None, mask: str | None) -> Any:
    """Return a copy in which the values named by the tree are masked or removed.

    Names match regardless of case, like those of header fields. JSON text is parsed; other text that the
    tree leads into is removed as a whole, because the values cannot be found in it.
    """
    if tree is None:
        return WITHHELD if mask is None else mask
    if not tree:
        return value
    if isinstance(value, str):
        return _redacted_text(value, tree, mask)
    if isinstance(value, list | tuple):
        items = tree.get("[]", {})
        return [redacted(item, items, mask) for item in value]
    if not isinstance(value, Mapping):
        return value
    kept = {}
    for key, member in value.items():
        inner = tree.get(str(key).lower(), {})
        if inner is not None or mask is not None:
            kept[key] = redacted(member, inner, mask)
    return kept


def _redacted_text(text: str, tree: PathTree, mask: str | None) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict | list):
        return WITHHELD if mask is None else mask
    return json.dumps(redacted(value, tree, mask))
