"""Check the client that a user has passed in."""

from typing import Any, Literal

from streamify_client.errors import ConfigurationError

Kind = Literal["boto3", "aiobotocore"]


def kind_of(client: Any) -> Kind | None:
    """Return which library's client this is; None for doubles and wrappers, which are accepted."""
    modules = {kind.__module__.partition(".")[0] for kind in type(client).__mro__}
    if "aiobotocore" in modules:
        return "aiobotocore"
    return "boto3" if "botocore" in modules else None


def check_client(client: Any, wanted: Kind) -> None:
    """Refuse an unsuitable client.

    Raises:
        ConfigurationError: It belongs to the other library, is not a Lambda client, or is too old to stream.
    """
    kind = kind_of(client)
    if kind not in (wanted, None):
        ours = "AsyncStreamClient" if kind == "aiobotocore" else "StreamClient"
        raise ConfigurationError(f"This is a client of {kind}, not of {wanted}: pass it to {ours}.")
    if hasattr(client, "invoke_with_response_stream"):
        return
    if kind is None:
        raise ConfigurationError(
            f"client must be a Lambda client of {wanted}, not {client!r}; options go by name: region_name=..."
        )
    service = client.meta.service_model.service_name
    if service != "lambda":
        raise ConfigurationError(f"This is a client for the service {service}, not for lambda.")
    raise ConfigurationError("This Lambda client is too old to stream: botocore 1.29.107 or newer is needed.")
