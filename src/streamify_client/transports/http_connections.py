"""Proxies and TLS for connections to URLs; shared by sync and async."""

import base64
import os
import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from streamify_client.errors import ConfigurationError
from streamify_client.request.url import HttpRequest

_KNOWN_ORIGINS = 256


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy.

    Attributes:
        url: Without user name and password.
        authorization: The value of its Proxy-Authorization header, if required.
    """

    url: str
    authorization: str | None = field(default=None, repr=False)

    def headers(self) -> dict[str, str]:
        """The headers for the proxy itself."""
        return {} if self.authorization is None else {"proxy-authorization": self.authorization}


class Proxies:
    """The proxies that the environment names.

    Looking through the environment takes longer than a small request, so that a client does it once for each
    host; botocore does it once for each client.
    """

    def __init__(self) -> None:
        self._found: dict[str, Proxy | None] = {}  # by origin

    def find(self, request: HttpRequest) -> Proxy | None:
        """Return the proxy for a request.

        Raises:
            ConfigurationError: It is not an HTTP proxy.
        """
        origin = request.origin
        if origin not in self._found:
            if len(self._found) >= _KNOWN_ORIGINS:
                self._found.clear()
            self._found[origin] = _find(request)
        return self._found[origin]


def _find(request: HttpRequest) -> Proxy | None:
    if proxy_bypass(request.host):
        return None
    proxies = getproxies()
    url = proxies.get(request.scheme) or proxies.get("all")
    return _proxy(url) if url else None


def _proxy(url: str) -> Proxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"The environment names a proxy whose URL is wrong: {error}.") from error
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise ConfigurationError(
            f"The environment names a proxy of the kind {parts.scheme!r}: only http and https proxies work."
        )
    address = f"{parts.scheme.lower()}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
    if not parts.username:
        return Proxy(address)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(address, "Basic " + base64.b64encode(pair.encode()).decode("ascii"))


def tls_context(verify: bool | str | os.PathLike[str] | None) -> ssl.SSLContext:
    """Create a TLS context from boto3's ``verify``: a CA bundle, False for no check, else the system's CAs.

    Raises:
        ConfigurationError: The CA bundle cannot be read.
    """
    verify = os.environ.get("AWS_CA_BUNDLE") or True if verify is None else verify
    if isinstance(verify, str | os.PathLike):
        try:
            return ssl.create_default_context(cafile=verify)
        except OSError as error:  # ssl.SSLError too
            raise ConfigurationError(
                f"The CA bundle {str(verify)!r} cannot be read ({error}): verify=, or AWS_CA_BUNDLE, must "
                "name a file of certificates in PEM format."
            ) from error
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif _has_no_system_trust():
        from botocore.httpsession import get_cert_path

        context.load_verify_locations(get_cert_path(True))
    return context


def _has_no_system_trust() -> bool:
    """Return whether Python finds no system certificates, as with macOS installers and small images."""
    paths = ssl.get_default_verify_paths()
    return os.name != "nt" and not (paths.cafile or paths.capath)
