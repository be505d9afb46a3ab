"""The attributes of a response, for sync and async streams."""

import json
from typing import Any, NoReturn

from streamify_client.errors import DecodeError, StreamClosedError, StreamifyError
from streamify_client.models import Headers, StreamResult
from streamify_client.request.options import check_encoding
from streamify_client.wire.errors import why_not_json

from .body import FunctionHead
from .core import State, StreamCore

_MAX_DIGITS = 18  # of a Content-Length: more is not a length


class StreamAttributes:
    """The attributes of a stream; they do no I/O, and are available once the stream is open."""

    def __init__(self, core: StreamCore, *, encoding: str, errors: str) -> None:
        self._core = core
        self._encoding = encoding
        self._errors = errors

    @property
    def content_type(self) -> str | None:
        """The content type that the function gave its response."""
        return self._head().content_type

    @property
    def status_code(self) -> int:
        """The function's HTTP status if it sent an HTTP response, otherwise the status of the invocation."""
        return self._head().status_code

    @property
    def headers(self) -> Headers:
        """The function's HTTP headers; only the content type if it did not send an HTTP response."""
        return self._head().headers

    @property
    def cookies(self) -> tuple[str, ...]:
        """The cookies that the function set, each as the value of a Set-Cookie header."""
        return self._head().cookies

    @property
    def content_length(self) -> int | None:
        """The size of the body in bytes, if the function declared it; most streams do not."""
        value = self._head().headers.get("content-length", "")
        return int(value) if value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS else None

    @property
    def request_id(self) -> str | None:
        """AWS's id of the request."""
        self._head()
        return self._core.request_id

    @property
    def executed_version(self) -> str | None:
        """The version of the function that ran."""
        self._head()
        return self._core.raw_header("x-amz-executed-version")

    @property
    def trace_id(self) -> str | None:
        """The X-Ray trace header of the invocation."""
        self._head()
        return self._core.raw_header("x-amzn-trace-id")

    @property
    def result(self) -> StreamResult:
        """Figures about the stream, once it is over: read to its end, failed, or closed.

        Raises:
            StreamClosedError: The stream is not over.
        """
        result = self._core.result
        if result is None:
            self._refuse(
                "The stream is not over: it has a result once it has been read to its end or closed."
            )
        return result

    def _explain(self, error: StreamifyError) -> StreamifyError:
        """Add to an error which stream it is about."""
        return self._core.explain(error)

    def _text_options(self, encoding: str | None, errors: str | None) -> tuple[str, str]:
        options = (encoding or self._encoding, errors or self._errors)
        check_encoding(*options)
        return options

    def _head(self) -> FunctionHead:
        head = self._core.head
        if head is None or self._core.state in (State.NEW, State.OPENING):
            self._refuse("The stream is not open: use it in a with block, or call open().")
        return head

    def _refuse(self, message: str) -> NoReturn:
        raise self._core.explain_closed(StreamClosedError(message))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._core.summary}>"


def parse_json(core: StreamCore, body: bytes) -> Any:
    """Read a whole body as JSON in UTF-8."""
    try:
        return json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _not_json(core, f"byte {error.start} is not UTF-8", error.start) from error
    except json.JSONDecodeError as error:
        offset = len(error.doc[: error.pos].encode("utf-8"))
        raise _not_json(core, f"{error.msg} at line {error.lineno}, column {error.colno}", offset) from error
    except (ValueError, RecursionError) as error:
        raise _not_json(core, why_not_json(error), None) from error


def _not_json(core: StreamCore, what: str, offset: int | None) -> DecodeError:
    found = core.explain(DecodeError(f"The body is not JSON: {what}.", offset=offset))
    assert isinstance(found, DecodeError)
    return found
