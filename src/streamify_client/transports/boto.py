"""The transport on boto3: it signs and sends, over connections of ours; see `_boto_pools`."""

import itertools
import json
import traceback
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from streamify_client.errors import ConfigurationError, CorruptStreamError, StreamClosedError, StreamifyError
from streamify_client.request.invocation import Invocation
from streamify_client.request.options import LONGEST_RUN
from streamify_client.wire.eventstream import encode_frame

from .boto_errors import find_bug, no_client, translate
from .client_kinds import check_client
from .seam import Opening, RawResponse, ResponseHead

OPERATION = "lambda.InvokeWithResponseStream"
_ids = itertools.count(1)


@dataclass(slots=True)
class Call:
    """One of our calls of a boto client, for its hooks."""

    first_byte_timeout: float | None
    http_response: Any = None


current_call: ContextVar[Call | None] = ContextVar("streamify_call", default=None)


class Hooks:
    """Our event handlers on a boto client; they only affect our own calls.

    Args:
        client: The client.
        before_call: Called with the context of each request, before it is sent.
    """

    def __init__(self, client: Any, before_call: Any = None) -> None:
        self._events = client.meta.events
        self._id = f"streamify-{next(_ids)}"
        self._registered: list[str] = []
        self._add("needs-retry", _veto_retry, first=True)
        if before_call is not None:
            self._add("before-call", before_call)
        self._add("after-call", _keep_response)
        self._return_user_agent = UserAgentOnce.lend(client)

    def _add(self, event: str, handler: Any, *, first: bool = False) -> None:
        register = self._events.register_first if first else self._events.register
        register(f"{event}.{OPERATION}", handler, unique_id=f"{self._id}-{event}")
        self._registered.append(event)

    def remove(self) -> None:
        """Unregister everything."""
        while self._registered:
            event = self._registered.pop()
            self._events.unregister(f"{event}.{OPERATION}", unique_id=f"{self._id}-{event}")
        self._return_user_agent()


class UserAgentOnce:
    """Used by botocore to build the User-Agent of our own calls: once for each, not twice.

    botocore builds it with a request, and again, with all that it knows by then, when the request is signed;
    only the second is sent. In place of the first it gets that of the first call. (Each takes a twentieth of
    a small call.)

    Args:
        creator: botocore's.
    """

    def __init__(self, creator: Any) -> None:
        self._creator = creator
        self._first: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._creator, name)

    def to_string(self) -> str:
        """Return a User-Agent."""
        if current_call.get() is None:
            return str(self._creator.to_string())
        if self._first is None:
            self._first = self._creator.to_string()
        return self._first

    @classmethod
    def lend(cls, client: Any) -> Callable[[], None]:
        """Use one for a client whose botocore builds the header twice; return a function that undoes this."""
        own = getattr(client, "_user_agent_creator", None)
        if isinstance(own, cls) or not hasattr(own, "rebuild_and_replace_user_agent_handler"):
            return lambda: None
        client._user_agent_creator = cls(own)

        def take_back() -> None:
            client._user_agent_creator = own

        return take_back


def _veto_retry(response: Any, caught_exception: Exception | None, **_: Any) -> None:
    """Raise before botocore's retry mode decides. (Newer botocores would accept False, older ones not.)"""
    if current_call.get() is None:
        return
    if caught_exception is not None:
        raise caught_exception
    http_response, parsed = response
    if http_response.status_code >= 300:
        from botocore.exceptions import ClientError

        raise ClientError(parsed, "InvokeWithResponseStream")


def _set_read_timeout(context: dict[str, Any], **_: Any) -> None:
    call = current_call.get()
    if call is not None and call.first_byte_timeout is not None:
        # botocore reads it since 1.43; older ones ignore it
        context["read_timeout"] = call.first_byte_timeout


def _keep_response(http_response: Any, **_: Any) -> None:
    call = current_call.get()
    if call is not None:
        call.http_response = http_response


class BotoTransport:
    """Invokes functions through a boto3 Lambda client.

    Args:
        client: The client.
        owned: Whether it was created here, and is closed with this object.
    """

    def __init__(self, client: Any, *, owned: bool) -> None:
        from .boto_pools import lend_pools

        check_client(client, "boto3")
        self._client = client
        self._owned = owned
        self._closed = False
        self._undo: Any = None
        if hasattr(client, "meta") and hasattr(client.meta, "events"):
            hooks = Hooks(client, _set_read_timeout)
            session = getattr(getattr(client, "_endpoint", None), "http_session", None)
            take_back = lend_pools(session)
            self._undo = weakref.finalize(self, _undo, hooks, take_back)

    def open(self, invocation: Invocation, opening: Opening) -> RawResponse:
        """Invoke the function once."""
        from .urllib3_bodies import Urllib3Response
        from .urllib3_connections import Exchange, current_exchange

        if self._closed:
            raise StreamClosedError("The client is closed.")
        exchange, call = Exchange(opening), Call(opening.first_byte_timeout)
        tokens = current_exchange.set(exchange), current_call.set(call)
        try:
            response = self._client.invoke_with_response_stream(**parameters(invocation))
        except Exception as error:
            call.http_response = None  # the error's traceback has this frame and botocore's: they would hold
            traceback.clear_frames(error.__traceback__)  # the connection for as long as the error lives
            if (bug := find_bug(error, connected=exchange.connected)) is not None:
                raise bug from bug.__cause__
            raise self._translate(error, invocation, exchange.connected) from error
        finally:
            current_exchange.reset(tokens[0])
            current_call.reset(tokens[1])
        raw = getattr(call.http_response, "raw", None)
        if raw is None:
            return EventsResponse(response)
        untie(response)
        opened = Urllib3Response(response_head(response), raw, exchange)
        if (stranger := not_lambda(opened.head)) is not None:
            opened.close()
            raise stranger
        return opened

    def _translate(self, error: Exception, invocation: Invocation, connected: bool) -> StreamifyError:
        region, endpoint = region_and_endpoint(self._client)
        return translate(error, invocation, region=region, connected=connected, endpoint=endpoint)

    def on_client(self, found: Callable[[Any], object]) -> None:
        """Call a function with the boto3 client."""
        found(self._client)

    @property
    def region(self) -> str | None:
        """The region of functions called by name."""
        return region_and_endpoint(self._client)[0]

    @property
    def pool_size(self) -> int | None:
        """The size of the client's pool, if known."""
        config = getattr(getattr(self._client, "meta", None), "config", None)
        return getattr(config, "max_pool_connections", None)

    def close(self) -> None:
        """Remove our hooks from the client; close it if it is ours."""
        self._closed = True
        if self._undo is not None:
            self._undo()
        if self._owned:
            self._client.close()


