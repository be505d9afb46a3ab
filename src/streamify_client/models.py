"""Values that a stream tells its reader: headers, parts, the result."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


class Headers(Mapping[str, str]):
    """A read-only mapping from names in lower case; look-ups do not mind the case.

    A name's several values are joined by commas, or had one by one from `get_all`.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def get_all(self, name: str) -> list[str]:
        """Return every value of a header, in order."""
        return list(self._values.get(name.lower(), []))

    def pairs(self) -> list[tuple[str, str]]:
        """Return every header with every value."""
        return [(name, value) for name, values in self._values.items() for value in values]

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often the function was called: the count, and why each attempt before the last failed."""

    count: int
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One invocation of a stream.

    Attributes:
        request_id: AWS's id of the request.
        executed_version: The version of the function that ran.
        bytes_received: Bytes of the body that it brought.
        duration: Seconds from its request to its end.
    """

    request_id: str | None
    executed_version: str | None
    bytes_received: int
    duration: float


@dataclass(frozen=True, slots=True)
class StreamResult:
    """What is known once a stream is over.

    Attributes:
        bytes_received: Bytes of the body.
        chunks: How many pieces they came in.
        time_to_first_byte: Seconds from the opening to the body's first byte; None if none came.
        duration: Seconds from the opening to the end.
        verified: Whether the function's side confirmed that the stream is whole.
        attempts: How many invocations were tried before the first byte, and why.
        parts: The invocations that brought the body, in order: one, unless the function handed over or was
            cut off and resumed.
        log_tail: The end of the function's log, if ``log_tail=True`` asked for it.
        request_id: AWS's id of the request.
    """

    bytes_received: int
    chunks: int
    time_to_first_byte: float | None
    duration: float
    verified: bool
    attempts: Attempts
    parts: tuple[Part, ...]
    log_tail: str | None
    request_id: str | None
