"""A decoder for HTTP/1.1's chunked transfer coding (RFC 9112, section 7.1), without I/O.

A chunk that was received completely is returned as one piece, so that pieces correspond to the sender's
writes, unless something in between splits them.
"""

import re

_LINE_LIMIT = 8192
_TRAILERS_LIMIT = 8 * 1024 * 1024  # a trailer can hold an error report in base64
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?")
_TRAILER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")


class ChunkedError(Exception):
    """The bytes are not a valid chunked body."""


class ChunkedDecoder:
    """Decodes one body.

    Attributes:
        ended: Whether the body and its trailers are complete.
        trailers: The trailers, with lower-case names, once it has ended.
    """

    def __init__(self) -> None:
        self.ended: bool = False
        self.trailers: dict[str, str] = {}
        self._kept = b""
        self._left = 0  # missing bytes of the current chunk
        self._closes = False  # the line end after the current chunk is missing
        self._last = False  # the last chunk was received, its trailers were not
        self._sizes: dict[bytes, int] = {}

    def receive(self, data: bytes) -> list[bytes]:
        """Decode bytes and return the chunks and parts of chunks in them; none once the body has ended.

        Raises:
            ChunkedError: They are not a valid chunked body.
        """
        pieces: list[bytes] = []
        if self._kept:
            data, self._kept = self._kept + data, b""
        at = 0
        while not self.ended:
            at, progress = self._step(data, at, pieces)
            if not progress:
                break
        self._kept = data[at:]
        return pieces

    @property
    def rest(self) -> bytes:
        """The bytes received after the end of the body."""
        return self._kept

    def _step(self, data: bytes, at: int, pieces: list[bytes]) -> tuple[int, bool]:
        """Parse the next element; return the position after it, and whether there was one."""
        if self._last:
            return self._end(data, at)
        if self._left:
            return self._rest_of_chunk(data, at, pieces)
        if self._closes:
            if len(data) < at + 2:
                return at, False
            if data[at : at + 2] != b"\r\n":
                raise ChunkedError("A chunk is longer than it says.")
            self._closes = False
            return at + 2, True
        return self._chunks(data, at, pieces)

    def _chunks(self, data: bytes, at: int, pieces: list[bytes]) -> tuple[int, bool]:
        """Parse all complete chunks and the beginning of the next."""
        sizes, end = self._sizes, len(data)
        while (line := data.find(b"\r\n", at)) >= 0:
            text = data[at:line]
            size = sizes[text] if text in sizes else self._size(text)
            start = line + 2
            stop = start + size
            if not size:
                self._last = True
                return start, True
            if stop + 2 > end:
                self._left, self._closes = size, True
                return start, start < end
            if data[stop : stop + 2] != b"\r\n":
                raise ChunkedError("A chunk is longer than it says.")
            pieces.append(data[start:stop])
            at = stop + 2
        if end - at > _LINE_LIMIT:
            raise ChunkedError("The line in front of a chunk is too long.")
        return at, False

    def _size(self, text: bytes) -> int:
        match = _SIZE.fullmatch(text)
        if match is None:
            raise ChunkedError(f"{text[:40]!r} is not the size of a chunk.")
        size = int(match[1], 16)
        if len(self._sizes) < 256:
            self._sizes[text] = size
        return size

    def _rest_of_chunk(self, data: bytes, at: int, pieces: list[bytes]) -> tuple[int, bool]:
        piece = data[at : at + self._left]
        if piece:
            pieces.append(piece)
            self._left -= len(piece)
        return at + len(piece), bool(piece)

    def _end(self, data: bytes, at: int) -> tuple[int, bool]:
        """Parse the trailers up to and including the empty line."""
        if data[at : at + 2] == b"\r\n":
            stop = at + 2
        else:
            found = data.find(b"\r\n\r\n", at)
            if found < 0:
                if len(data) - at > _TRAILERS_LIMIT:
                    raise ChunkedError("The trailers are too long.")
                return at, False
            self._read_trailers(data[at:found])
            stop = found + 4
        self.ended = True
        return stop, True

    def _read_trailers(self, block: bytes) -> None:
        for line in block.split(b"\r\n"):
            match = _TRAILER.fullmatch(line)
            if match is None:
                raise ChunkedError(f"{line[:40]!r} is not a trailer.")
            self.trailers[match[1].decode().lower()] = match[2].decode("latin-1")
