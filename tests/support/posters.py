"""Posters for tests: what a handler posts, seen while it still produces."""

from collections.abc import Callable


class Poster:
    """Takes a response; `take` sees each chunk as it is written, and may raise."""

    full = False

    def __init__(self, take: Callable[[bytes], object] | None = None) -> None:
        self.content_type = ""
        self.prelude = b""
        self.chunks: list[bytes] = []
        self.ended = False
        self.error: BaseException | None = None
        self._take = take

    def open(self, content_type: str, prelude: bytes) -> "Poster":
        self.content_type = content_type
        self.prelude = prelude
        return self

    def write(self, data: bytes) -> None:
        self.take(data)

    def take(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        if self._take is not None:
            self._take(chunk)

    async def drained(self) -> None:
        pass

    def end(self) -> None:
        self.ended = True

    def fail(self, error: BaseException, last: bytes = b"") -> None:
        self.error = error
        if last:
            self.chunks.append(last)


class Leaving(Poster):
    """Takes one chunk; then its connection is lost."""

    def take(self, chunk: bytes) -> None:
        if self.chunks:
            raise ConnectionResetError
        super().take(chunk)
