"""ASGI and WSGI applications as streaming handlers: FastAPI, Starlette, Litestar, Django, Flask..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack

from streamify_server.engine import driver as _driver
from streamify_server.errors import CallerGoneError, LifespanError
from streamify_server.handler import StreamingHandler, streaming_handler
from streamify_server.response import HttpResponse

from .events import http_request, load_parsers
from .exchange import Exchange
from .lifespan import App, Lifespan
from .wsgi import streaming_wsgi

if TYPE_CHECKING:
    from streamify_server.handler import HandlerOptions

__all__ = ["CallerGoneError", "LifespanError", "streaming_asgi", "streaming_wsgi"]


def streaming_asgi(
    app: App,
    lifespan: Literal["auto", "on", "off"] = "auto",
    *,
    root_path: str = "",
    **options: Unpack[HandlerOptions],
) -> StreamingHandler:
    """Turn an ASGI application into a streaming Lambda handler, without a web server or adapter in between.

    Each body message is sent as a chunk as soon as the application sends it. The application runs on the
    process's event loop, which runs only during invocations; it starts before the first request and lives as
    long as the process. Its scope has the Lambda event and context as `scope["aws.event"]` and
    `scope["aws.context"]`.

    Args:
        app: An ASGI 3 application.
        lifespan: "auto" runs the application's startup if it has one, "on" requires one, "off" skips it.
        root_path: Where the application is mounted, such as "/v1" if the URLs contain a stage.
        **options: Options of `streaming_handler`, such as middlewares.

    Raises:
        ModuleNotFoundError: mangum is not installed; the message names the extra.
        TypeError: `app` is not callable, or an option is unknown.
        ValueError: `lifespan` or `root_path` has an invalid value.

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
    load_parsers()  # now, as part of the init phase
    started = Lifespan(app, lifespan)

    async def asgi(event: Any, context: Any) -> HttpResponse:
        scope, body = http_request(event, context, root_path)
        scope["state"] = await started.state()
        exchange = Exchange(app, scope, body)
        if (call := _driver.current.get()) is not None:
            # Not as an end hook: background tasks would delay the end of the response.
            call.afterwards.append(exchange.finish)
        return await exchange.response()

    return streaming_handler(**options)(asgi)
