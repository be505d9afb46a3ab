"""The errors of decoders.

    WireError
    ├── CorruptInputError      the bytes break their format
    ├── TruncatedInputError    the input ended too early
    ├── TooLargeError          an item outgrew its limit
    ├── UndecodableTextError   the bytes are not text in this encoding
    └── InvalidJsonError       the text is not JSON

Callers translate these into the public exceptions, which know the function and the request.
"""

import json
import sys


class WireError(ValueError):
    """The input cannot be decoded; `offset` is the position in bytes from its start (None: unknown)."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class CorruptInputError(WireError):
    """The bytes violate their format: a bad checksum, impossible lengths, an invalid field."""


class TruncatedInputError(WireError):
    """The input ended too early."""


class TooLargeError(WireError):
    """A line, an event, a value or a prelude exceeded its limit."""


class UndecodableTextError(WireError):
    """The bytes at `offset` are not text in the expected encoding."""


class InvalidJsonError(WireError):
    """The text at `offset` (in line `line`, counted from 1, where the format has lines) is not JSON."""

    def __init__(self, message: str, offset: int | None = None, line: int | None = None) -> None:
        super().__init__(message, offset)
        self.line = line


def why_not_json(error: ValueError | RecursionError) -> str:
    """Return the reason of an error of `json.loads`."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, json.JSONDecodeError | UnicodeError):
        return str(error)
    return (
        f"it has an integer of more than {sys.get_int_max_str_digits():,} digits, which Python does not read"
    )
