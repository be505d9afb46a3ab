"""The configuration of Function URLs and REST APIs."""

from dataclasses import dataclass, field
from typing import Literal

from streamify_server.local.functions import DUMMY_CREDENTIALS

from .cors import Cors

# The permissions for a Function URL (https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html).
URL_PERMISSIONS = ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The configuration of one HTTP endpoint of a function.

    `api` is "url" for a Function URL (events in format 2.0) or "rest" for a REST API (format 1.0).
    `streaming` is the invoke mode RESPONSE_STREAM of the former or the transfer mode STREAM of the latter.
    `hangs_when_empty`: keep the connection open after a prelude without any body bytes. `granted` is what the
    function's resource policy allows to everyone who calls an unsigned URL.
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
        """Whether pages of this origin may call; CORS is then handled by the URL or by the application."""
        passed = "*" in self.pass_origins or origin in self.pass_origins
        return passed or (self.cors is not None and self.cors.allows(origin))

    @property
    def lacking(self) -> tuple[str, ...]:
        """The missing permissions, because of which an unsigned URL answers 403."""
        if self.signed or self.api != "url":
            return ()
        return tuple(each for each in URL_PERMISSIONS if each not in self.granted)

    @property
    def prelude_limit(self) -> int:
        # API Gateway requires the metadata in the first 16 KB.
        return 16 * 1024 if self.api == "rest" else 1024 * 1024


@dataclass(frozen=True, slots=True)
class OpenFront:
    """An HTTP endpoint that is open, and since when; `id` is its id in ARNs and events."""

    front: Front
    id: str
    url: str
    opened: str
