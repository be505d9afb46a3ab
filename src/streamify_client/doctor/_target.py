"""Parse the name or URL to examine."""

import re
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from streamify_client.errors import ConfigurationError

from ._facts import Target

_ARN = re.compile(r"arn:[^:]+:lambda:([^:]+):\d{12}:function:[^:]+(?::[^:]+)?")
_FUNCTION_URL = re.compile(r"[a-z0-9]+\.lambda-url\.([a-z0-9-]+)\.on\.aws(?:\.cn)?")
_API = re.compile(r"([a-z0-9]+)\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


def parse_target(text: str, function: str | None) -> Target:
    """Return the target that `text` names.

    Args:
        text: A function's name or ARN, or a URL.
        function: The function behind a URL, if the caller knows it.

    Raises:
        ConfigurationError: It is neither, or a function is given twice.
    """
    if not text.lower().startswith(("http://", "https://")):
        if not text or "/" in text or any(character.isspace() for character in text):
            raise ConfigurationError(f"{text!r} is neither the name or ARN of a function nor a URL.")
        if function not in (None, text):
            raise ConfigurationError(
                f"function={function!r} goes with a URL; {text!r} is a function already."
            )
        arn = _ARN.fullmatch(text)
        return Target(text, "function", function=text, region=arn[1] if arn else None)
    target = _of_url(text)
    arn = _ARN.fullmatch(function or "")
    return replace(target, function=function, region=target.region or (arn[1] if arn else None))


def _of_url(text: str) -> Target:
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").lower()
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is not a URL: {error}.") from error
    if not host:
        raise ConfigurationError(f"{text!r} is not a URL: it has no host.")
    path = unquote(parts.path) or "/"
    if found := _FUNCTION_URL.fullmatch(host):
        return Target(text, "function-url", region=found[1], path=path)
    if found := _API.fullmatch(host):
        stage, _, below = path.lstrip("/").partition("/")
        return Target(
            text, "api-gateway", region=found[2], api_id=found[1], path=f"/{below}" if stage else "/"
        )
    return Target(text, "url", path=path)
