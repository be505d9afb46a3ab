"""Reads from a token which part of a continued stream an invocation is; only for display, not verified."""

import json
import re
from dataclasses import dataclass

from streamify_server.errors import TokenError
from streamify_server.wire.token import peek

STATE = "streamify-state"  # the name of the header, and of the field in a client context
_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{1,64}")  # the token is unverified input


@dataclass(frozen=True, slots=True)
class StreamPart:
    """A later part of a continued stream: its number, and the request id of the first part."""

    number: int
    stream: str


def part_of(token: object) -> StreamPart | None:
    """Read a token; return None if it is invalid."""
    if not isinstance(token, str):
        return None
    try:
        said = peek(token)
    except TokenError:
        return None
    return StreamPart(said.part, said.stream) if _REQUEST_ID.fullmatch(said.stream) else None


def part_of_context(client_context: str | None) -> StreamPart | None:
    """Read the token in a client context (JSON); return None if there is none."""
    context = json.loads(client_context) if client_context else None
    custom = context.get("custom") if isinstance(context, dict) else None
    return part_of(custom.get(STATE)) if isinstance(custom, dict) else None
