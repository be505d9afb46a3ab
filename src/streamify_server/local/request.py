"""The head of an HTTP request, and which heads are turned away."""

import ipaddress
from dataclasses import dataclass

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Nobody can register a name under these, so no page of a stranger's has one.
_PRIVATE_SUFFIXES = (".internal", ".local", ".localhost")


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request; header names are in lower case, values as they came."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        """The value of a header; several of one name are joined as RFC 9110, section 5.2 says."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None


def is_loopback(host: str) -> bool:
    """Whether a server that listens on this host is reached from this machine only."""
    return host in _LOOPBACK


def refused(request: Request, port: int, scheme: str, *, host: str = "127.0.0.1") -> str | None:
    """Why a request must not be served, if so: a foreign Host (DNS rebinding) or Origin (another's page).

    Args:
        request: The request.
        port: The port of the server.
        scheme: "http" or "https".
        host: What the server listens on. If other machines can reach it, it has more names than it knows of
            (behind a port mapping other ports too), so Host may be any that a stranger cannot own.
    """
    named = request.header("host") or ""
    own = [f"127.0.0.1:{port}", f"localhost:{port}", f"{bracketed(host)}:{port}"]
    if not is_loopback(host) and _is_private(named):
        own.append(named)
    if named not in own:
        others = "" if is_loopback(host) else ", an IP address, a name without a dot or one in .internal"
        return f"Host must be {own[0]} or {own[1]}{others}, not {named}."
    origin = request.header("origin")
    if origin is not None and origin not in [f"{scheme}://{name}" for name in own]:
        return "This server answers no page of another origin."
    return None


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
