"""ASGI and WSGI applications (FastAPI, Starlette, Litestar, Django, Flask...) as streaming handlers.

from streamify_server.asgi import streaming_asgi

handler = streaming_asgi(app)
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Literal, cast

from streamify_server.handler import StreamingHandler, streaming_handler
from streamify_server.response import HttpResponse

from .events import http_request
from .exchange import CallerGoneError, Exchange
from .lifespan import App, Lifespan, LifespanError
from .wsgi import streaming_wsgi

__all__ = ["CallerGoneError", "LifespanError", "streaming_asgi", "streaming_wsgi"]

_under_way: ContextVar[list[Exchange] | None] = ContextVar("streamify_asgi_exchanges", default=None)


def streaming_asgi(
    app: App,
    lifespan: Literal["auto", "on", "off"] = "auto",
    *,
    root_path: str = "",
    **options: Any,
) -> StreamingHandler:
    """Make an ASGI application a streaming Lambda handler, without a web server or adapter in between.

    Each body message goes out as a chunk as soon as the application sends it. The application runs on the
    process's event loop; it starts before the first request and lives as long as the process. Its scope has
    the Lambda event and context as `scope["aws.event"]` and `scope["aws.context"]`.

    Args:
        app: An ASGI 3 application.
        lifespan: "auto" runs the application's startup if it has one, "on" demands one, "off" leaves it out.
        root_path: Where the application is mounted, such as "/v1" for a stage that stands in its URLs.
        options: Options of `streaming_handler`, such as middlewares.

    Raises:
        TypeError: `app` is not callable, or an option is unknown.
        ValueError: `lifespan` or `root_path` has a value that it does not take.

    Example:
        >>> async def app(scope, receive, send):
        ...     await send({"type": "http.response.start", "status": 200, "headers": []})
        ...     await send({"type": "http.response.body", "body": b"hello"})
        >>> handler = streaming_asgi(app, lifespan="off")
    """
    if not callable(app):
        raise TypeError(f"streaming_asgi takes an ASGI application, not {app!r}.")
    if lifespan not in ("auto", "on", "off"):
        raise ValueError(f"lifespan takes auto, on, off, not {lifespan!r}.")
    if root_path and (not root_path.startswith("/") or root_path.endswith("/")):
        raise ValueError(f"root_path begins with a slash and ends without, like '/v1', not {root_path!r}.")
    started = Lifespan(app, lifespan)

    async def asgi(event: Any, context: Any) -> HttpResponse:
        scope, body = http_request(event, context, root_path)
        scope["state"] = await started.state()
        exchange = Exchange(app, scope, body)
        if (under_way := _under_way.get()) is not None:
            under_way.append(exchange)
        return await exchange.response()

    return _waiting_for_work_after_responses(streaming_handler(**options)(asgi))


def _waiting_for_work_after_responses(handler: StreamingHandler) -> StreamingHandler:
    """Let background tasks finish before the next invocation, but after the caller has the whole response."""

    @functools.wraps(handler)
    def handle(event: Any, context: Any) -> Any:
        exchanges: list[Exchange] = []
        token = _under_way.set(exchanges)
        try:
            return handler(event, context)
        finally:
            _under_way.reset(token)
            for exchange in exchanges:
                asyncio.run_coroutine_threadsafe(exchange.finish(), exchange.loop).result()

    def chained(register: Callable[[Any], Any]) -> Callable[[Any], StreamingHandler]:
        def method(value: Any) -> StreamingHandler:
            register(value)
            return cast(StreamingHandler, handle)

        return method

    for name in ("use", "before", "after", "on_error", "on_stream_end", "handler"):
        setattr(handle, name, chained(getattr(handler, name)))
    return cast(StreamingHandler, handle)