def _undo(hooks: Hooks, take_back: Any) -> None:
    hooks.remove()
    take_back()


def region_and_endpoint(client: Any) -> tuple[str | None, str | None]:
    """Return region and endpoint of a client, for error messages."""
    meta = getattr(client, "meta", None)
    region, endpoint = getattr(meta, "region_name", None), getattr(meta, "endpoint_url", None)
    return region, endpoint if isinstance(endpoint, str) else None


def untie(response: Mapping[str, Any]) -> None:
    """Break up botocore's EventStream, which is not read here.

    Its generator refers back to it, and so would keep the connection until garbage collection.
    """
    stream: Any = response.get("EventStream")
    if hasattr(stream, "_event_generator"):
        stream._event_generator = None


def parameters(invocation: Invocation) -> dict[str, Any]:
    """Return the arguments of ``invoke_with_response_stream``."""
    given: dict[str, Any] = {
        "FunctionName": invocation.function,
        "Payload": invocation.payload,
        "Qualifier": invocation.qualifier,
        "ClientContext": invocation.client_context,
        "TenantId": invocation.tenant_id,
        "LogType": "Tail" if invocation.log_tail else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def response_head(response: Mapping[str, Any]) -> ResponseHead:
    """Return the head of a response of botocore, which writes the names of headers in lower case."""
    metadata = response.get("ResponseMetadata", {})
    status_code = metadata.get("HTTPStatusCode") or response.get("StatusCode") or 200
    return ResponseHead("eventstream", int(status_code), metadata.get("HTTPHeaders", {}))


def not_lambda(head: ResponseHead) -> CorruptStreamError | None:
    """Return the error for a response that is not Lambda's, such as the login page of a network."""
    content_type = head.headers.get("content-type", "")
    if not content_type.lower().startswith("text/"):
        return None
    return CorruptStreamError(
        f"The response does not come from Lambda: it is {content_type!r}. A proxy, or the login page of a "
        "network, may have sent it."
    )


class EventsResponse:
    """The fallback for test doubles of a boto client: encodes their events as frames again."""

    survives_timeout: bool = False

    def __init__(self, response: Mapping[str, Any]) -> None:
        head = response_head(response)
        headers = {str(name).lower(): str(value) for name, value in head.headers.items()}
        self.head: ResponseHead = replace(head, headers=headers)
        self.source: Any = response.get("EventStream", ())
        self._events: Iterator[Mapping[str, Any]] | None = None

    def read(self, timeout: float | None, wanted: int = 0) -> list[bytes]:
        """Return the next event as a frame."""
        try:
            if self._events is None:
                self._events = iter(self.source)
            event = next(self._events, None)
        except Exception as error:
            raise ConnectionError from error
        return [event_frames(event)] if event else []

    def finish(self) -> None:
        """There is no connection to return."""
        self.close()

    def close(self) -> None:
        """Close the source of the events, if possible."""
        if callable(close := getattr(self.source, "close", None)):
            close()


def event_frames(event: Mapping[str, Any]) -> bytes:
    """Encode an event of botocore as frames again."""
    frames = []
    for name, fields in event.items():
        body = fields.get("Payload", b"") if name == "PayloadChunk" else json.dumps(fields).encode()
        frames.append(encode_frame({":event-type": name, ":message-type": "event"}, body))
    return b"".join(frames)


def make_client(
    session: Any, options: Mapping[str, Any], connect_timeout: float | None, connections: int
) -> Any:
    """Create a boto3 Lambda client for streams; the caller's own config takes precedence."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ConfigurationError("StreamClient needs boto3: pip install 'streamify[client]'.") from error
    config = Config(
        connect_timeout=connect_timeout or 60,
        read_timeout=LONGEST_RUN,
        tcp_keepalive=True,
        max_pool_connections=connections,
    )
    given = dict(options)
    own = given.pop("config", None)
    try:
        maker = session or boto3.session.Session()
        return maker.client("lambda", config=config.merge(own) if own is not None else config, **given)
    except Exception as error:
        raise no_client(error) from error
