"""The state of a stream, without I/O.

A reader calls `take`, reads from its raw response if more data are needed, and passes them to `received`, or
passes on an exception. All errors raised here are public and name the function and the request.
"""

import logging
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

from streamify_client.errors import (
    ConfigurationError,
    CorruptStreamError,
    HttpStatusError,
    StreamClosedError,
    StreamifyError,
    TimeoutPhase,
    TruncatedStreamError,
)
from streamify_client.models import Part, StreamResult
from streamify_client.request.invocation import Invocation, with_token, with_trace
from streamify_client.transports.seam import Cancellation, Opening, ResponseHead
from streamify_client.wire import BytesLike
from streamify_client.wire.errors import TruncatedInputError, WireError

from .body import FunctionHead, ResponseDecoder
from .limits import Limits
from .parts import Parts
from .retries import RetryPolicy
from .tracing import StreamSpan

ERROR_BODY_SIZE = 4096
HAND_OVER_WAIT = 5.0  # seconds for the connection of a part to end after the part has ended
ERROR_BODY_WAIT = 2.0  # seconds to wait for the beginning of an error's body
_MANY = 256  # items
_MUCH = 2048  # bytes: the data of a larger read are not kept until the next one
_AT_ONCE = 0.01  # seconds: a shorter read did not wait
_MOMENT = 1.0  # seconds to hold back the beginning of a body that may be the report of a failure

logger: logging.Logger = logging.getLogger("streamify_client")


class State(Enum):
    """The phase of a stream's life."""

    NEW = auto()
    OPENING = auto()
    OPEN = auto()
    ENDED = auto()
    FAILED = auto()
    CLOSED = auto()


_OVER = (State.ENDED, State.FAILED, State.CLOSED)


