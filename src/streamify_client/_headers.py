"""HTTP headers, whose names have no case."""

from collections.abc import Iterable, Iterator, Mapping


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
