"""How functions are reached over plain HTTP."""

from dataclasses import dataclass, field
from typing import Literal

from .cors import Cors
from .functions import DUMMY_CREDENTIALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """How a function is reached over HTTP.

    `api` is "url" for a Function URL (events of format 2.0) or "rest" for a REST API (format 1.0).
    `streaming` is the invoke mode RESPONSE_STREAM of the one, the transfer mode STREAM of the other.
    `hangs_when_empty` says what becomes of a prelude without a body byte.
    """

    function: str
    api: Literal["url", "rest"]
    streaming: bool
    signed: bool = False
    cors: Cors | None = None
    pass_origins: tuple[str, ...] = ()
    hangs_when_empty: bool = True
    secrets: dict[str, str] = field(
        default_factory=lambda: {
            DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"]: DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        },
        repr=False,
    )

    def allows(self, origin: str) -> bool:
        """Whether pages of another origin may call: the URL answers them, or the application does."""
        passed = "*" in self.pass_origins or origin in self.pass_origins
        return passed or (self.cors is not None and self.cors.allows(origin))

    @property
    def prelude_limit(self) -> int:
        # API Gateway wants the metadata in the first 16 KB.
        return 16 * 1024 if self.api == "rest" else 1024 * 1024
