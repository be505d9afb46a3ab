"""From a raw response to the function's body, without I/O: frames, prelude or verified stream, bytes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from streamify_client.errors import ConfigurationError, CorruptStreamError, FunctionError
from streamify_client.models import Headers
from streamify_client.transports.seam import ResponseHead
from streamify_client.wire import BytesLike, Mark
from streamify_client.wire.content import ContentDecoder, UnsupportedCodingError
from streamify_client.wire.events import ErrorEvent, EventDecoder, ExceptionEvent, InvokeComplete
from streamify_client.wire.misplaced import MisplacedPreludeDetector
from streamify_client.wire.nested import NestedDecoder
from streamify_client.wire.prelude import HTTP_INTEGRATION, PreludeDecoder
from streamify_client.wire.report import FailureReportDetector
from streamify_client.wire.verified import CONTENT_TYPE, End, HandlerError, Head, VerifiedDecoder

from .log_tail import find_failure

REMAPPED = "x-amzn-remapped-content-type"
_NO_STAGES = (None,) * 4


@dataclass(frozen=True, slots=True)
class FunctionHead:
    """The metadata before the body."""

    status_code: int
    headers: Headers
    cookies: tuple[str, ...]
    content_type: str | None


class ResponseDecoder:
    """Turns the pieces of a raw response into the body's chunks.

    `head` is set as soon as it is known: at once for a bare stream, otherwise after the prelude or the
    verified head. This also determines the stages of decoding.

    Args:
        raw: The head of the raw response.
        log_tail: Whether the end of the log was requested.
        base: How many bytes of the body earlier parts have sent.

    Attributes:
        head: The metadata before the body.
        verifiable: Whether this is a verified stream, which says itself whether it is complete.
        pending: Whether `more` has something to return or to raise before further bytes are read.
        complete: Whether everything has arrived, so that a loss of the connection does not matter.
        wanted: How many more bytes are needed before anything new can be decoded.
        log_tail: The end of the function's log.
    """

    __slots__ = (
        "_base",
        "_coding",
        "_detector",
        "_events",
        "_has_stages",
        "_is_over",
        "_nested",
        "_outer",
        "_prelude",
        "_raw",
        "_released",
        "_verified",
        "_wants_log",
        "complete",
        "head",
        "log_tail",
        "pending",
        "verifiable",
        "wanted",
    )

    def __init__(self, raw: ResponseHead, *, log_tail: bool = False, base: int = 0) -> None:
        self.head: FunctionHead | None = None
        self.verifiable: bool = False
        self.pending: bool = False
        self.complete: bool = False
        self.wanted: int = 0
        self.log_tail: str | None = None
        self._raw = raw
        self._wants_log = log_tail
        self._base = base
        self._events = EventDecoder() if raw.framing == "eventstream" else None
        self._prelude: PreludeDecoder | None = None
        self._detector: FailureReportDetector | MisplacedPreludeDetector | None = None
        self._verified: VerifiedDecoder | None = None
        self._nested: NestedDecoder | None = None  # for both of them, once their streams have begun
        self._coding: ContentDecoder | None = None
        self._outer: FunctionHead | None = None  # what the verified head goes into
        self._is_over = False  # the body is; what is to be said about that comes after its last chunk
        self._released = False
        self._has_stages = True
        self._begin()

    @property
    def verified(self) -> bool:
        """Whether the verified stream's own end has arrived."""
        return self._verified is not None and isinstance(self._verified.last, End)

    @property
    def state(self) -> str | None:
        """The `state` in the verified head, which identifies the token that the part was given."""
        head = None if self._verified is None else self._verified.head
        return None if head is None else head.state

    @property
    def continues(self) -> bool:
        """Whether this part has ended and another one follows."""
        last = None if self._verified is None else self._verified.last
        return isinstance(last, End) and last.continues

    @property
    def cut_short(self) -> bool:
        """Whether this is a verified stream without an end or error event so far."""
        return self._verified is not None and self._verified.last is None

    def receive(self, pieces: Sequence[BytesLike]) -> list[bytes]:
        """Decode pieces; return the chunks of the body that they complete."""
        events = self._events
        if events is None:
            chunks = cast("list[bytes]", pieces)  # only those of an event stream may be views
        else:
            chunks = (self._nested or events).receive_each(pieces)
            self.wanted = events.frames.wanted
            if events.last is not None or events.error is not None:
                self.complete = events.complete
                self._is_over = self.pending = True
        if self._has_stages:
            chunks = self._pass(chunks)
            self._has_stages = (self._prelude, self._detector, self._verified, self._coding) != _NO_STAGES
        if not all(chunks):
            chunks = [chunk for chunk in chunks if chunk or isinstance(chunk, Mark)]
        return chunks or (self.more() if self.pending else [])

    @property
    def holds_back(self) -> bool:
        """Whether the beginning of the body is held back because it may be Lambda's report of a failure."""
        return isinstance(self._detector, FailureReportDetector) and self._detector.holds

    def let_go(self) -> list[bytes]:
        """Return what is held back: it is part of the body."""
        detector, self._detector = self._detector, None
        return detector.release() if isinstance(detector, FailureReportDetector) else []

    def finish(self) -> list[bytes]:
        """The raw response has ended: return what was held back; `more` raises if it is not complete."""
        self._is_over = self.pending = True
        return self.more()

    def more(self) -> list[bytes]:
        """Return the rest of the decoded data, or raise the error that follows it."""
        coding = self._coding
        if coding is not None and coding.pending:
            pieces = coding.more()
            self._is_over = self._is_over or coding.error is not None
            return pieces
        if self._is_over:
            if not self._released:
                self._released = True
                if chunks := self._release():
                    return chunks
            self._check_whole()
        self.pending = False
        return []

    # the beginning

    def _begin(self) -> None:
        raw = self._raw
        if raw.framing == "http":
            self._begin_http()
            return
        content_type = raw.headers.get(REMAPPED)
        if _media_type(content_type) == HTTP_INTEGRATION:
            self._prelude = PreludeDecoder()
            return
        pairs = [("content-type", content_type)] if content_type else []
        self._enter(FunctionHead(raw.status_code, Headers(pairs), (), content_type))
        if self._verified is None and (request_id := raw.headers.get("x-amzn-requestid")):
            self._detector = FailureReportDetector(request_id)

    def _begin_http(self) -> None:
        raw = self._raw
        if _media_type(raw.headers.get("content-type")) == HTTP_INTEGRATION:
            raise _buffered_mode()
        self._enter(FunctionHead(raw.status_code, Headers(raw.headers.items()), raw.cookies, None))
        if self._verified is None:
            self._detector = MisplacedPreludeDetector(hold="content-length" in raw.headers)

    def _enter(self, outer: FunctionHead) -> None:
        """Process status and headers; the content type shows whether they are the function's own."""
        content_type = outer.headers.get("content-type")
        if _media_type(content_type) == CONTENT_TYPE:
            self._outer, self._verified = outer, VerifiedDecoder(self._base)
            self.verifiable = True
            if self._events is not None:
                self._events.frames.views = True
        else:
            self._know(
                outer if outer.content_type == content_type else replace(outer, content_type=content_type)
            )

    def _know(self, head: FunctionHead) -> None:
        """Set the function's own head, and the decoder for the content encoding of its body."""
        self.head = head
        encoding = head.headers.get("content-encoding")
        if encoding is None:
            return
        try:
            decoder = ContentDecoder(encoding)
        except UnsupportedCodingError as error:
            raise _unsupported(error) from error
        self._coding = None if decoder.idle else decoder

    # the stages

    def _pass(self, chunks: list[bytes]) -> list[bytes]:
        """Decode chunks with the stages that this response needs."""
        if self._prelude is not None:
            chunks = self._behind_prelude(self._prelude, chunks)
        if self._detector is not None:
            chunks = self._detect(self._detector, chunks)
        if self._verified is not None:
            chunks = self._verify(self._verified, chunks)
        return chunks if self._coding is None else self._decode(self._coding, chunks)

    def _behind_prelude(self, decoder: PreludeDecoder, chunks: list[bytes]) -> list[bytes]:
        for index, chunk in enumerate(chunks, 1):
            body = decoder.receive(chunk)
            if (prelude := decoder.prelude) is not None:
                self._prelude = None
                self._enter(
                    FunctionHead(prelude.status_code, Headers(prelude.headers), prelude.cookies, None)
                )
                return body + chunks[index:]
        return []

    def _detect(
        self, detector: FailureReportDetector | MisplacedPreludeDetector, chunks: list[bytes]
    ) -> list[bytes]:
        passed: list[bytes] = []
        for chunk in chunks:
            passed += detector.receive(chunk)
        if detector.done:
            if isinstance(detector, MisplacedPreludeDetector) and detector.found:
                raise _buffered_mode()
            self._detector = None
        return passed

    def _verify(self, decoder: VerifiedDecoder, pieces: list[bytes]) -> list[bytes]:
        chunks = pieces  # from a NestedDecoder
        if self._nested is None:
            chunks = decoder.receive_each(pieces)
            if self._events is not None:
                self._nested = NestedDecoder(self._events, decoder)
        if decoder.error is not None or (isinstance(decoder.last, HandlerError) and not self._wants_log):
            self._is_over = self.pending = True  # where the log is wanted: it comes with Lambda's last event
        if self.head is None and decoder.head is not None:
            assert self._outer is not None
            self._know(_inner_head(self._outer, decoder.head))
        return chunks

    def _decode(self, decoder: ContentDecoder, chunks: list[bytes]) -> list[bytes]:
        pieces = decoder.receive_each(chunks)
        if decoder.error is not None:
            self._is_over = True
        self.pending = self._is_over or decoder.pending
        return pieces

    # the end

    def _release(self) -> list[bytes]:
        """The body is over: return what was held back of it, or raise an earlier error."""
        events, verified = self._events, self._verified
        for decoder in (self._coding, verified, events):  # an inner one's error concerns earlier bytes
            if decoder is not None and decoder.error is not None:
                raise decoder.error
        last = None if events is None else events.last
        self.log_tail = last.log_tail if isinstance(last, InvokeComplete) else None
        if verified is not None and isinstance(verified.last, HandlerError):
            raise _handler_failure(verified.last, self.log_tail if self._wants_log else None)
        if isinstance(last, ExceptionEvent | ErrorEvent):
            raise _service_exception(last)
        if events is not None and last is None and not self.verified:
            events.finish()
        return self._held_back()

    def _held_back(self) -> list[bytes]:
        detector, self._detector = self._detector, None
        if detector is None:
            return []
        held = detector.finish()
        if isinstance(detector, FailureReportDetector) and detector.failure is not None:
            raise _handler_failure(detector.failure, self.log_tail)
        return held if self._coding is None else self._decode(self._coding, held)

    def _check_whole(self) -> None:
        """Raise unless the function and every stage confirm that the body is complete."""
        last = None if self._events is None else self._events.last
        if isinstance(last, InvokeComplete):
            _check_success(last, self._raw.headers.get("x-amzn-requestid", ""))
        for decoder in (self._prelude, self._verified, self._coding):
            if decoder is not None:
                decoder.finish()


