"""Content negotiation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from streamify_server.errors import HttpError
from streamify_server.events import header_of

from . import _negotiate
from ._options import check_options

if TYPE_CHECKING:
    from streamify_server.middleware import Request

_CODINGS = ("br", "deflate", "gzip", "zstd", "identity")
_Best = Callable[["str | None", "Sequence[str] | None"], "list[str]"]


class http_content_negotiation:
    """Reads Accept, Accept-Charset, Accept-Encoding and Accept-Language (RFC 9110, 12.5), best first.

    The results are stored in `request.internal` for other middlewares and, if the context accepts attributes,
    on the context for the handler: `preferred_charsets`, `preferred_encodings`, `preferred_languages`,
    `preferred_media_types` (lists), and `preferred_charset` and so on (the best of each, or None).

    There are four options; the first three exist for charset, encoding, language and media type.

    Args:
        parse_charsets: Whether to read the header; likewise for the others.
        available_charsets: What can be served; None accepts what the caller asks for.
        default_to_first_charset: Use the first available one if none is accepted.
        fail_on_mismatch: Respond with 406 if nothing that is available is accepted.

    Raises:
        TypeError: An option has the wrong type.
        ValueError: An available encoding is not a content coding that this package supports.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import http_content_negotiation
        >>> from streamify_server.testing import invoke
        >>> negotiation = http_content_negotiation(available_languages=["en", "fr"])
        >>> @streaming_handler(middlewares=[negotiation])
        ... def handler(event, context):
        ...     yield {"en": "hello", "fr": "bonjour"}[context.preferred_language]
        >>> invoke(handler, {"headers": {"accept-language": "fr-CH, en;q=0.8"}}).chunks
        [b'bonjour']
    """

    def __init__(
        self,
        *,
        parse_charsets: bool = True,
        available_charsets: Sequence[str] | None = None,
        default_to_first_charset: bool = False,
        parse_encodings: bool = True,
        available_encodings: Sequence[str] | None = None,
        default_to_first_encoding: bool = False,
        parse_languages: bool = True,
        available_languages: Sequence[str] | None = None,
        default_to_first_language: bool = False,
        parse_media_types: bool = True,
        available_media_types: Sequence[str] | None = None,
        default_to_first_media_type: bool = False,
        fail_on_mismatch: bool = True,
    ) -> None:
        self._options: dict[str, Any] = locals()
        check_options(self._options)
        if unknown := set(available_encodings or ()) - set(_CODINGS):
            raise ValueError(f"available_encodings takes {', '.join(_CODINGS)}, not {unknown.pop()!r}.")

    def before(self, request: Request) -> None:
        """Negotiate, or respond with 406."""
        event = request.event
        if not isinstance(event, Mapping) or not (event.get("headers") or event.get("multiValueHeaders")):
            return
        for name, field, best in _ASPECTS:
            if self._options[f"parse_{name}s"]:
                header, available = header_of(event, field), self._options[f"available_{name}s"]
                found = best(header, available)
                chosen = found[0] if found else self._instead(name, available)
                if chosen is None and available and self._options["fail_on_mismatch"]:
                    message = f"No acceptable {name.replace('_', ' ')}; there is {', '.join(available)}"
                    raise HttpError(406, message) from ValueError(f"{field}: {header}")
                _tell(request, f"preferred_{name}s", found)
                _tell(request, f"preferred_{name}", chosen)

    def _instead(self, name: str, available: Sequence[str] | None) -> str | None:
        return next(iter(available or ()), None) if self._options[f"default_to_first_{name}"] else None


_ASPECTS: tuple[tuple[str, str, _Best], ...] = (
    ("charset", "accept-charset", _negotiate.charsets),
    ("encoding", "accept-encoding", _negotiate.encodings),
    ("language", "accept-language", _negotiate.languages),
    ("media_type", "accept", _negotiate.media_types),
)


def _tell(request: Request, name: str, value: object) -> None:
    request.internal[name] = value
    try:
        setattr(request.context, name, value)
    except AttributeError:
        pass  # no context, or one that allows no attributes
