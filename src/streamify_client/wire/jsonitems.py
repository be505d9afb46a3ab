"""The items of one large JSON document, each as soon as it is complete; ijson (the extra ``json``) parses."""

from typing import Any

from . import BytesLike
from .errors import InvalidJsonError, TooLargeError, TruncatedInputError, WireError
from .lines import MAX_ITEM

_OPENING, _CLOSING = {"start_map", "start_array"}, {"end_map", "end_array"}


class JsonItemsDecoder:
    """Turns the bytes of one JSON document into the values at a path in it.

    Args:
        path: Where the values are, in ijson's notation: ``item`` for the elements of an array at the top,
            ``rows.item`` for those of the array under ``rows``, an empty path for the whole document.
        max_size: How large a value may be: the length of its keys and texts, and eight for every other part.

    Raises:
        ImportError: ijson is not installed.
    """

    def __init__(self, path: str, *, max_size: int = MAX_ITEM) -> None:
        import ijson

        self._path = path
        self._max_size = max_size
        self._new_builder = ijson.ObjectBuilder
        self._json_errors: tuple[type[Exception], ...] = (ijson.JSONError, UnicodeDecodeError)
        self._parsed: Any = ijson.sendable_list()
        self._parser: Any = ijson.parse_coro(self._parsed, use_float=True)
        self._builder: Any = None
        self._size = self._depth = 0  # of the value under way
        self._silent = 0  # bytes since the parser last found anything
        self._taken = 0
        self.error: WireError | None = None

    def receive(self, data: BytesLike) -> list[Any]:
        """Take bytes in; return the values that are complete by now."""
        if self.error:
            raise self.error
        broken: WireError | None = None
        self._taken += len(data)
        try:
            if len(data):  # ijson takes an empty piece for the end
                self._parser.send(bytes(data))
        except self._json_errors as error:
            broken = InvalidJsonError(
                f"the response is no JSON: {_first_line(error)}, before byte {self._taken}"
            )
        return self._values(broken, len(data))

    def finish(self) -> list[Any]:
        """The input has ended: raise TruncatedInputError if the document had not."""
        if self.error:
            raise self.error
        broken: WireError | None = None
        try:
            self._parser.close()
        except self._json_errors as error:
            broken = TruncatedInputError(
                f"the JSON document ended too early, after {self._taken} bytes: {_first_line(error)}",
                self._taken,
            )
        return self._values(broken, 0)

    def unread(self, left: int = 0) -> None:
        """Return None: the parser looks ahead, so nothing else can read on."""

    def _values(self, broken: WireError | None, fed: int) -> list[Any]:
        values: list[Any] = []
        try:
            self._silent = 0 if self._parsed else self._silent + fed
            for prefix, kind, value in self._parsed:
                self._build(prefix, kind, value, values)
            if self._silent > self._max_size:
                raise TooLargeError(f"a JSON text is longer than {self._max_size} bytes", self._taken)
            if broken:
                raise broken
        except WireError as error:
            self.error = error
            if not values:
                raise
        finally:
            self._parsed.clear()
        return values

    def _build(self, prefix: str, kind: str, value: Any, values: list[Any]) -> None:
        if self._builder is None:
            if prefix != self._path or kind in _CLOSING or kind == "map_key":
                return
            self._builder, self._size, self._depth = self._new_builder(), 0, 0
        self._builder.event(kind, value)
        self._size += len(value) if isinstance(value, str) else 8
        self._depth += (kind in _OPENING) - (kind in _CLOSING)
        if self._size > self._max_size:
            raise TooLargeError(
                f"a JSON value at {self._path!r} is larger than {self._max_size}", self._taken
            )
        if self._depth == 0:
            built, self._builder = self._builder.value, None
            values.append(built)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