def _check_success(complete: InvokeComplete, request_id: str) -> None:
    if complete.error_code is not None:
        raise function_error(complete.error_code, complete.error_details, complete.log_tail)
    if complete.log_tail and (failure := find_failure(complete.log_tail, request_id)):
        raise FunctionError(
            f"The function's log says that it failed: {failure.line}",
            error_type=failure.error_type or ("Timeout" if failure.status == "timeout" else None),
            log_tail=complete.log_tail,
        )


def _handler_failure(error: HandlerError, log_tail: str | None = None) -> FunctionError:
    return FunctionError(
        f"The function failed: {error.error_type}: {error.message}",
        error_type=error.error_type,
        error_message=error.message,
        stack_trace=error.stack_trace,
        log_tail=log_tail,
    )


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _buffered_mode() -> CorruptStreamError:
    return CorruptStreamError(
        "The Function URL is in BUFFERED mode, so that the response's metadata came as part of its body: "
        "set the URL's InvokeMode to RESPONSE_STREAM."
    )


def _unsupported(error: UnsupportedCodingError) -> ConfigurationError:
    cure = f"pip install '{error.package}'" if error.package else "ask for accept-encoding: identity"
    return ConfigurationError(
        f"The body has the content encoding {error.coding!r}, which cannot be decoded here: {cure}.",
        may_have_run=True,
    )


