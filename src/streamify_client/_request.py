"""From the arguments of ``stream()`` to an invocation; the same for sync and async."""

from ._client_context import ClientContext, encode_client_context
from ._options import CallOptions, Options
from ._payload import Payload, encode_payload
from ._trace import trace_headers
from .errors import ConfigurationError
from .transport import Invocation


def build_invocation(
    function: str,
    payload: Payload,
    *,
    qualifier: str | None,
    client_context: ClientContext,
    tenant_id: str | None,
    log_tail: bool,
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
    trace = trace_headers()
    context = encode_client_context(
        client_context,
        offer=options.verified != "off",
        offer_required=options.verified == "require",
        trace=trace,
    )
    return Invocation(
        function=function,
        payload=encode_payload(payload),
        options=options,
        qualifier=qualifier,
        client_context=context,
        tenant_id=tenant_id,
        log_tail=log_tail,
        trace=trace,
    )
