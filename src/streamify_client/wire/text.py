"""Bytes to text, in any encoding, however the bytes are split."""

import codecs
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from . import BytesLike
from .errors import UndecodableTextError, WireError

_PLAIN = {"utf-8", "ascii", "gbk", "gb18030", "big5", "shift_jis", "cp932", "euc_jp", "euc_kr"}
_PLAIN_FAMILIES = ("iso8859-", "cp125", "koi8-")


def is_plain(encoding: str) -> bool:
    """Whether 0x0A is always a line feed, and what follows one can be read without what came before."""
    name = codecs.lookup(encoding).name
    return name in _PLAIN or name.startswith(_PLAIN_FAMILIES)


@lru_cache(maxsize=32)
def _codec(encoding: str, errors: str) -> tuple[bool, Callable[[], codecs.IncrementalDecoder]]:
    """Return whether text can be decoded in one step, and what makes a decoder.

    Raises:
        LookupError: There is no such text encoding or error handler.
    """
    " ".encode(encoding)  # refuses codecs that make no text, such as base64
    codecs.lookup_error(errors)
    is_simple = errors == "strict" and codecs.lookup(encoding).name == "utf-8"
    return is_simple, partial(codecs.getincrementaldecoder(encoding), errors)


class TextDecoder:
    """Turns bytes into str as they come; a character that is split over chunks waits for its rest.

    Args:
        encoding: A text encoding of Python's codecs.
        errors: What to do with bytes that are not text: a handler of Python's codecs.

    Raises:
        LookupError: There is no such text encoding or error handler.
    """

    __slots__ = (
        "_before",
        "_chunks",
        "_decoder",
        "_encoding",
        "_inside",
        "_new_decoder",
        "_simple",
        "_taken",
        "_texts",
        "error",
    )

    def __init__(self, encoding: str = "utf-8", errors: str = "strict") -> None:
        self.error: WireError | None = None
        self._encoding = encoding
        self._simple, self._new_decoder = _codec(encoding, errors)
        self._decoder = self._new_decoder()
        self._inside = False  # a character, as far as `_simple` has to know
        self._taken = 0  # bytes of the input
        self._chunks: list[bytes] = []  # the last ones taken
        self._before: tuple[bytes, int] = (b"", 0)  # the decoder's state then
        self._texts = 0  # that they gave

    def receive(self, data: BytesLike) -> list[str]:
        """Take bytes in; return the text that they complete, as one item or none."""
        return self.receive_each([bytes(data)])

    def receive_each(self, chunks: list[bytes]) -> list[str]:
        """Take chunks in; return the text that each of them completes, without those that complete none."""
        if self.error:
            raise self.error
        self._chunks = chunks
        if self._simple and not self._inside:
            try:
                texts = list(map(bytes.decode, chunks))
            except UnicodeDecodeError:
                pass
            else:
                self._taken += sum(map(len, chunks))
                self._before, self._texts = (b"", 0), len(texts)
                return texts if all(texts) else [text for text in texts if text]
        self._before = self._decoder.getstate()
        return self._decode_each(chunks)

    def finish(self) -> list[str]:
        """The input has ended: return what is left; raise UndecodableTextError if a character was cut off."""
        if self.error:
            raise self.error
        self._chunks, self._before, self._texts = [], self._decoder.getstate(), 0
        text = self._decode(b"", final=True)
        if self.error and not text:
            raise self.error
        return [text] if text else []

    def unread(self, left: Sequence[str] = ()) -> list[bytes] | None:
        """Return the bytes of which no text was handed out, in their chunks.

        None if nothing else can read on: the encoding needs to know what came before.

        Args:
            left: Those of the last texts that were not handed out.
        """
        if not is_plain(self._encoding):
            return None
        if not left and not self.error:
            return [self._decoder.getstate()[0]]
        decoder, used = self._new_decoder(), self._texts - len(left)
        decoder.setstate(self._before)
        for index, chunk in enumerate(self._chunks):
            if not used:
                return [decoder.getstate()[0] + chunk, *self._chunks[index + 1 :]]
            try:
                used -= bool(decoder.decode(chunk))
            except UnicodeDecodeError as error:  # what stands before that place was handed out
                return [error.object[error.start :], *self._chunks[index + 1 :]]
        return [decoder.getstate()[0]]

    def forget(self) -> None:
        """All texts were handed out: keep no more of the input than a character that has begun."""
        self._chunks, self._before, self._texts = [], self._decoder.getstate(), 0

    def _decode_each(self, chunks: list[bytes]) -> list[str]:
        texts = []
        for chunk in chunks:
            if text := self._decode(chunk, final=False):
                texts.append(text)
            if self.error:
                break
        self._texts = len(texts)
        self._inside = bool(self._decoder.getstate()[0])
        if self.error and not texts:
            raise self.error
        return texts

    def _decode(self, data: bytes, *, final: bool) -> str:
        state = self._decoder.getstate()
        self._taken += len(data)
        try:
            return self._decoder.decode(data, final)
        except UnicodeError as error:
            self._decoder.setstate(state)
            text, self.error = self._decode_before(error, data, self._taken - len(data) - len(state[0]))
            return text

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
        return text, UndecodableTextError(f"byte {offset} is not {self._encoding}: {reason}", offset)
