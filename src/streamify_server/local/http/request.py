"""HTTP requests, and the check of their Host and Origin."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Nobody can register a domain under these, so no foreign page has one.
_PRIVATE_SUFFIXES = (".internal", ".local", ".localhost")


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request; header names are in lower case, values are unchanged."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    _joined: dict[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        joined = self._joined
        for name, value in self.headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value

    def header(self, name: str) -> str | None:
        """Return the value of a header; repeated headers are joined (RFC 9110, section 5.2)."""
        return self._joined.get(name)


def is_loopback(host: str) -> bool:
    """Whether a server that listens on this host can be reached only from this machine."""
    return host in _LOOPBACK


def no_origin(origin: str) -> bool:
    """Allow no origin; the default for `allows`."""
    return False


def refused(
    request: Request,
    port: int,
    scheme: str,
    *,
    host: str = "127.0.0.1",
    allows: Callable[[str], bool] = no_origin,
    advice: str = "",
) -> str | None:
    """Return why a request must be rejected: a foreign Host (DNS rebinding) or a page of another site.

    A request from a page is recognized by its Origin, or by Sec-Fetch-Site if the browser sends no Origin:
    images, scripts, links, `fetch` with `mode: "no-cors"`
    (https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site).

    Args:
        request: The request.
        port: The port of the server.
        scheme: "http" or "https".
        host: The address that the server listens on. If other machines can reach it, it cannot know all of
            its names, nor its port behind a port mapping. Host may then be anything that cannot be a public
            name, which DNS rebinding needs.
        allows: Which other origins' pages may call.
        advice: How to allow an origin; added to the reason.
    """
    named = request.header("host") or ""
    own = _own_names(host, port)
    if named not in own and (is_loopback(host) or not _is_private(named)):
        others = "" if is_loopback(host) else ", an IP address, a name without a dot or one in .internal"
        return f"Host must be {own[0]} or {own[1]}{others}, not {named}."
    origin = _origin(request)
    if origin is None or origin in [f"{scheme}://{name}" for name in (*own, named)] or allows(origin):
        return None
    return f"This server answers no page of another origin, and not one of {origin}.{advice}"


@lru_cache(maxsize=256)
def _own_names(host: str, port: int) -> tuple[str, ...]:
    return f"127.0.0.1:{port}", f"localhost:{port}", f"{bracketed(host)}:{port}"


def _origin(request: Request) -> str | None:
    """Return the origin of the page that sent a request; None if no page of another site sent it."""
    origin = request.header("origin")
    if origin is not None or request.header("sec-fetch-site") != "cross-site":
        return origin
    try:
        referrer = urlsplit(request.header("referer") or "")
    except ValueError:
        return "another site"
    return f"{referrer.scheme}://{referrer.netloc}" if referrer.netloc else "another site"


def bracketed(host: str) -> str:
    """Return a host as written in a URL: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def _is_private(named: str) -> bool:
    """Whether a Host header is an IP address, or a name that only a private network can resolve."""
    name = named.rpartition(":")[0] if named.rpartition(":")[2].isdecimal() else named
    try:
        return bool(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return bool(name) and ("." not in name or name.lower().endswith(_PRIVATE_SUFFIXES))
