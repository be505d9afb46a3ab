"""How functions are reached over plain HTTP."""

from dataclasses import dataclass, field
from typing import Literal

from streamify_server.local.functions import DUMMY_CREDENTIALS

from .cors import Cors

# What a Function URL needs (https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html).
URL_PERMISSIONS = ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """How a function is reached over HTTP.

    `api` is "url" for a Function URL (events of format 2.0) or "rest" for a REST API (format 1.0).
    `streaming` is the invoke mode RESPONSE_STREAM of the one, the transfer mode STREAM of the other.
    `hangs_when_empty` says what becomes of a prelude without a body byte. `granted` is what the function's
    resource policy allows everybody who calls an unsigned URL.
    """

    function: str
    api: Literal["url", "rest"]
    streaming: bool
    signed: bool = False
    cors: Cors | None = None
    pass_origins: tuple[str, ...] = ()
    hangs_when_empty: bool = True
    granted: tuple[str, ...] = URL_PERMISSIONS
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
    def lacking(self) -> tuple[str, ...]:
        """The permissions without which an unsigned URL answers 403."""
        if self.signed or self.api != "url":
            return ()
        return tuple(each for each in URL_PERMISSIONS if each not in self.granted)

    @property
    def prelude_limit(self) -> int:
        # API Gateway wants the metadata in the first 16 KB.
        return 16 * 1024 if self.api == "rest" else 1024 * 1024


@dataclass(frozen=True, slots=True)
class OpenFront:
    """A front that callers can reach, and since when; `id` is what AWS would call it."""

    front: Front
    id: str
    url: str
    opened: str