class StreamCore:
    """The state of one stream.

    Args:
        invocation: The invocation.
        raise_for_status: Whether an HTTP status of 400 or more is an error.
        span: The span for OpenTelemetry.

    Attributes:
        attempt: How many attempts were begun; items of earlier ones are discarded.
        steady_limit: How long the next read may wait, and which limit that is, if reading on is all there is
            to do; None: call `take` first.
        wanted: How many more bytes are needed before anything new can be decoded.
        took_much: Whether the last read was so large that its data should be released before the next.
        hands_over: Whether this part has announced another one, so that only its connection must end.
    """

    __slots__ = (
        "_again",
        "_answered",
        "_asked",
        "_bytes",
        "_bytes_before",
        "_count",
        "_decoder",
        "_failure",
        "_first",
        "_first_byte",
        "_held",
        "_input_ended",
        "_items",
        "_let_go_at",
        "_part_began",
        "_parts",
        "_policy",
        "_raise_for_status",
        "_raw",
        "_settled",
        "_skips_line_feed",
        "_span",
        "_yielded",
        "attempt",
        "cancellation",
        "hands_over",
        "invocation",
        "limits",
        "state",
        "steady_limit",
        "took_much",
        "wanted",
    )

    def __init__(
        self, invocation: Invocation, *, raise_for_status: bool = True, span: StreamSpan | None = None
    ) -> None:
        self.invocation: Invocation = invocation
        self.cancellation: Cancellation = Cancellation()
        self.state: State = State.NEW
        self.limits: Limits = Limits(invocation.options)
        self.attempt: int = 0
        self.steady_limit: tuple[float | None, TimeoutPhase] | None = None
        self.took_much: bool = False
        self.wanted: int = 0
        self.hands_over: bool = False
        self._raise_for_status = raise_for_status
        self._span = span
        self._policy = RetryPolicy(invocation.options.retries)
        self._parts = Parts(invocation.options)
        self._part_began = 0.0  # seconds after the stream's beginning
        self._bytes_before = 0  # of earlier parts
        self._first: tuple[ResponseHead, FunctionHead] | None = None  # what the first part said
        self._raw: ResponseHead | None = None
        self._decoder: ResponseDecoder | None = None
        self._held: list[bytes] = []  # decoded, and not handed to a view
        self._items: list[Any] = []  # in the hands of a view
        self._input_ended = False
        self._settled: tuple[float | None, TimeoutPhase] | None = None  # the limit of every further read
        self._yielded = False
        self._bytes = self._count = 0
        self._answered = self._asked = 0.0  # when, in seconds
        self._first_byte: float | None = None
        self._failure = ""
        self._again = ""  # what the next attempt or part comes after, for the log
        self._skips_line_feed = False
        self._let_go_at: float | None = None  # seconds after the stream's beginning

    # opening

    def begin(self) -> Opening:
        """An attempt begins: return the `Opening` for the transport."""
        if self._span is not None and self.state is State.NEW and (trace := self._span.begin()):
            self.invocation = with_trace(self.invocation, trace)
        self.state = State.OPENING
        self._raw = self._decoder = self.steady_limit = self._settled = None
        self.hands_over = False
        self.wanted = 0
        self._held = []
        self._input_ended = False
        self._let_go_at = None
        if self._parts.later:
            begun = f"part {self._parts.begun}"
        else:
            self.attempt += 1
            self._policy.begin()
            self._bytes = self._count = 0
            self._first = self._first_byte = None
            begun = f"attempt {self.attempt}"
        logger.debug("%s: %s begins%s", self.invocation.function, begun, self._again)
        self._again = ""
        opening = self.limits.begin(self.cancellation)
        self._part_began = self.limits.elapsed
        if self._span is not None:
            opening.within = self._span.within
        return opening

    @property
    def next_invocation(self) -> Invocation:
        """The next invocation: the same one, in a later part with the token to continue from."""
        token = self._parts.token
        return self.invocation if token is None else with_token(self.invocation, token)

    def answered(self, raw: ResponseHead) -> None:
        """The headers have arrived."""
        self._raw = raw
        self._answered = self.limits.elapsed
        if raw.framing == "http":  # the head is the function's own
            self.limits.answered()
        log_tail = self.invocation.log_tail
        self._decoder = ResponseDecoder(raw, log_tail=log_tail, base=self._parts.base)

    @property
    def head(self) -> FunctionHead | None:
        """The metadata before the body, in the first part, once known."""
        if self._first is not None:
            return self._first[1]
        return self._decoder.head if self._decoder else None

    def advance_opening(self) -> bool:
        """Decode up to the head; return whether it is complete."""
        decoder = self._decoder
        assert decoder is not None
        while decoder.head is None or self._must_know_why(decoder):
            if not decoder.pending:
                return False
            self.hold(self._noted(decoder.more()))
        self.limits.answered()
        if self.state is State.OPENING and not self._wants_error_body():
            self._check_verified()
            self._check_part(decoder, decoder.head)
            self.state = State.OPEN
        return True

    def _check_part(self, decoder: ResponseDecoder, head: FunctionHead) -> None:
        assert self._raw is not None
        if self._first is None:
            self._first = self._raw, head
        elif not decoder.verifiable:
            raise self._parts.unverified()
        else:
            self._parts.check_head(decoder.state, _kind(self._first[1]), _kind(head))

    def _must_know_why(self, decoder: ResponseDecoder) -> bool:
        """Whether the response is not the required one, and what follows may still say why it failed."""
        if self._held or not (decoder.pending or not (decoder.complete or self._input_ended)):
            return False
        if not decoder.verifiable:
            return self.invocation.options.verified == "require" or self._parts.later
        assert decoder.head is not None
        return self._first is not None and _kind(self._first[1]) != _kind(decoder.head)

    def _wants_error_body(self) -> bool:
        head = None if self._decoder is None else self._decoder.head
        return (self._raise_for_status or self._parts.later) and head is not None and head.status_code >= 400

    # reading

    def take(self) -> list[bytes] | None:
        """Return the available chunks.

        An empty list means that more must be read; None that the body has ended, or only this part of it and
        the next one must be opened.

        Raises:
            StreamTimeoutError: The total limit was exceeded.
            StreamClosedError: Another thread closed the stream, just before its turn came to read.
        """
        if self.state is State.ENDED:
            return None
        if error := self.closed_error():
            raise error
        if self.limits.until is not None:
            self.limits.check_total()
        decoder = self._decoder
        assert decoder is not None
        if chunks := self._held:
            self._held = []
            return chunks
        while decoder.pending:
            if chunks := self._noted(decoder.more()):
                return chunks
        if decoder.complete or self._input_ended:
            self._end_part(decoder)
            return None
        return []

    def next_read(self) -> tuple[float | None, TimeoutPhase]:
        """Return how long the next read may take, and which limit that is."""
        if self._first_byte is None:
            self._asked = self.limits.elapsed
        return self.limits.next_read

    def received(self, pieces: Sequence[BytesLike]) -> list[bytes]:
        """Decode the pieces of a read, none at the end; return the chunks that they complete."""
        decoder = self._decoder
        assert decoder is not None
        if pieces:
            chunks = decoder.receive(pieces)
        else:
            self._input_ended = True
            chunks = decoder.finish()
        if self._settled is None:
            self.limits.answered()
            if chunks:
                self._settle()
        over = decoder.pending or decoder.complete or self._input_ended
        self.wanted = decoder.wanted
        if decoder.verifiable:
            self.hands_over = decoder.continues
        self.steady_limit = None if over or (decoder.verifiable and decoder.verified) else self._settled
        if not chunks and not over and decoder.holds_back:
            if self._let_go_at is None:
                self._let_go_at = self.limits.elapsed + _MOMENT
            return [] if self.moment_left else self.let_go()
        return self._noted(chunks)

    @property
    def moment_left(self) -> float | None:
        """How many more seconds to hold back the beginning of the body; None: it is not held back."""
        return None if self._let_go_at is None else max(self._let_go_at - self.limits.elapsed, 0.0)

    def let_go(self) -> list[bytes]:
        """Release the beginning of the body: after this time it is not the report of a failure."""
        assert self._decoder is not None
        assert self._let_go_at is not None
        self._first_byte = self._let_go_at - _MOMENT
        self._settle()
        return self._noted(self._decoder.let_go())

    def _settle(self) -> None:
        """The first bytes have arrived: without a total limit, every read has the same limit from now on."""
        if self._first_byte is None:
            now = self.limits.elapsed  # what was there when it was asked for had come with the headers
            self._first_byte = now if now - self._asked > _AT_ONCE else self._answered
        self._let_go_at = None
        if self.limits.until is None and self.state is State.OPEN:
            self._settled = self.limits.next_read

    def hold(self, chunks: list[bytes]) -> None:
        """Keep chunks for the first view."""
        self._held = self._held + chunks if self._held else chunks
        self.steady_limit = None

    def handed_out(self, items: list[Any]) -> None:
        """A view returns these items; `drop_items` removes them from it."""
        self._yielded = True
        self._items = items
        if self.cancellation.requested:  # by another thread, which may have looked before
            items.clear()

    def drop_items(self) -> None:
        """Make the view that has items left ask before the next one."""
        self._items.clear()

    def drop_large_items(self) -> None:
        """All items were used: let go of them before more is read, unless they are many and so small."""
        if (
            len(self._items) < _MANY
        ):  # the allocator would give the memory of all of them back, and get it anew
            self._items.clear()

    def hand_back(self, chunks: list[bytes], *, skip_line_feed: bool = False) -> None:
        r"""A view returns bytes that it did not use; a ``\n`` that follows belongs to what it used."""
        self.steady_limit = None
        if chunks:
            self._held = chunks + self._held
        elif skip_line_feed and self._held:
            self._held = self._without_line_feed(self._held)
        else:
            self._skips_line_feed |= skip_line_feed

    @property
    def position(self) -> int:
        """How many bytes of the body were used by views."""
        return self._bytes - sum(map(len, self._held))

    @property
    def whole(self) -> bool:
        """Whether the body is known to be complete, so that losing the connection does not matter."""
        return self._decoder is not None and (self._decoder.complete or self._decoder.verified)

    @property
    def at_end(self) -> bool:
        """Whether everything has arrived, so that the connection can be reused."""
        if self.state in (State.FAILED, State.NEW) or self._decoder is None:
            return False
        return self._decoder.complete or self._input_ended

    # the end

    @property
    def over(self) -> bool:
        """Whether the stream has ended, whole or not."""
        return self.state in _OVER

    def close(self) -> None:
        """The reader has finished."""
        if not self.over:
            self._over(State.CLOSED, "closed")
        self.drop_items()

    def cancel(self) -> None:
        """Cancel the stream, from any thread; its next item raises StreamClosedError."""
        self.cancellation.request()
        self.limits.stop()
        self.drop_items()

    def retry_delay(self, error: StreamifyError) -> float | None:
        """After a failure, return in how many seconds to retry; None: it is final, and the stream is over."""
        delay = None if self.cancellation.requested else self._delay_after(error)
        if delay is None:
            self.fail(error)
        else:
            self.state = State.OPENING
            self._again = f", {delay:.1f} s after {type(error).__name__}"
        return delay

    def _delay_after(self, error: StreamifyError) -> float | None:
        left = self.limits.left
        if not self._parts.later:
            delay = self._policy.delay_after(error, yielded=self._yielded, time_left=left)
            if delay is not None:
                return delay
        cut_short = self._decoder is not None and self._decoder.cut_short
        delay = self._parts.delay_after(error, cut_short=cut_short)
        if delay is None or (left is not None and delay >= left):
            return None
        self._note_part()
        return delay

    def fail(self, error: StreamifyError) -> None:
        """The stream has ended with this error."""
        self._failure = f"{type(error).__name__}: {error.message}"
        self._over(
            State.CLOSED if isinstance(error, StreamClosedError) else State.FAILED,
            type(error).__name__,
            error,
        )

    def explain(self, error: StreamifyError) -> StreamifyError:
        """Return the error to raise for this one, with the context of the call."""
        if self.cancellation.requested:
            error = StreamClosedError("The stream was cancelled.", may_have_run=self.state is not State.NEW)
        else:
            error = self.limits.settle(error)
        error.function = self.invocation.function
        error.request_id = error.request_id or self.request_id
        error.bytes_received = self._bytes
        error.attempts = self._policy.attempts.count
        return error

    def public_error(self, error: Exception, phase: TimeoutPhase) -> StreamifyError | None:
        """Return the public error for an exception of a step; None: it is a bug, which is not translated."""
        if isinstance(error, StreamifyError):
            return self.explain(error)
        if isinstance(error, WireError):
            kind = TruncatedStreamError if isinstance(error, TruncatedInputError) else CorruptStreamError
            return self.explain(kind(f"The response is not whole: {error.message}."))
        if isinstance(error, TimeoutError):
            return self.explain(self.limits.timed_out(phase))
        if isinstance(error, OSError):
            lost = TruncatedStreamError("The connection was lost before the response was complete.")
            return self.explain(lost)
        return None

    def status_error(self) -> HttpStatusError:
        """Return the error for the status, with the part of the body that has arrived."""
        assert self._decoder is not None
        head = self._decoder.head
        assert head is not None
        return HttpStatusError(
            f"The function answered with HTTP status {head.status_code}.",
            status_code=head.status_code,
            headers=head.headers,
            body=b"".join(self._held)[:ERROR_BODY_SIZE],
        )

    def gather_error_body(self) -> bool:
        """Hold more of an error's body; return whether more should be read for it."""
        decoder = self._decoder
        assert decoder is not None
        while (size := sum(map(len, self._held))) < ERROR_BODY_SIZE and decoder.pending:
            self.hold(self._noted(decoder.more()))
        return size < ERROR_BODY_SIZE and not (decoder.complete or self._input_ended)

    def closed_error(self) -> StreamClosedError | None:
        """Return the error that says why nothing can be read any more, if so."""
        if self.state is State.FAILED:
            error = StreamClosedError(f"The stream has failed before ({self._failure})")
        elif self.cancellation.requested:
            error = StreamClosedError("The stream was cancelled.")
        elif self.state is State.CLOSED:
            error = StreamClosedError("The stream is closed.")
        else:
            return None
        return self.explain_closed(error)

    def explain_closed(self, error: StreamClosedError) -> StreamClosedError:
        """Add to an error which stream is not open."""
        error.function, error.request_id, error.bytes_received = (
            self.invocation.function,
            self.request_id,
            self._bytes,
        )
        error.may_have_run = self.state is not State.NEW
        return error

    # what is known

    @property
    def request_id(self) -> str | None:
        """AWS's id of the request."""
        return self._raw.headers.get("x-amzn-requestid") if self._raw else None

    def raw_header(self, name: str) -> str | None:
        """A header of the transport's response, in the first part."""
        raw = self._raw if self._first is None else self._first[0]
        return raw.headers.get(name) if raw else None

    @property
    def summary(self) -> str:
        """The stream's function and progress, in a few words."""
        state = "cancelled" if self.cancellation.requested else self.state.name.lower()
        parts = [self.invocation.function, state]
        if self.head is not None:
            parts += [f"status {self.head.status_code}", self.head.content_type or "no content type"]
        if self._raw is not None:
            parts.append(f"{self._bytes:,} bytes received")
        return ", ".join(parts)

    @property
    def result(self) -> StreamResult | None:
        """The figures of the stream, once it is over."""
        if self.limits.duration is None:
            return None
        decoder = self._decoder
        return StreamResult(
            self._bytes,
            self._count,
            self._first_byte,
            self.limits.duration,
            decoder is not None and decoder.verified and self.state is State.ENDED,
            self._policy.attempts,
            (*self._parts.finished, self._this_part()),
            decoder.log_tail if decoder else None,
            self.raw_header("x-amzn-requestid"),
        )

    # inside

    def _noted(self, chunks: list[bytes]) -> list[bytes]:
        if self._decoder is not None and self._decoder.verifiable:
            chunks = self._parts.track(chunks)
        size = sum(map(len, chunks))
        self._bytes += size
        self._count += len(chunks)
        self.took_much = size > _MUCH
        return self._without_line_feed(chunks) if self._skips_line_feed and chunks else chunks

    def _without_line_feed(self, chunks: list[bytes]) -> list[bytes]:
        self._skips_line_feed = False
        first = chunks[0].removeprefix(b"\n")
        return [first, *chunks[1:]] if first else chunks[1:]

    def _end_part(self, decoder: ResponseDecoder) -> None:
        if decoder.continues:
            self.steady_limit = None
            self._parts.hand_over()
            self._note_part()
            self.state = State.OPENING
            return
        self._parts.check_repeated()
        self._over(State.ENDED, "whole")

    def _note_part(self) -> None:
        """A part is over, and another one follows."""
        if self._raw is not None:  # not one that was refused
            self._parts.finished.append(self._this_part())
            self._bytes_before = self._bytes
            self._raw = None

    def _this_part(self) -> Part:
        headers = self._raw.headers if self._raw else {}
        return Part(
            headers.get("x-amzn-requestid"),
            headers.get("x-amz-executed-version"),
            self._bytes - self._bytes_before,
            (self.limits.elapsed if self.limits.duration is None else self.limits.duration)
            - self._part_began,
        )

    def _over(self, state: State, how: str, error: StreamifyError | None = None) -> None:
        was_opened = self.state is not State.NEW
        self.state = state
        self.steady_limit = None
        self.limits.stop()
        if was_opened:
            self._report_end(how, error)

    def _report_end(self, how: str, error: StreamifyError | None) -> None:
        if self._span is not None:
            self._end_span(self._span, error)
        logger.debug(
            "%s: %s after %d bytes in %d chunks, request %s",
            self.invocation.function,
            how,
            self._bytes,
            self._count,
            self.request_id,
        )

    def _end_span(self, span: StreamSpan, error: StreamifyError | None) -> None:
        result, head = self.result, self.head
        assert result is not None  # it is over
        if self.state is State.CLOSED:
            outcome, error = "cancelled" if self.cancellation.requested else "closed", None
        else:
            outcome = "whole" if self.state is State.ENDED else "failed"
        span.end(result, outcome, error, head.status_code if head else getattr(error, "status_code", None))

    def _check_verified(self) -> None:
        assert self._decoder is not None
        if self.invocation.options.verified == "require" and not self._decoder.verifiable:
            raise ConfigurationError(
                "verified='require', and the function does not answer with a verified stream: it has to run "
                "streamify_server behind an endpoint that passes the client context on.",
                may_have_run=True,
            )


def _kind(head: FunctionHead) -> tuple[int, str | None]:
    """Return status and media type, which all parts of a stream have in common."""
    media_type = None if head.content_type is None else head.content_type.partition(";")[0].strip().lower()
    return head.status_code, media_type
