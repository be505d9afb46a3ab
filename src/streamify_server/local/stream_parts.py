"""Which part of a stream an invocation is, as its token says; shown to people, and not checked here."""

import json
import re
from dataclasses import dataclass

from streamify_server.errors import TokenError
from streamify_server.wire.token import peek

STATE = "streamify-state"  # the header, and the name in a client context
_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{1,64}")  # whoever calls may have written the token


@dataclass(frozen=True, slots=True)
class StreamPart:
    """A part of a stream after the first: its number, and the request id of the first part."""

    number: int
    stream: str


def part_of(token: object) -> StreamPart | None:
    """Read a token; None if it is not one."""
    if not isinstance(token, str):
        return None
    try:
        said = peek(token)
    except TokenError:
        return None
    return StreamPart(said.part, said.stream) if _REQUEST_ID.fullmatch(said.stream) else None


def part_of_context(client_context: str | None) -> StreamPart | None:
    """Read the token in a client context, which is JSON; None if it has none."""
    context = json.loads(client_context) if client_context else None
    custom = context.get("custom") if isinstance(context, dict) else None
    return part_of(custom.get(STATE)) if isinstance(custom, dict) else None
