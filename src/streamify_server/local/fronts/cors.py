"""CORS for Function URLs."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from streamify_server.local.arguments import check_list, check_texts, check_whole
from streamify_server.local.http.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """The CORS configuration of a Function URL; `max_age` is in seconds.

    https://docs.aws.amazon.com/lambda/latest/api/API_Cors.html

    Raises:
        ValueError: A field is invalid.
    """

    allow_origins: Sequence[str] = ()
    allow_methods: Sequence[str] = ()
    allow_headers: Sequence[str] = ()
    expose_headers: Sequence[str] = ()
    allow_credentials: bool = False
    max_age: int | None = None

    def __post_init__(self) -> None:
        for name in ("allow_origins", "allow_methods", "allow_headers", "expose_headers"):
            check_list(name, getattr(self, name))
            check_texts(f"What is in {name}", getattr(self, name))
        check_whole("max_age", self.max_age)

    def allows(self, origin: str) -> bool:
        return "*" in self.allow_origins or origin in self.allow_origins


def checked_origins(origins: Sequence[str]) -> tuple[str, ...]:
    """Check that origins have the form in which browsers send them.

    Raises:
        ValueError: One does not.
    """
    check_list("pass_origins", origins)
    check_texts("An origin", origins)
    for origin in origins:
        parts = urlsplit(origin)
        if origin not in ("*", "null") and origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f'An origin is "https://host" or "https://host:port", or "*", not {origin!r}.')
    return tuple(origins)


def is_preflight(request: Request) -> bool:
    """Whether the request is a CORS preflight."""
    return (
        request.method == "OPTIONS"
        and request.header("origin") is not None
        and request.header("access-control-request-method") is not None
    )


def cors_headers(cors: Cors, request: Request) -> list[tuple[str, str]]:
    """Return the CORS headers of a response; none if the origin is not allowed."""
    origin = request.header("origin")
    if origin is None or not cors.allows(origin):
        return []
    anyone = "*" in cors.allow_origins and not cors.allow_credentials
    headers = [("access-control-allow-origin", "*" if anyone else origin), ("vary", "Origin")]
    if cors.allow_credentials:
        headers.append(("access-control-allow-credentials", "true"))
    if cors.expose_headers:
        headers.append(("access-control-expose-headers", ",".join(cors.expose_headers)))
    if is_preflight(request):
        headers += _preflight(cors, request)
    return headers


def _preflight(cors: Cors, request: Request) -> list[tuple[str, str]]:
    headers = []
    if cors.allow_methods:
        headers.append(("access-control-allow-methods", ",".join(cors.allow_methods)))
    if cors.allow_headers:
        headers.append(("access-control-allow-headers", ",".join(cors.allow_headers)))
    if cors.max_age is not None:
        headers.append(("access-control-max-age", str(cors.max_age)))
    return headers
