"""Compression of responses that still stream."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from streamify_server.events import header_of, method_of
from streamify_server.response import HttpResponse

from . import _codecs, _negotiate
from ._headers import add_to_list, list_of
from ._options import check_options

if TYPE_CHECKING:
    from streamify_server.middleware import Request

Setting = bool | Mapping[str, Any]

# Already compressed; another coding would cost time and save nothing.
_COMPRESSED = re.compile(
    r"(image/(?!svg\+xml|bmp)|audio/|video/|font/woff|application/(zip|gzip|zstd|x-7z|x-bzip|x-xz|vnd\.rar|"
    r"vnd\.apache\.parquet|vnd\.openxmlformats))",
    re.IGNORECASE,
)
_WHOLE = (str, bytes, bytearray, memoryview)


class http_content_encoding:
    """Compresses the body of an HTTP response with the caller's preferred coding.

    A stream stays a stream: every chunk is flushed, so that server-sent events are not delayed. Complete text
    and bytes are compressed as a whole, and left unchanged if that does not make them smaller. Not compressed
    are bare streams, responses with status 204, 206 or 304, responses to HEAD, responses with a
    Content-Encoding or `Cache-Control: no-transform`, and media types that are already compressed.

    Register it first: `after` hooks run in reverse order, so it then gets the response last.

    Args:
        br: Brotli: True, False, or its settings `quality`, `lgwin` and `lgblock`.
        gzip: True, False, or its setting `level`.
        deflate: True, False, or its setting `level`.
        zstd: Zstandard: True, False, or its setting `level`.
        override_preferred_encoding: Codings to try first, in this order, regardless of the caller's order
            among those that it accepts.

    `br` and `zstd` need the extra `compress`; without it they are used only if asked for.

    Raises:
        TypeError: A setting is unknown.
        ValueError: A setting is out of range, or a coding is unknown.
        ModuleNotFoundError: The library of a requested coding is not installed.

    Example:
        >>> import gzip
        >>> from streamify_server import HttpResponse, streaming_handler
        >>> from streamify_server.middlewares import http_content_encoding
        >>> from streamify_server.testing import invoke
        >>> @streaming_handler(middlewares=[http_content_encoding()])
        ... def handler(event, context):
        ...     return HttpResponse(200, {"content-type": "text/csv"}, body=iter(["a,b\\n", "1,2\\n"]))
        >>> answer = invoke(handler, {"headers": {"accept-encoding": "gzip"}})
        >>> answer.headers["content-encoding"], gzip.decompress(b"".join(answer.chunks))
        ('gzip', b'a,b\\n1,2\\n')
    """

    def __init__(
        self,
        *,
        br: Setting | None = None,
        gzip: Setting | None = None,
        deflate: Setting | None = None,
        zstd: Setting | None = None,
        override_preferred_encoding: Sequence[str] = (),
    ) -> None:
        settings = {"zstd": zstd, "br": br, "gzip": gzip, "deflate": deflate}
        check_options(locals())
        for coding, setting in settings.items():
            if not (setting is None or isinstance(setting, bool | Mapping)):
                raise TypeError(f"{coding} takes True, False or a dict of settings, not {setting!r}.")
        for coding in override_preferred_encoding:
            if coding not in settings:
                raise ValueError(
                    f"http_content_encoding has no coding {coding!r}; it has {', '.join(settings)}."
                )
            if settings[coding] is None:
                settings[coding] = True
        self._settings = {c: s for c, given in settings.items() if (s := _usable(c, given)) is not None}
        self._first = list(override_preferred_encoding)

    def after(self, request: Request) -> None:
        """Compress the body if possible, and set Content-Encoding."""
        response = request.response
        if not isinstance(response, HttpResponse) or not self._concerns(request, response):
            return
        add_to_list(response.headers, "Vary", "Accept-Encoding")
        coding = self._chosen(request)
        if coding is None:
            return
        # Transforms of other middlewares come first; with them a whole body is compressed chunk by chunk too.
        if isinstance(response.body, _WHOLE) and not request.transforms:
            self._compress_whole(response, coding)
        else:
            request.transform_body(_codecs.compressor(coding, self._settings[coding]))
            _declare(response, coding)

    on_error = after

    def _concerns(self, request: Request, response: HttpResponse) -> bool:
        headers = response.headers
        if "no-transform" in (header_of(request.event, "cache-control") or "").lower():
            add_to_list(headers, "Cache-Control", "no-transform")
        return not (
            response.body is None
            or response.status in (204, 206, 304)
            or response.status < 200
            or method_of(request.event) == "HEAD"
            or "content-encoding" in headers
            or "no-transform" in list_of(headers, "cache-control")
            or _COMPRESSED.match(headers.get("content-type", ""))
        )

    def _chosen(self, request: Request) -> str | None:
        accepted: list[str] | None = request.internal.get("preferred_encodings")
        if accepted is None:
            header = header_of(request.event, "accept-encoding") or ""
            if len(header) > _negotiate.HEADER_LIMIT:
                return None
            accepted = _negotiate.encodings(header, [*self._settings, "identity"])
        for coding in (*(first for first in self._first if first in accepted), *accepted):
            if coding in self._settings:
                return coding
            if coding == "identity":
                return None
        return None

    def _compress_whole(self, response: HttpResponse, coding: str) -> None:
        body = response.body.encode() if isinstance(response.body, str) else bytes(response.body)
        compressor = _codecs.compressor(coding, self._settings[coding], flush=False)
        compressed = compressor.feed(body) + compressor.finish()
        if len(compressed) >= len(body):
            return
        if isinstance(response.body, str):
            response.headers.setdefault("Content-Type", "text/plain; charset=utf-8")
        response.body = compressed
        _declare(response, coding)


def _usable(coding: str, given: Setting | None) -> Mapping[str, Any] | None:
    """Return the settings of a coding; None if it is switched off, or not installed and not asked for."""
    if given is False:
        return None
    settings = given if isinstance(given, Mapping) else {}
    try:
        _codecs.check(coding, settings)
    except ModuleNotFoundError:
        if given is not None:
            raise
        return None
    return settings


def _declare(response: HttpResponse, coding: str) -> None:
    headers = response.headers
    headers["Content-Encoding"] = coding
    headers.pop("Content-Length", None)
    # RFC 9110, 8.8.1: a strong validator changes with the coding; a weak one only identifies the content.
    if (tag := headers.get("ETag")) is not None and not tag.startswith("W/"):
        headers["ETag"] = f"W/{tag}"
