"""What a stream is apart from its I/O: one set of rules for the sync and the async shell.

A shell asks `next_chunk`, reads from its raw response when that says that more is needed, and tells what
came: `received`, `ended`, or an exception. Everything that is raised here is public and says which function
and request it was about.
"""

from collections.abc import Iterator
from enum import Enum, auto
from itertools import chain

from ._attempts import RetryPolicy
from ._decoding import FunctionHead, ResponseDecoder
from ._limits import Limits
from ._result import StreamResult
from .errors import (
    ConfigurationError,
    CorruptStreamError,
    HttpStatusError,
    StreamClosedError,
    StreamError,
    StreamifyError,
    TimeoutPhase,
    TruncatedStreamError,
)
from .transport import Cancellation, Invocation, Opening, ResponseHead
from .wire.errors import TruncatedInputError, WireError

ERROR_BODY_SIZE = 4096
ERROR_BODY_WAIT = 2.0  # seconds: the beginning of an error's body is worth no longer


class State(Enum):
    """Where in its life a stream is."""

    NEW = auto()
    OPENING = auto()
    OPEN = auto()
    ENDED = auto()
    FAILED = auto()
    CLOSED = auto()


class NeedData:
    """`next_chunk` has nothing until more bytes are received."""


NEED_DATA = NeedData()


