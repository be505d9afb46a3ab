"""Bytes to text, in any encoding, however the bytes are split."""

import codecs
from collections.abc import Iterator

from . import BytesLike
from .errors import UndecodableTextError, WireError

_PLAIN = {"utf-8", "ascii", "gbk", "gb18030", "big5", "shift_jis", "cp932", "euc_jp", "euc_kr"}
_PLAIN_FAMILIES = ("iso8859-", "cp125", "koi8-")


def is_plain(encoding: str) -> bool:
    """Whether 0x0A is always a line feed, and what follows one can be read without what came before."""
    name = codecs.lookup(encoding).name
    return name in _PLAIN or name.startswith(_PLAIN_FAMILIES)


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

    def unread(self) -> bytes | None:
        """Return the bytes of a character that has only begun; None if the encoding needs to know more."""
        return self._decoder.getstate()[0] if is_plain(self._encoding) else None

    def _decode(self, data: bytes, *, final: bool) -> Iterator[str]:
        if self._error:
            raise self._error
        state = self._decoder.getstate()
        self._taken += len(data)
        try:
            text = self._decoder.decode(data, final)
        except UnicodeError as error:
            self._decoder.setstate(state)
            text, self._error = self._decode_before(error, data, self._taken - len(data) - len(state[0]))
        if text:
            yield text
        if self._error:
            raise self._error

    def _decode_before(
        self, error: UnicodeError, data: bytes, start: int
    ) -> tuple[str, UndecodableTextError]:
        text, offset, reason = "", start, str(error)
        if isinstance(error, UnicodeDecodeError):
            left = len(error.object) - error.start  # what the codec looked at ends where the data ends
            try:
                text = self._decoder.decode(data[: max(0, len(data) - left)])
                offset, reason = self._taken - left, error.reason
            except UnicodeError as earlier:  # UTF-16 and UTF-32 miss their byte order mark last
                reason = str(earlier)
        return text, UndecodableTextError(f"byte {offset} is no {self._encoding}: {reason}", offset)
