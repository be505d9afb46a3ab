"""Bytes to text, in any encoding, however the bytes are split."""

import codecs
from collections.abc import Iterator

from . import BytesLike
from .errors import UndecodableTextError, WireError


class TextDecoder:
    """Turns bytes into str as they come; a character that is split over chunks waits for its rest.

    Args:
        encoding: A text encoding of Python's codecs.
        errors: What to do with bytes that are no text: a handler of Python's codecs.

    Raises:
        LookupError: There is no such text encoding or error handler.
    """

    def __init__(self, encoding: str = "utf-8", errors: str = "strict") -> None:
        " ".encode(encoding)  # refuses codecs that make no text, such as base64
        codecs.lookup_error(errors)
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._taken = 0  # bytes of the input
        self._error: WireError | None = None

    def feed(self, data: BytesLike) -> Iterator[str]:
        """Take bytes in; return the text that they complete, and raise at the byte that is none."""
        return self._decode(bytes(data), final=False)

    def finish(self) -> list[str]:
        """The input has ended: return what is left; raise UndecodableTextError if a character was cut off."""
        return list(self._decode(b"", final=True))

    def unread(self) -> bytes:
        """Return the bytes taken in that are part of no text yet: a character's beginning."""
        return self._decoder.getstate()[0]

    def _decode(self, data: bytes, *, final: bool) -> Iterator[str]:
        if self._error:
            raise self._error
        state = self._decoder.getstate()
        self._taken += len(data)
        try:
            text = self._decoder.decode(data, final)
        except UnicodeError as error:
            left, reason = len(data) + len(state[0]), str(error)
            if isinstance(error, UnicodeDecodeError):
                left, reason = len(error.object) - error.start, error.reason
            offset = self._taken - left  # what the codec looked at always ends where the data ends
            self._error = UndecodableTextError(f"byte {offset} is no {self._encoding}: {reason}", offset)
            self._decoder.setstate(state)
            if good := self._decoder.decode(data[: max(0, len(data) - left)]):
                yield good
            raise self._error from None
        if text:
            yield text
