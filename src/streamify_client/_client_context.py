"""The client context: the caller's own, our offer of a verified stream, and the trace context."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from .errors import ConfigurationError

MAX_BYTES = 3583  # of the base64 text: https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
OFFER_KEY, OFFER = "streamify", "verified/1"

ClientContext = Mapping[str, Any] | str | None
"""A mapping, or as boto3 takes it: base64 of a JSON object."""


def encode_client_context(
    context: ClientContext,
    *,
    offer: bool,
    offer_required: bool = False,
    trace: Mapping[str, str] | None = None,
) -> str | None:
    """Return the value of the X-Amz-Client-Context header, or None where there is nothing to say.

    The offer of a verified stream and the trace context are merged into ``custom``; they replace no key of
    the caller's, and are left out where they would not fit.

    Raises:
        ConfigurationError: The caller's context is no JSON object or too long, or a required offer does not
            fit.
    """
    own = _read(context)
    text = _encode(own) if own is not None else None
    if text is not None and len(text) > MAX_BYTES:
        raise ConfigurationError(
            f"client_context is too long: {len(text):,} bytes in base64, and Lambda takes {MAX_BYTES:,}."
        )
    if offer:
        offered = _merge(own, {OFFER_KEY: OFFER})
        if offered is None and offer_required:
            raise ConfigurationError(
                "verified='require' needs room for its offer in client_context.custom: the context is too "
                f"long, or its custom is no JSON object, or has the key {OFFER_KEY!r} already."
            )
        own = offered or own
    own = (_merge(own, trace) if trace else None) or own
    return _encode(own) if own is not None else None


def _read(context: ClientContext) -> dict[str, Any] | None:
    if context is None:
        return None
    if isinstance(context, str):
        try:
            context = json.loads(base64.b64decode(context, validate=True))
        except (binascii.Error, ValueError) as error:
            raise ConfigurationError(
                f"client_context as a string must be base64 of a JSON object: {error}."
            ) from error
    if not isinstance(context, Mapping):
        raise ConfigurationError(
            f"client_context must be a mapping (a JSON object), not {type(context).__name__}."
        )
    return dict(context)


def _merge(context: dict[str, Any] | None, additions: Mapping[str, str]) -> dict[str, Any] | None:
    custom = (context or {}).get("custom", {})
    if not isinstance(custom, Mapping) or any(key in custom for key in additions):
        return None
    merged = {**(context or {}), "custom": {**custom, **additions}}
    return merged if len(_encode(merged)) <= MAX_BYTES else None


def _encode(context: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(context, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"client_context cannot become JSON: {error}.") from error
    return base64.b64encode(text.encode("ascii")).decode("ascii")
