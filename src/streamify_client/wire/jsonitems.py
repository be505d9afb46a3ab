"""The items of one large JSON document, each as soon as it is complete; ijson (the extra ``json``) parses."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from . import BytesLike
from .errors import InvalidJsonError, TooLargeError, TruncatedInputError, WireError
from .lines import MAX_ITEM

_OPENING, _CLOSING = {"start_map", "start_array"}, {"end_map", "end_array"}
_MAX_DEPTH = 1000  # of a value: about what json.loads reads
# Python refuses integers of more than 4,300 digits, and Decimal some exponents. The C code of ijson (3.6)
# goes on with an event that has no value then, until Python finds the error that was left set.
_NUMBER_ERRORS = (ValueError, ArithmeticError, SystemError)
_SLICE = 64 * 1024  # bytes for the parser at a time: each of them can be an event


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
        self._place = _Place(path)
        self._max_size = max_size
        self._new_builder = ijson.ObjectBuilder  # not ijson.items, which does not limit the size of a value
        self._json_errors: tuple[type[Exception], ...] = (ijson.JSONError, UnicodeDecodeError)
        self._parsed: Any = ijson.sendable_list()
        # With floats ijson would refuse integers of more than 64 bits; it makes Decimals of the rest instead.
        self._parser: Any = ijson.basic_parse_coro(self._parsed, use_float=False)
        self._builder: Any = None
        self._size = self._depth = 0  # of the value under way
        self._silent = 0  # bytes since the parser last found anything
        self._taken = 0
        self.error: WireError | None = None

    def receive(self, data: BytesLike) -> list[Any]:
        """Take bytes in; return the values that are complete by now."""
        if self.error:
            raise self.error
        values: list[Any] = []
        try:
            for piece in _slices(data):
                self._taken += len(piece)
                broken = self._send(piece)
                self._build_all(values, len(piece))
                if broken:
                    raise broken
        except WireError as error:
            self.error = error
            if not values:
                raise
        return values

    def finish(self) -> list[Any]:
        """The input has ended: raise TruncatedInputError if the document had not."""
        if self.error:
            raise self.error
        values: list[Any] = []
        broken = self._close()
        try:
            self._build_all(values, 0)
            if broken:
                raise broken
        except WireError as error:
            self.error = error
            if not values:
                raise
        return values

    def unread(self, left: Sequence[object] = ()) -> None:
        """Return None: the parser looks ahead, so nothing else can read on."""

    def forget(self) -> None:
        """There is nothing to forget."""

    def _send(self, piece: bytes) -> WireError | None:
        try:
            self._parser.send(piece)
        except self._json_errors as error:
            return InvalidJsonError(
                f"the response is not JSON: {_first_line(error)}, before byte {self._taken}"
            )
        except _NUMBER_ERRORS as error:
            return self._number_refused(error)
        return None

    def _close(self) -> WireError | None:
        try:
            self._parser.close()
        except self._json_errors as error:
            return TruncatedInputError(
                f"the JSON document ended too early, after {self._taken} bytes: {_first_line(error)}",
                self._taken,
            )
        except _NUMBER_ERRORS as error:
            return self._number_refused(error)
        return None

    def _number_refused(self, error: Exception) -> WireError:
        if isinstance(error, SystemError):
            del self._parsed[-1]  # the event without the number: looking into it would crash Python
        return InvalidJsonError(
            f"the response has a number that is too long for Python, before byte {self._taken}"
        )

    def _build_all(self, values: list[Any], fed: int) -> None:
        self._silent = 0 if self._parsed else self._silent + fed
        try:
            for kind, value in self._parsed:
                if self._builder is None:
                    if not self._place.reached(kind, value):
                        continue
                    self._builder, self._size, self._depth = self._new_builder(), 0, 0
                self._build(kind, value, values)
        finally:
            self._parsed.clear()
        if self._silent > self._max_size:
            raise TooLargeError(f"a JSON text is longer than {self._max_size} bytes", self._taken)

    def _build(self, kind: str, value: Any, values: list[Any]) -> None:
        self._builder.event(kind, float(value) if isinstance(value, Decimal) else value)
        self._size += len(value) if isinstance(value, str) else 8
        self._depth += (kind in _OPENING) - (kind in _CLOSING)
        if self._size > self._max_size:
            raise TooLargeError(
                f"a JSON value at {self._path!r} is larger than {self._max_size}", self._taken
            )
        if self._depth > _MAX_DEPTH:
            raise TooLargeError(
                f"a JSON value at {self._path!r} is nested more than {_MAX_DEPTH} levels deep", self._taken
            )
        if self._depth == 0:
            built, self._builder = self._builder.value, None
            values.append(built)


class _Place:
    """Where in the document the parser is, for as long as the way leads to the path.

    ijson would tell it, and make a text as long as the nesting is deep for every value on the way.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._open: list[str] = []  # the places of the containers around
        self._here = ""
        self._aside = 0  # containers around that do not lead to the path

    def reached(self, kind: str, value: Any) -> bool:
        """Follow an event; whether a value at the path begins with it."""
        if self._aside:
            self._aside += (kind in _OPENING) - (kind in _CLOSING)
        elif kind == "map_key":
            self._here = self._inside(value)
        elif kind in _CLOSING:
            self._here = self._open.pop()
        elif self._here == self._path:
            return True
        elif kind in _OPENING:
            self._enter(kind)
        return False

    def _enter(self, kind: str) -> None:
        if self._open and not self._path.startswith(self._here + "."):
            self._aside = 1
            return
        self._open.append(self._here)
        if kind == "start_array":
            self._here = self._inside("item")

    def _inside(self, name: str) -> str:
        return name if len(self._open) == 1 else f"{self._open[-1]}.{name}"


def _slices(data: BytesLike) -> Iterator[bytes]:
    for start in range(0, len(data), _SLICE):
        yield bytes(data[start : start + _SLICE])


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
