"""From a raw response to the function's body, without I/O: frames, prelude or verified stream, bytes."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ._headers import Headers
from ._log_tail import find_failure
from .errors import ConfigurationError, CorruptStreamError, FunctionError
from .transport import ResponseHead
from .wire.content import ContentDecoder, UnsupportedCodingError
from .wire.events import ErrorEvent, Event, EventDecoder, ExceptionEvent, InvokeComplete, PayloadChunk
from .wire.misplaced import MisplacedPreludeDetector
from .wire.prelude import HTTP_INTEGRATION, Prelude, PreludeDecoder
from .wire.report import FailureReportDetector
from .wire.verified import CONTENT_TYPE, Data, End, HandlerError, Head, VerifiedDecoder

REMAPPED = "x-amzn-remapped-content-type"


@dataclass(frozen=True, slots=True)
class FunctionHead:
    """What the function said before its body."""

    status_code: int
    headers: Headers
    cookies: tuple[str, ...]
    content_type: str | None


class ResponseDecoder:
    """Turns a raw response's bytes into the body's chunks.

    `head` is there as soon as it is known: at once for a bare stream, after the prelude or the verified
    head otherwise.

    Args:
        raw: What came before the first byte.
        offered: Whether a verified stream was offered: what comes instead may be the report of a failure.
        log_tail: Whether the log's end was asked for.
    """

    def __init__(self, raw: ResponseHead, *, offered: bool = False, log_tail: bool = False) -> None:
        self._raw = raw
        self._wants_log = log_tail
        self._events = EventDecoder() if raw.framing == "eventstream" else None
        self._prelude: PreludeDecoder | None = None
        self._verified: VerifiedDecoder | None = None
        self._misplaced: MisplacedPreludeDetector | None = None
        self._report: FailureReportDetector | None = None
        self._offered = offered
        self._content_coding: ContentDecoder | None = None
        self._outer = FunctionHead(raw.status_code, Headers(), (), None)
        self._failure: FunctionError | None = None
        self.head: FunctionHead | None = None
        self.log_tail: str | None = None
        self.verified = False  # the verified stream's own end came
        self._begin()

    @property
    def verifiable(self) -> bool:
        """Whether this is a verified stream, which says itself whether it is whole."""
        return self._verified is not None

    @property
    def complete(self) -> bool:
        """Whether all has come, so that what the connection does now does not matter."""
        return self._events is not None and self._events.complete

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes in; return the chunks of the body that they complete."""
        if self._events is None:
            return self._content(data)
        return self._payloads(self._events.feed(data))

    def finish(self) -> Iterator[bytes]:
        """The raw response has ended; raise if it is not whole."""
        if self._events is not None and not self.verified and self._failure is None:
            yield from self._payloads(self._events.finish())
        if self._misplaced is not None:
            held, self._misplaced = self._misplaced.finish(), None
            yield from self._decoded(held)
        self._finish_content()

    def _begin(self) -> None:
        raw = self._raw
        if raw.framing == "http":
            self._begin_http()
            return
        content_type = raw.headers.get(REMAPPED)
        if _media_type(content_type) == HTTP_INTEGRATION:
            self._prelude = PreludeDecoder()
        else:
            pairs = [("content-type", content_type)] if content_type else []
            self._enter(FunctionHead(raw.status_code, Headers(pairs), (), None))
            request_id = raw.headers.get("x-amzn-requestid")
            if self._offered and self._verified is None and request_id:
                self._report = FailureReportDetector(request_id)

    def _begin_http(self) -> None:
        raw = self._raw
        if _media_type(raw.headers.get("content-type")) == HTTP_INTEGRATION:
            raise _buffered_mode()
        self._enter(FunctionHead(raw.status_code, Headers(raw.headers.items()), raw.cookies, None))
        if self._verified is None:
            self._misplaced = MisplacedPreludeDetector(hold="content-length" in raw.headers)

    def _enter(self, outer: FunctionHead) -> None:
        """Status and headers are known; whether they are the function's own shows in the content type."""
        content_type = outer.headers.get("content-type")
        self._outer = outer
        if _media_type(content_type) == CONTENT_TYPE:
            self._verified = VerifiedDecoder()
        else:
            self._know(replace(outer, content_type=content_type))

    def _know(self, head: FunctionHead) -> None:
        """The function's own head is there, and with it how its body is encoded."""
        self.head = head
        try:
            decoder = ContentDecoder(head.headers.get("content-encoding", ""))
        except UnsupportedCodingError as error:
            raise _unsupported(error) from error
        self._content_coding = None if decoder.idle else decoder

    def _payloads(self, events: Iterable[Event]) -> Iterator[bytes]:
        for event in events:
            if isinstance(event, PayloadChunk):
                yield from self._content(event.data)
            elif isinstance(event, InvokeComplete):
                yield from self._reported(event.log_tail)
                self._complete(event)
            else:
                raise _service_exception(event)

    def _content(self, data: bytes) -> Iterator[bytes]:
        if self._prelude is None:
            yield from self._body(data)
            return
        for item in self._prelude.feed(data):
            if isinstance(item, Prelude):
                self._enter(FunctionHead(item.status_code, Headers(item.headers), item.cookies, None))
            else:
                yield from self._body(item)

    def _body(self, data: bytes) -> Iterator[bytes]:
        if self._verified is None:
            yield from self._decoded(data)
            return
        for event in self._verified.feed(data):
            if isinstance(event, Data):
                yield from self._decoded(event.data)
            elif isinstance(event, Head):
                self._know(_inner_head(self._outer, event))
            elif isinstance(event, End):
                self.verified = True
            else:
                self._fail(event)

    def _reported(self, log_tail: str | None) -> Iterator[bytes]:
        """The body has ended: give what was held back of it, or raise if it was the report of a failure."""
        if self._report is not None:
            found = self._report.finish()
            if isinstance(found, HandlerError):
                raise _handler_failure(found, log_tail)
            if found:
                yield found

    def _decoded(self, data: bytes) -> Iterator[bytes]:
        if self._report is not None:
            data = self._report.feed(data)
        if self._misplaced is not None:
            data = self._misplaced.feed(data)
            if self._misplaced.found:
                raise _buffered_mode()
        if self._content_coding is not None:
            yield from self._content_coding.feed(data)
        elif data:
            yield data

    def _fail(self, event: HandlerError) -> None:
        self._failure = _handler_failure(event)
        if not self._wants_log:  # the log comes with the last event
            raise self._failure

    def _complete(self, event: InvokeComplete) -> None:
        self.log_tail = event.log_tail
        if self._failure is not None:
            self._failure.log_tail = event.log_tail
            raise self._failure
        if event.error_code is not None:
            raise function_error(event.error_code, event.error_details, event.log_tail)
        request_id = self._raw.headers.get("x-amzn-requestid", "")
        if event.log_tail and (failure := find_failure(event.log_tail, request_id)):
            raise FunctionError(
                f"The function's log says that it failed: {failure.line}",
                error_type=failure.error_type or ("Timeout" if failure.status == "timeout" else None),
                log_tail=event.log_tail,
            )
        self._finish_content()

    def _finish_content(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._prelude is not None:
            self._prelude.finish()
        if self._verified is not None:
            self._verified.finish()
        if self._content_coding is not None:
            self._content_coding.finish()


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
        f"The body has the content encoding {error.coding!r}, which cannot be undone here: {cure}.",
        may_have_run=True,
    )


def _inner_head(outer: FunctionHead, head: Head) -> FunctionHead:
    """Put the body's own content type and encoding in the place of the verified stream's."""
    hidden = {"content-type", "content-encoding"}
    pairs = [(name, value) for name, value in outer.headers.pairs() if name.lower() not in hidden]
    for name, value in (("content-type", head.content_type), ("content-encoding", head.content_encoding)):
        if value is not None:
            pairs.append((name, value))
    return replace(outer, headers=Headers(pairs), content_type=head.content_type)


def function_error(code: str, details: str | None, log_tail: str | None = None) -> FunctionError:
    """Make an error of what Lambda says about a function's failure; the details are JSON as a rule."""
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
