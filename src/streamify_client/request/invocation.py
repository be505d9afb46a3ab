"""One invocation, and how the arguments of ``stream()`` become it; the same for sync and async."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from streamify_client.errors import ConfigurationError

from . import client_context as _client_context
from .client_context import ClientContext, encode_client_context
from .offer import STATE_HEADER, offered
from .options import CallOptions, HttpOptions, Options
from .payload import Payload, encode_payload
from .url import HttpRequest, build_request, is_url, without_query


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call, as a transport needs to know it.

    Attributes:
        function: A name, an ARN, or a URL, without its query.
        payload: The request's body; None: none.
        request: The HTTP request that a call of a URL is; None for a function by its name.
        client_context: The value for X-Amz-Client-Context.
    """

    function: str
    payload: bytes | None = field(repr=False)
    options: Options
    qualifier: str | None = None
    client_context: str | None = field(default=None, repr=False)
    tenant_id: str | None = None
    log_tail: bool = False
    request: HttpRequest | None = None


def build_invocation(
    function: str,
    payload: Payload,
    *,
    qualifier: str | None,
    client_context: ClientContext,
    tenant_id: str | None,
    log_tail: bool,
    http: HttpOptions,
    defaults: Options,
    changes: CallOptions,
) -> Invocation:
    """Check everything that a caller gave, and encode it.

    Raises:
        ConfigurationError: Something is wrong; the message names it.
    """
    if not isinstance(function, str) or not function:
        raise ConfigurationError(f"function must be a name, an ARN or a URL, not {function!r}.")
    options = defaults.but(changes)
    if is_url(function):
        given = {"qualifier": qualifier, "client_context": client_context, "tenant_id": tenant_id}
        _refuse({**given, "log_tail": log_tail or None}, "for functions called by name, not for URLs")
        request = build_request(function, payload, options, http)
        return Invocation(without_query(function), request.body, options, request=request)
    _refuse(http, f"for URLs, and {function!r} is not one")
    context = encode_client_context(
        client_context,
        offer=offered(options.verified, options.continues),
        offer_required=options.verified == "require",
    )
    return Invocation(
        function=function,
        payload=encode_payload(payload),
        options=options,
        qualifier=qualifier,
        client_context=context,
        tenant_id=tenant_id,
        log_tail=log_tail,
    )


def with_token(invocation: Invocation, token: str) -> Invocation:
    """Return the invocation of a later part: the same, with the token that it goes on from."""
    if (request := invocation.request) is None:
        context = _client_context.with_token(invocation.client_context, token)
        return replace(invocation, client_context=context)
    headers = (*request.headers, (STATE_HEADER, token))
    return replace(invocation, request=replace(request, headers=headers))


def with_trace(invocation: Invocation, trace: Mapping[str, str]) -> Invocation:
    """Return the invocation with the trace context of its caller, where that has room and none is there."""
    if (request := invocation.request) is None:
        context = _client_context.with_trace(invocation.client_context, trace)
        return replace(invocation, client_context=context)
    added = [(name, value) for name, value in trace.items() if request.header(name) is None]
    return replace(invocation, request=replace(request, headers=(*request.headers, *added)))


def _refuse(given: Mapping[str, Any], why: str) -> None:
    if names := [name for name, value in given.items() if value is not None]:
        raise ConfigurationError(
            f"{' and '.join(f'{name}=' for name in names)} {'is' if len(names) == 1 else 'are'} {why}."
        )
