"""What can be set for a client and again for each call."""

import codecs
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, Literal, TypedDict, get_args

from streamify_client.errors import ConfigurationError

from .client_context import ClientContext

Verified = Literal["auto", "require", "off"]
Auth = Literal["auto", "iam", "none"]


class CallOptions(TypedDict, total=False):
    """The options of a client that each call can set anew. Times are in seconds, and None means no limit.

    Attributes:
        connect_timeout: For the connection to come about.
        first_byte_timeout: From the request until the function begins to answer: a cold start, and the time
            to its first bytes.
        idle_timeout: Between two arrivals of bytes, after that.
        timeout: Short for `first_byte_timeout` and `idle_timeout`, where these are not given themselves.
        total_timeout: For everything, from the first attempt to the last byte.
        retries: How many more invocations there may be after the function may have run, while nothing was
            yielded.
        resumes: How many more invocations there may be after a stream was cut behind a checkpoint: the
            function goes on there, and its side effects happen at least once.
        continues: How many parts one stream may have, each an invocation that hands over to the next.
        verified: Whether to ask for a verified stream (``auto``), insist on one (``require``), or neither
            (``off``).
    """

    connect_timeout: float | None
    first_byte_timeout: float | None
    idle_timeout: float | None
    timeout: float | None
    total_timeout: float | None
    retries: int
    resumes: int
    continues: int
    verified: Verified


class HttpOptions(TypedDict, total=False):
    """What a call of a URL takes by name, and a call of a function by name does not.

    Attributes:
        method: The HTTP method; by default POST with a payload, else GET.
        headers: Request headers to add, a mapping or pairs.
        query: What to add to the URL's query: a mapping (a list is a repeated name) or pairs.
        auth: ``"auto"`` signs the request for AWS_IAM if the host is a Lambda Function URL and there are
            credentials; ``"iam"`` signs it for any host; ``"none"`` never does.
    """

    method: str | None
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None
    query: Mapping[str, Any] | Iterable[tuple[str, Any]] | None
    auth: Auth | None


class StreamOptions(CallOptions, HttpOptions, total=False):
    """What `StreamClient.stream` takes by name."""

    qualifier: str | None
    client_context: ClientContext
    tenant_id: str | None
    log_tail: bool
    encoding: str
    errors: str
    raise_for_status: bool


LONGEST_RUN = 1800.0
"""Seconds: how long Lambda lets a function run at most, as botocore's model of the service says."""


@dataclass(frozen=True, slots=True)
class Options:
    """A complete and checked set of CallOptions."""

    connect_timeout: float | None = 10.0
    first_byte_timeout: float | None = LONGEST_RUN
    idle_timeout: float | None = None
    total_timeout: float | None = None
    retries: int = 0
    resumes: int = 0
    continues: int = 100
    verified: Verified = "auto"

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "first_byte_timeout", "idle_timeout", "total_timeout"):
            _check_seconds(name, getattr(self, name))
        for name, least in (("retries", 0), ("resumes", 0), ("continues", 1)):
            _check_count(name, getattr(self, name), least)
        if self.verified not in get_args(Verified):
            raise ConfigurationError(f"verified must be 'auto', 'require' or 'off', not {self.verified!r}.")

    def but(self, changes: CallOptions) -> "Options":
        """Return these options with some of them changed; an unknown one is an error."""
        if not changes:
            return self
        for name in changes:
            if name not in CallOptions.__annotations__:
                raise unknown_option(
                    name, CallOptions.__annotations__, also=[*StreamOptions.__annotations__, "payload"]
                )
        given: dict[str, Any] = {**changes}
        if "timeout" in given:
            timeout = given.pop("timeout")
            _check_seconds("timeout", timeout)
            given = {"first_byte_timeout": timeout, "idle_timeout": timeout, **given}
        return replace(self, **given)

    @property
    def changed(self) -> dict[str, Any]:
        """Return what differs from the defaults."""
        found = {field.name: (field.default, getattr(self, field.name)) for field in fields(self)}
        return {name: value for name, (default, value) in found.items() if value != default}


def unknown_option(name: str, known: Iterable[str], also: Iterable[str] = ()) -> ConfigurationError:
    """Return the error for an option that does not exist, which names the one that was probably meant."""
    from difflib import get_close_matches

    meant = get_close_matches(name, [*known, *also], 1)
    guess = f"did you mean {meant[0]!r}? There are" if meant else "there are"
    return ConfigurationError(f"There is no option {name!r}; {guess} {', '.join(sorted(known))}.")


def _check_count(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name} must be a whole number, {least} or more, not {value!r}.")


def _check_seconds(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not (0 < value < math.inf):
        raise ConfigurationError(
            f"{name} must be a number of seconds above 0, or None for no limit, not {value!r}."
        )


@lru_cache(maxsize=32)
def check_encoding(encoding: str, errors: str) -> None:
    """Refuse, before anything is sent, an encoding that cannot be decoded from."""
    try:
        " ".encode(encoding)  # refuses codecs that are not for text, such as base64
        codecs.lookup_error(errors)
    except (LookupError, TypeError) as error:
        raise ConfigurationError(f"Text cannot be decoded with this encoding: {error}.") from error
