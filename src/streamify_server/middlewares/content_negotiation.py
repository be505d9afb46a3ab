"""What the caller accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from streamify_server._events import header_of
from streamify_server.errors import HttpError

from . import _negotiate

if TYPE_CHECKING:
    from streamify_server.onion import Request

_Best = Callable[["str | None", "Sequence[str] | None"], "list[str]"]


class http_content_negotiation:
    """Reads Accept, Accept-Charset, Accept-Encoding and Accept-Language (RFC 9110, 12.5), best first.

    The results stand in `request.internal` for other middlewares and, where the context takes attributes, on
    the context for the handler: `preferred_charsets`, `preferred_encodings`, `preferred_languages`,
    `preferred_media_types` (lists), and `preferred_charset` and so on (the best of each, or None).

    Args:
        parse_charsets: Read Accept-Charset.
        available_charsets: What can be served; None takes what the caller says.
        default_to_first_charset: Take the first of those if none is accepted.
        parse_encodings: Read Accept-Encoding.
        available_encodings: As for charsets.
        default_to_first_encoding: As for charsets.
        parse_languages: Read Accept-Language.
        available_languages: As for charsets.
        default_to_first_language: As for charsets.
        parse_media_types: Read Accept.
        available_media_types: As for charsets.
        default_to_first_media_type: As for charsets.
        fail_on_mismatch: Answer 406 if nothing that is available is accepted.

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
        aspects = [
            _Aspect(
                "charset", "accept-charset", _negotiate.charsets, available_charsets, default_to_first_charset
            ),
            _Aspect(
                "encoding",
                "accept-encoding",
                _negotiate.encodings,
                available_encodings,
                default_to_first_encoding,
            ),
            _Aspect(
                "language",
                "accept-language",
                _negotiate.languages,
                available_languages,
                default_to_first_language,
            ),
            _Aspect(
                "media_type",
                "accept",
                _negotiate.media_types,
                available_media_types,
                default_to_first_media_type,
            ),
        ]
        wanted = (parse_charsets, parse_encodings, parse_languages, parse_media_types)
        self._aspects = [aspect for aspect, parse in zip(aspects, wanted, strict=True) if parse]
        self._fail_on_mismatch = fail_on_mismatch

    def before(self, request: Request) -> None:
        """Negotiate, or refuse with 406."""
        event = request.event
        if not isinstance(event, Mapping) or not (event.get("headers") or event.get("multiValueHeaders")):
            return
        for aspect in self._aspects:
            found = aspect.best(header_of(event, aspect.field), aspect.available)
            chosen = found[0] if found else None
            if chosen is None and aspect.available:
                chosen = self._instead(aspect)
            _tell(request, f"preferred_{aspect.name}s", found)
            _tell(request, f"preferred_{aspect.name}", chosen)

    def _instead(self, aspect: _Aspect) -> str | None:
        assert aspect.available
        if aspect.default_to_first:
            return aspect.available[0]
        if self._fail_on_mismatch:
            kind = aspect.name.replace("_", " ")
            raise HttpError(406, f"No acceptable {kind}; there is {', '.join(aspect.available)}")
        return None


class _Aspect:
    """One dimension of negotiation."""

    __slots__ = ("available", "best", "default_to_first", "field", "name")

    def __init__(
        self, name: str, field: str, best: _Best, available: Sequence[str] | None, default_to_first: bool
    ) -> None:
        if isinstance(available, str):
            raise TypeError(f"available_{name}s is a list, not the string {available!r}.")
        self.name = name
        self.field = field
        self.best = best
        self.available = available
        self.default_to_first = default_to_first


def _tell(request: Request, name: str, value: object) -> None:
    request.internal[name] = value
    try:
        setattr(request.context, name, value)
    except AttributeError:
        pass  # no context, or one that is frozen
