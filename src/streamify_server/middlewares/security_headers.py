"""Headers that restrict what browsers do with a response."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from streamify_server.response import Headers, HttpResponse

from ._options import check, check_options, known

if TYPE_CHECKING:
    from streamify_server.middleware import Request

Setting = bool | str | Mapping[str, Any] | None

_YEAR = 365 * 24 * 60 * 60
_FEATURES = """
    accelerometer all-screens-capture ambient-light-sensor autoplay battery camera cross-origin-isolated
    display-capture document-domain encrypted-media execution-while-not-rendered
    execution-while-out-of-viewport fullscreen geolocation gyroscope keyboard-map magnetometer microphone midi
    monetization navigation-override payment picture-in-picture publickey-credentials-get screen-wake-lock
    sync-xhr usb web-share xr-spatial-tracking clipboard-read clipboard-write gamepad speaker-selection
    conversion-measurement focus-without-user-activation hid idle-detection interest-cohort serial sync-script
    trust-token-redemption window-placement vertical-scroll
"""
_BARE_DIRECTIVES = ("sandbox", "upgrade-insecure-requests")  # without a value (W3C, CSP 3)
# Suitable for APIs: other sites must not render, frame or fetch the responses.
_DEFAULTS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "content_security_policy": (
        "Content-Security-Policy",
        {
            "default-src": "'report-sample' 'report-sha256'",
            "base-uri": "'none'",
            "sandbox": "",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
            "report-to": "default",
            "require-trusted-types-for": "'script'",
            "upgrade-insecure-requests": "",
        },
    ),
    "content_type_options": ("X-Content-Type-Options", {"action": "nosniff"}),
    "cross_origin_embedder_policy": ("Cross-Origin-Embedder-Policy", {"policy": "require-corp"}),
    "cross_origin_opener_policy": ("Cross-Origin-Opener-Policy", {"policy": "same-origin"}),
    "cross_origin_resource_policy": ("Cross-Origin-Resource-Policy", {"policy": "same-origin"}),
    "dns_prefetch_control": ("X-DNS-Prefetch-Control", {"allow": False}),
    "download_options": ("X-Download-Options", {"action": "noopen"}),
    "frame_options": ("X-Frame-Options", {"action": "DENY"}),
    "origin_agent_cluster": ("Origin-Agent-Cluster", {}),
    "permissions_policy": ("Permissions-Policy", dict.fromkeys(_FEATURES.split(), "")),
    "permitted_cross_domain_policies": ("X-Permitted-Cross-Domain-Policies", {"policy": "none"}),
    "referrer_policy": ("Referrer-Policy", {"policy": "no-referrer"}),
    "report_to": ("Report-To", {"max_age": _YEAR, "include_sub_domains": True}),
    "reporting_endpoints": ("Reporting-Endpoints", {}),
    "strict_transport_security": (
        "Strict-Transport-Security",
        {"max_age": _YEAR // 365 * 180, "include_sub_domains": True, "preload": True},
    ),
    "xss_protection": ("X-XSS-Protection", {}),
}
# Options that accept other keys, which are the user's names, with text as values.
_OPEN = ("content_security_policy", "permissions_policy", "report_to", "reporting_endpoints")
# Browsers ignore unknown values, and then there is no protection.
_VALUES = {
    "cross_origin_embedder_policy": "unsafe-none require-corp credentialless",
    "cross_origin_opener_policy": "unsafe-none same-origin-allow-popups same-origin noopener-allow-popups",
    "cross_origin_resource_policy": "same-site same-origin cross-origin",
    "frame_options": "DENY SAMEORIGIN",
    "permitted_cross_domain_policies": "none master-only by-content-type by-ftp-filename all",
    "referrer_policy": "no-referrer no-referrer-when-downgrade origin origin-when-cross-origin same-origin "
    "strict-origin strict-origin-when-cross-origin unsafe-url",
}


class http_security_headers:
    """Sets security headers on HTTP responses; headers that the response already has are kept.

    Args:
        headers: Header fields that override the defaults, by name: a value, or None to omit the field.
        content_security_policy_report_only: Only report violations of the policy.
        powered_by: Remove Server and X-Powered-By.
        options: middy's options, by their names in snake case, such as `content_security_policy`,
            `frame_options`, `permissions_policy` and `strict_transport_security`: True for the default, False
            to omit the field, its value, or a dict that is merged into the default, such as
            `{"default-src": "'self'"}`, `{"action": "sameorigin"}` or `{"max_age": 31536000}`.

    Raises:
        TypeError: An option or one of its keys is unknown, or has a value of the wrong type.
        ValueError: A value is not valid in a header, or browsers do not support it.

    Example:
        >>> from streamify_server import HttpResponse, streaming_handler
        >>> from streamify_server.middlewares import http_security_headers
        >>> from streamify_server.testing import invoke
        >>> @streaming_handler(middlewares=[http_security_headers({"X-Frame-Options": "SAMEORIGIN"})])
        ... def handler(event, context):
        ...     return HttpResponse(200, body="hello")
        >>> invoke(handler, {}).headers["x-frame-options"]
        'SAMEORIGIN'
    """

    def __init__(
        self,
        headers: Mapping[str, str | None] | None = None,
        *,
        content_security_policy_report_only: bool = False,
        powered_by: bool = True,
        **options: Setting,
    ) -> None:
        report_only = content_security_policy_report_only
        check_options(locals())
        known("http_security_headers", options, _DEFAULTS)
        self._headers = Headers()
        for option, (name, _) in _DEFAULTS.items():
            value = _value(option, options.get(option, option != "xss_protection"))
            if value:
                self._headers[name] = value
        if report_only and (policy := self._headers.pop("Content-Security-Policy", "")):
            self._headers["Content-Security-Policy-Report-Only"] = policy
        for name, over in (headers or {}).items():
            self._headers.pop(name, None)
            if over is not None:
                self._headers[name] = over
        self._hide_software = powered_by

    def after(self, request: Request) -> None:
        """Set the headers on an HTTP response."""
        if not isinstance(request.response, HttpResponse):
            return
        headers = request.response.headers
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        if self._hide_software:
            headers.pop("Server", None)
            headers.pop("X-Powered-By", None)

    on_error = after


def _value(option: str, given: Setting) -> str:
    """Return the value of a header; empty if it is omitted."""
    if given is None or given is False:
        return ""
    value = given if isinstance(given, str) else _written(option, _settings(option, given))
    if option == "frame_options":
        value = value.upper()
    if option in _VALUES and value not in _VALUES[option].split():
        raise ValueError(f"{option} takes {', '.join(_VALUES[option].split())}, not {value!r}.")
    return value


def _settings(option: str, given: Setting) -> dict[str, Any]:
    _, defaults = _DEFAULTS[option]
    settings = {} if given is True else given
    if not isinstance(settings, Mapping):
        raise TypeError(f"{option} takes True, False, a str or a dict, not {given!r}.")
    if option not in _OPEN:
        known(option, settings, defaults)
    for key, value in settings.items():
        kind = type(defaults.get(key, ""))
        if option != "content_security_policy" or value is not False:  # False omits a directive
            check(f"{key!r} of {option}", value, f"{kind.__name__} | None")
    return {**defaults, **{key: v for key, v in settings.items() if v is not None or option in _OPEN}}


def _written(option: str, settings: dict[str, Any]) -> str:
    if option in _WRITERS:
        return _WRITERS[option](settings)
    return str(next(iter(settings.values())))


def _policy(directives: dict[str, Any]) -> str:
    said = {d: v for d, v in directives.items() if v or (v == "" and d in _BARE_DIRECTIVES)}
    return "; ".join(f"{directive} {value}".strip() for directive, value in said.items())


def _permissions(features: dict[str, Any]) -> str:
    return ", ".join(f"{name}={'*' if allow == '*' else f'({allow})'}" for name, allow in features.items())


def _transport(settings: dict[str, Any]) -> str:
    preload = settings["preload"] and settings["max_age"] >= _YEAR
    flags = "; includeSubDomains" * settings["include_sub_domains"] + "; preload" * preload
    return f"max-age={settings['max_age']}{flags}"


def _report_to(settings: dict[str, Any]) -> str:
    max_age, include = settings.pop("max_age"), settings.pop("include_sub_domains")
    groups = [
        {"group": name, "max_age": max_age, "endpoints": [{"url": url}], "include_subdomains": include}
        for name, url in settings.items()
        if url
    ]
    return ", ".join(map(json.dumps, groups))


def _endpoints(urls: dict[str, Any]) -> str:
    return ", ".join(f'{name}="{url}"' for name, url in urls.items() if url)


_WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "content_security_policy": _policy,
    "permissions_policy": _permissions,
    "report_to": _report_to,
    "reporting_endpoints": _endpoints,
    "strict_transport_security": _transport,
    "dns_prefetch_control": lambda settings: "on" if settings["allow"] else "off",
    "origin_agent_cluster": lambda settings: "?1",
    "xss_protection": lambda settings: "0",
}
