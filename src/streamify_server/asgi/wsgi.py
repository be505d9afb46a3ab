"""WSGI applications (Flask, Bottle, Django without ASGI...) as streaming handlers."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Unpack, cast

from streamify_server.handler import StreamingHandler, streaming_handler
from streamify_server.response import HttpResponse

from .events import http_request, load_parsers

if TYPE_CHECKING:
    from streamify_server.handler import HandlerOptions

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def streaming_wsgi(
    app: WsgiApp, *, root_path: str = "", **options: Unpack[HandlerOptions]
) -> StreamingHandler:
    """Turn a WSGI application into a streaming Lambda handler.

    The application runs on the calling thread, so that the deadline can interrupt it. Each item of its
    iterable is sent as a chunk at once, and its `close` is always called at the end. The environ, built by
    a2wsgi, has the Lambda event and context as `environ["aws.event"]` and `environ["aws.context"]`.

    Args:
        app: A WSGI application (PEP 3333).
        root_path: Where the application is mounted, such as "/v1" if the URLs contain a stage.
        **options: Options of `streaming_handler`, such as middlewares.

    Raises:
        ModuleNotFoundError: a2wsgi or mangum is not installed; the message names the extra.
        TypeError: `app` is not callable, or an option is unknown.

    Example:
        >>> def app(environ, start_response):
        ...     start_response("200 OK", [("content-type", "text/plain")])
        ...     yield b"hello"
        >>> handler = streaming_wsgi(app)
    """
    if not callable(app):
        raise TypeError(f"streaming_wsgi takes a WSGI application, not {app!r}.")
    load_parsers()
    build_environ = _environ_builder()

    def wsgi(event: Any, context: Any) -> HttpResponse:
        scope, body = http_request(event, context, root_path)
        environ = build_environ(scope, io.BytesIO(body))
        environ.update(
            {
                "CONTENT_LENGTH": str(len(body)),
                "REQUEST_URI": scope["raw_path"].decode("latin-1"),
                "aws.event": event,
                "aws.context": context,
                "wsgi.errors": sys.stderr,
                "wsgi.input": io.BytesIO(body),
                "wsgi.multithread": False,
                "wsgi.multiprocess": False,
            }
        )
        return _Call(app, environ).response()

    return streaming_handler(**options)(wsgi)


def _environ_builder() -> Callable[..., dict[str, Any]]:
    try:
        from a2wsgi.wsgi import build_environ
    except ModuleNotFoundError:
        message = "streaming_wsgi needs a2wsgi: pip install 'streamify[wsgi]'."
        raise ModuleNotFoundError(message, name="a2wsgi") from None
    return cast("Callable[..., dict[str, Any]]", build_environ)


class _Call:
    """One call of an application: its status and headers, and its body as a closable iterator."""

    def __init__(self, app: WsgiApp, environ: dict[str, Any]) -> None:
        self._written: list[bytes] = []
        self._head: tuple[int, list[tuple[str, str]]] | None = None
        self._head_sent = False
        self._iterable = app(environ, self._start_response)
        self._chunks = iter(self._iterable)

    def response(self) -> HttpResponse:
        """Return status and headers once the application has set them, at the latest with its first chunk."""
        try:
            for chunk in self._chunks:
                if chunk:
                    self._written.append(chunk)
                    break
            if self._head is None:
                raise RuntimeError("The WSGI application sent its body before it called start_response.")
        except BaseException:
            self.close()
            raise
        self._head_sent = True
        status, headers = self._head
        return HttpResponse(status, headers, self)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._written:
            return self._written.pop(0)
        return next(self._chunks)

    def close(self) -> None:
        """Release the application's resources (PEP 3333: even if the response was not fully read)."""
        close = getattr(self._iterable, "close", None)
        if close is not None:
            close()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        if exc_info is not None and self._head_sent:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None and self._head is not None:
            raise RuntimeError("The WSGI application called start_response twice.")
        self._head = (int(status.split(" ", 1)[0]), headers)
        return self._written.append