class StreamCore:
    """The state of one stream.

    Args:
        invocation: What is called.
        raise_for_status: Whether an HTTP status of 400 or more is an error.
    """

    def __init__(self, invocation: Invocation, *, raise_for_status: bool = True) -> None:
        self.invocation = invocation
        self.cancellation: Cancellation = Cancellation()
        self.state: State = State.NEW
        self.limits: Limits = Limits(invocation.options)
        self._raise_for_status = raise_for_status
        self._policy = RetryPolicy(invocation.options.retries)
        self._raw: ResponseHead | None = None
        self._decoder: ResponseDecoder | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._held: list[bytes] = []  # read while opening, or handed back by a view
        self._input_ended = False
        self._yielded = False
        self._bytes = self._count = 0
        self._first_byte: float | None = None
        self._failure = ""
        self._skips_line_feed = False
        self._position = 0  # bytes of the body that views have taken and not handed back

    # opening

    def begin(self) -> Opening:
        """An attempt begins: return what the transport has to know."""
        self.state = State.OPENING
        self._policy.begin()
        self._raw = self._decoder = None
        self._chunks, self._held = iter(()), []
        self._input_ended = False
        self._bytes = self._count = 0
        self._first_byte = None
        return self.limits.begin(self.cancellation)

    def answered(self, raw: ResponseHead) -> None:
        """The headers are there."""
        self._raw = raw
        offered = self.invocation.options.verified != "off"
        self._decoder = ResponseDecoder(raw, offered=offered, log_tail=self.invocation.log_tail)

    @property
    def head(self) -> FunctionHead | None:
        """What the function said before its body, once that is known."""
        return self._decoder.head if self._decoder else None

    def advance_opening(self) -> bool:
        """Decode as far as the head; return whether it is there."""
        while self.head is None or self._must_know_why():
            chunk = self._decode_next()
            if chunk is None:
                return False
            self._held.append(chunk)
        if self.state is State.OPENING and not self._wants_error_body():
            self._check_verified()
            self.state = State.OPEN
        return True

    def _must_know_why(self) -> bool:
        """Whether a required verified stream did not come, and what came may still say that it failed."""
        decoder = self._decoder
        assert decoder is not None
        required = self.invocation.options.verified == "require" and not decoder.verifiable
        return required and not (self._held or decoder.complete or self._input_ended)

    def _wants_error_body(self) -> bool:
        return self._raise_for_status and self.head is not None and self.head.status_code >= 400

    # reading

    def next_chunk(self) -> bytes | NeedData | None:
        """Return the next chunk of the body, NEED_DATA, or None at the end of a whole response."""
        if self._held:
            chunk: bytes | None = self._held.pop(0)
        elif self.state is State.ENDED:
            return None
        else:
            chunk = self._decode_next()
        if chunk is not None:
            self._yielded = True
            self._position += len(chunk)
            rest = self._without_line_feed(chunk)
            return rest if rest or not chunk else self.next_chunk()
        assert self._decoder is not None
        if self._decoder.complete or self._input_ended:
            self._end()
            return None
        return NEED_DATA

    def received(self, pieces: list[bytes]) -> None:
        """Pieces of the body came from the transport; none means that the response has ended."""
        assert self._decoder is not None
        self.limits.read()
        if pieces:
            self._chunks = chain.from_iterable(map(self._decoder.feed, pieces))
        else:
            self._input_ended = True
            self._chunks = self._decoder.finish()

    def hand_back(self, data: bytes, *, skip_line_feed: bool = False) -> None:
        r"""A view took these bytes and did not use them; a ``\n`` that comes next belongs to what it used."""
        self._skips_line_feed |= skip_line_feed
        if data:
            self._held.insert(0, data)
            self._position -= len(data)

    @property
    def position(self) -> int:
        """How many bytes of the body views have taken and used."""
        return self._position

    @property
    def whole(self) -> bool:
        """Whether the body is known to be whole, so that losing the connection loses nothing."""
        return self._decoder is not None and (self._decoder.complete or self._decoder.verified)

    def decode_to_end(self) -> bool:
        """Decode what is in memory, for nobody, and return whether all has come."""
        decoder = self._decoder
        if decoder is None or self.state in (State.FAILED, State.NEW):
            return False
        try:
            for chunk in self._chunks:
                self._note(chunk)
        except (WireError, StreamifyError):
            return False
        return decoder.complete or self._input_ended

    # the end

    def close(self) -> None:
        """Whoever reads is done."""
        if self.state not in (State.ENDED, State.FAILED, State.CLOSED):
            self.state = State.CLOSED
            self.limits.stop()

    def retry_delay(self, error: StreamifyError) -> float | None:
        """After a failure: in how many seconds to try again; None: it is final, and the stream over."""
        if self.cancellation.requested:
            delay = None
        else:
            delay = self._policy.delay_after(error, yielded=self._yielded, time_left=self.limits.left)
        if delay is None:
            self.fail(error)
        else:
            self.state = State.OPENING
        return delay

    def fail(self, error: StreamifyError) -> None:
        """The stream is over with this error."""
        self.state = State.CLOSED if isinstance(error, StreamClosedError) else State.FAILED
        self._failure = f"{type(error).__name__}: {error.message}"
        self.limits.stop()

    def explain(self, error: BaseException, phase: TimeoutPhase = "first_byte") -> StreamifyError:
        """Return the public error for whatever happened, with all that is known about the call."""
        if self.cancellation.requested:
            ran = self.state is not State.NEW
            found: StreamifyError = StreamClosedError("The stream was cancelled.", may_have_run=ran)
        elif isinstance(error, StreamifyError):
            found = self.limits.settle(error)
        elif isinstance(error, WireError):
            kind = TruncatedStreamError if isinstance(error, TruncatedInputError) else CorruptStreamError
            found = kind(f"The response is not whole: {error.message}.")
        elif isinstance(error, TimeoutError):
            found = self.limits.timed_out(phase)
        elif isinstance(error, OSError):
            found = TruncatedStreamError("The connection was lost before the response was complete.")
        else:
            found = StreamError(f"The response could not be read: {error!r}.")
        found.function = self.invocation.function
        found.request_id = found.request_id or self.request_id
        found.bytes_received = self._bytes
        found.attempts = self._policy.attempts.count
        return found

    def status_error(self) -> HttpStatusError:
        """Return the error that the status is, with as much of the body as is held."""
        assert self.head is not None
        return HttpStatusError(
            f"The function answered with HTTP status {self.head.status_code}.",
            status_code=self.head.status_code,
            headers=self.head.headers,
            body=b"".join(self._held)[:ERROR_BODY_SIZE],
        )

    def gather_error_body(self) -> bool:
        """Hold more of an error's body; return whether more should be read for it."""
        while sum(map(len, self._held)) < ERROR_BODY_SIZE:
            chunk = self._decode_next()
            if chunk is None:
                assert self._decoder is not None
                return not (self._decoder.complete or self._input_ended)
            self._held.append(chunk)
        return False

    def refuse_use(self) -> StreamClosedError | None:
        """If nothing can be read any more: the error that says why."""
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
        """Say which stream it was that is not open."""
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
        """A header of the transport's response."""
        return self._raw.headers.get(name) if self._raw else None

    @property
    def result(self) -> StreamResult | None:
        """What is known once the stream is over."""
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
            decoder.log_tail if decoder else None,
            self.request_id,
        )

    # inside

    def _without_line_feed(self, chunk: bytes) -> bytes:
        skip, self._skips_line_feed = self._skips_line_feed, False
        return chunk.removeprefix(b"\n") if skip else chunk

    def _decode_next(self) -> bytes | None:
        chunk = next(self._chunks, None)
        if chunk is not None:
            self._note(chunk)
        return chunk

    def _note(self, chunk: bytes) -> None:
        self._bytes += len(chunk)
        self._count += 1
        if self._first_byte is None:
            self._first_byte = self.limits.elapsed

    def _end(self) -> None:
        self.state = State.ENDED
        self.limits.stop()

    def _check_verified(self) -> None:
        assert self._decoder is not None
        if self.invocation.options.verified == "require" and not self._decoder.verifiable:
            raise ConfigurationError(
                "verified='require', and the function does not answer with a verified stream: it has to run "
                "streamify_server behind an endpoint that passes the client context on.",
                may_have_run=True,
            )
