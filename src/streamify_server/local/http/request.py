"""The head of an HTTP request, and which heads are turned away."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Nobody can register a name under these, so no page of a stranger's has one.
_PRIVATE_SUFFIXES = (".internal", ".local", ".localhost")


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request; header names are in lower case, values as they came."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    _joined: dict[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        joined = self._joined
        for name, value in self.headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value

    def header(self, name: str) -> str | None:
        """The value of a header; several of one name are joined as RFC 9110, section 5.2 says."""
        return self._joined.get(name)


def is_loopback(host: str) -> bool:
    """Whether a server that listens on this host is reached from this machine only."""
    return host in _LOOPBACK


def no_origin(origin: str) -> bool:
    """Whether pages of an origin may call: none."""
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
    """Why a request must not be served, if so: a foreign Host (DNS rebinding) or another site's page.

    A page's request shows in its Origin, and in Sec-Fetch-Site where a browser sends no Origin: images,
    scripts, links, `fetch` with `mode: "no-cors"`
    (https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site).

    Args:
        request: The request.
        port: The port of the server.
        scheme: "http" or "https".
        host: What the server listens on. If other machines can reach it, it has more names than it knows of
            (behind a port mapping other ports too), so Host may be any that a stranger cannot own.
        allows: Which other origins' pages may call.
        advice: How to let one in; added to the reason.
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
    """The origin of the page that sent a request; None if it was no page of another site."""
    origin = request.header("origin")
    if origin is not None or request.header("sec-fetch-site") != "cross-site":
        return origin
    try:
        referrer = urlsplit(request.header("referer") or "")
    except ValueError:  # no URL
        return "another site"
    return f"{referrer.scheme}://{referrer.netloc}" if referrer.netloc else "another site"


def bracketed(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def _is_private(named: str) -> bool:
    """Whether a Host header holds an address, or a name that means something on a private network only."""
    name = named.rpartition(":")[0] if named.rpartition(":")[2].isdecimal() else named
    try:
        return bool(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return bool(name) and ("." not in name or name.lower().endswith(_PRIVATE_SUFFIXES))
