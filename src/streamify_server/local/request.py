"""The head of an HTTP request, and which heads are turned away."""

from dataclasses import dataclass


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


def refused(request: Request, port: int, scheme: str) -> str | None:
    """Why a request must not be served, if so: a foreign Host (DNS rebinding) or Origin (another's page)."""
    own = (f"127.0.0.1:{port}", f"localhost:{port}")
    if request.header("host") not in own:
        return f"Host must be {own[0]} or {own[1]}."
    origin = request.header("origin")
    if origin is not None and origin not in [f"{scheme}://{host}" for host in own]:
        return "This server answers no page of another origin."
    return None
