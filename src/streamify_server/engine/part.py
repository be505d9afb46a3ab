"""Which part of a stream an invocation is, and its tokens."""

from __future__ import annotations

import json
import os
import time

from streamify_server.shadowing import unshadowed
from streamify_server.wire.verified import take_offer

from .deadline import remaining_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from streamify_server.wire.token import Binding

KEY_VARIABLE = "STREAMIFY_STATE_KEY"
_REST_API_LIMIT = 15 * 60  # seconds after which API Gateway ends a stream
_LONGEST_MARGIN = 10.0  # seconds


class Part:
    """One invocation of a stream that can continue in further invocations.

    Args:
        event: The event, without the offer.
        context: The Lambda context.
        token: The token to continue from; None for a first part.
        margin: How many seconds before its time is up it hands over; None derives that from the time left at
            the start.
        deadline_margin: Seconds that the deadline reserves.
        payload: The event as received, before a handler could change it, if known.
        rest_api: Whether API Gateway's time limit applies too.

    Attributes:
        number: The number of this part, from 1.
        base: How many bytes of the body earlier parts have sent.
    """

    def __init__(
        self,
        event: Any,
        context: Any,
        token: str | None,
        margin: float | None = None,
        deadline_margin: float | None = 0.5,
        *,
        payload: bytes | None = None,
        rest_api: bool = False,
    ) -> None:
        self.token = token
        self.number: int = 1
        self.base: int = 0
        self._state: str | None = None
        self._asked = False
        self._event = event
        self._payload = payload
        self._context = context
        self._stream: str = getattr(context, "aws_request_id", None) or ""
        self._began = time.monotonic()
        self._rest_api = rest_api
        self._margin = self._default_margin(deadline_margin) if margin is None else margin
        self._binding_made: Binding | None = None

    def open(self) -> None:
        """Read the token.

        Raises:
            TokenError: The token is refused.
        """
        if self.token is None:
            return
        with unshadowed():
            from streamify_server.wire.token import unseal

        found = unseal(self.token, self._binding, _keys(), time.time())
        self._stream, self.number, self.base, self._state = (
            found.stream,
            found.part,
            found.position,
            found.state,
        )

    def resume_at(self, state: str) -> None:
        """Start as a second part with this state, without a token; for unit tests."""
        self.number, self._state = 2, state

    def ask(self) -> Any:
        """Return the state to continue from; None in a first part."""
        self._asked = True
        return None if self._state is None else json.loads(self._state)

    def check_asked(self) -> None:
        """Check, when the body begins, that its handler has asked where to continue.

        Raises:
            RuntimeError: This is a later part, and `last_checkpoint` was not called.
        """
        if self._state is not None and not self._asked:
            raise RuntimeError(
                "The stream cannot continue: its handler did not call last_checkpoint(context), and would "
                "start again. Call it before the first chunk."
            )

    def seal(self, state: str, position: int) -> str:
        """Create the token for an invocation that continues from this checkpoint."""
        with unshadowed():
            from streamify_server.wire.token import Token, seal

        token = Token(self._stream, self.number + 1, position, time.time(), state)
        return seal(token, self._binding, _keys())

    @property
    def time_is_short(self) -> bool:
        """Whether to hand over at the next checkpoint."""
        left = self._left()
        return left is not None and left < self._margin

    def _left(self) -> float | None:
        left = remaining_seconds(self._context)
        if self._rest_api:
            until = _REST_API_LIMIT - (time.monotonic() - self._began)
            left = until if left is None else min(left, until)
        return left

    def _default_margin(self, deadline_margin: float | None) -> float:
        left = self._left() or 0.0
        return max(2 * (deadline_margin or 0.0), min(_LONGEST_MARGIN, left / 5))

    @property
    def _binding(self) -> Binding:
        if self._binding_made is None:
            from streamify_server.wire.token import Binding

            context = self._context
            event = self._event if self._payload is None else take_offer(json.loads(self._payload), None)[0]
            self._binding_made = Binding(
                str(getattr(context, "invoked_function_arn", "")),
                getattr(context, "tenant_id", None),
                digest_of(event),
            )
        return self._binding_made


def digest_of(event: Any) -> bytes:
    """Return a digest of the payload; of an HTTP request: method, path, query and body.

    Headers are left out, because they differ between two requests. A token is bound to the payload as
    received, which is parsed again for this: handlers and middlewares may change the event in place.
    """
    with unshadowed():
        import hashlib

    if isinstance(event, dict) and isinstance(event.get("requestContext"), dict):
        event = _request(event)
    text = json.dumps(event, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).digest()


def _request(event: Mapping[str, Any]) -> list[Any]:
    http = event["requestContext"].get("http") or {}
    return [
        http.get("method") or event.get("httpMethod"),
        event.get("rawPath") or event.get("path"),
        event.get("rawQueryString"),
        event.get("multiValueQueryStringParameters") or event.get("queryStringParameters"),
        event.get("body"),
        event.get("isBase64Encoded"),
    ]


def _keys() -> list[bytes]:
    """Return the keys for tokens: the first one signs, all of them verify."""
    found = os.environ.get(KEY_VARIABLE, "").split(",")
    return [key.strip().encode() for key in found if key.strip()]