def _inner_head(outer: FunctionHead, head: Head) -> FunctionHead:
    """Put the body's own content type and encoding in the place of the verified stream's."""
    hidden = {"content-type", "content-encoding"}
    pairs = [(name, value) for name, value in outer.headers.pairs() if name not in hidden]
    for name, value in (("content-type", head.content_type), ("content-encoding", head.content_encoding)):
        if value is not None:
            pairs.append((name, value))
    return replace(outer, headers=Headers(pairs), content_type=head.content_type)


def function_error(code: str, details: str | None, log_tail: str | None = None) -> FunctionError:
    """Create an error from Lambda's report of a function's failure; the details are usually JSON."""
    try:
        fields = json.loads(details or "")
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        fields = {"errorMessage": details}
    error_type, message, trace = (fields.get(key) for key in ("errorType", "errorMessage", "stackTrace"))
    return FunctionError(
        "The function failed: " + (": ".join(str(part) for part in (error_type or code, message) if part)),
        error_type=str(error_type) if error_type else None,
        error_message=str(message) if message is not None else None,
        stack_trace=tuple(str(line) for line in trace) if isinstance(trace, list) else (),
        code=code,
        log_tail=log_tail,
    )


def _service_exception(event: ExceptionEvent | ErrorEvent) -> FunctionError:
    code = event.type if isinstance(event, ExceptionEvent) else event.code
    return FunctionError(
        f"Lambda ended the stream with {code or 'an exception'}: {event.message}",
        error_type=code or None,
        error_message=event.message,
        code=code or None,
    )
