"""Values that a stream reports: headers, parts, the result."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


class Headers(Mapping[str, str]):
    """A read-only mapping of headers; names are in lower case, and look-ups ignore case.

    Several values of one name are joined by commas; `get_all` returns them one by one.
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
        """Return every pair of a name and a value."""
        return [(name, value) for name, values in self._values.items() for value in values]

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often the function was called, and why each attempt before the last failed."""

    count: int
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One invocation of a stream.

    Attributes:
        request_id: AWS's id of the request.
        executed_version: The version of the function that ran.
        bytes_received: How many bytes of the body it sent.
        duration: Seconds from its request to its end.
    """

    request_id: str | None
    executed_version: str | None
    bytes_received: int
    duration: float


@dataclass(frozen=True, slots=True)
class StreamResult:
    """Figures about a stream, known when it is over.

    Attributes:
        bytes_received: The size of the body in bytes.
        chunks: In how many pieces the body arrived.
        time_to_first_byte: Seconds from opening to the body's first byte; None if none came.
        duration: Seconds from opening to the end.
        verified: Whether the server side confirmed that the stream is complete.
        attempts: How many invocations were tried before the first byte, and why.
        parts: The invocations that sent the body, in order. There is one, unless the function handed over to
            another invocation, or was cut off and resumed.
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
