"""Headers that tell browsers to be careful."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from streamify_server.response import Headers, HttpResponse

from ._options import known

if TYPE_CHECKING:
    from streamify_server.onion import Request

_YEAR = 365 * 24 * 60 * 60

# What an API should send: nothing of its answers is to be rendered, framed or fetched by other sites.
_POLICY = {
    "default-src": "'report-sample' 'report-sha256'",
    "base-uri": "'none'",
    "sandbox": "",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "report-to": "default",
    "require-trusted-types-for": "'script'",
    "upgrade-insecure-requests": "",
}
_FEATURES = [
    "accelerometer",
    "all-screens-capture",
    "ambient-light-sensor",
    "autoplay",
    "battery",
    "camera",
    "cross-origin-isolated",
    "display-capture",
    "document-domain",
    "encrypted-media",
    "execution-while-not-rendered",
    "execution-while-out-of-viewport",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "keyboard-map",
    "magnetometer",
    "microphone",
    "midi",
    "monetization",
    "navigation-override",
    "payment",
    "picture-in-picture",
    "publickey-credentials-get",
    "screen-wake-lock",
    "sync-xhr",
    "usb",
    "web-share",
    "xr-spatial-tracking",
    "clipboard-read",
    "clipboard-write",
    "gamepad",
    "speaker-selection",
    "conversion-measurement",
    "focus-without-user-activation",
    "hid",
    "idle-detection",
    "interest-cohort",
    "serial",
    "sync-script",
    "trust-token-redemption",
    "window-placement",
    "vertical-scroll",
]
# Directives that stand without a value (https://www.w3.org/TR/CSP3/).
_BARE_DIRECTIVES = frozenset({"sandbox", "upgrade-insecure-requests"})

Setting = bool | Mapping[str, Any]
_Writer = Callable[[Mapping[str, Any]], str]


class http_security_headers:
    """Sets security headers on HTTP responses; one that the response has already stays.

    Each option is True for its default, False to leave it out, or a dict that is laid over the default.

    Args:
        content_security_policy: Directives by name; one with an empty value is left out, but for `sandbox`
            and `upgrade-insecure-requests`, which have none (False leaves these out).
        content_security_policy_report_only: Only report what breaks the policy.
        content_type_options: `action`.
        cross_origin_embedder_policy: `policy`.
        cross_origin_opener_policy: `policy`.
        cross_origin_resource_policy: `policy`.
        dns_prefetch_control: `allow`.
        download_options: `action`.
        frame_options: `action`.
        origin_agent_cluster: Ask for an agent cluster of the origin's own.
        permissions_policy: Allow lists by feature; "" allows nobody, "*" everybody.
        permitted_cross_domain_policies: `policy`.
        powered_by: Remove Server and X-Powered-By.
        referrer_policy: `policy`.
        report_to: `max_age` (seconds), `include_sub_domains`, and a URL for each group.
        reporting_endpoints: A URL for each endpoint.
        strict_transport_security: `max_age` (seconds), `include_sub_domains`, `preload` (sent from a year on,
            below which browsers' lists take no site: https://hstspreload.org).
        xss_protection: Switch the filter of old browsers off.

    Raises:
        TypeError: An option or one of its keys is unknown.
        ValueError: A value cannot stand in a header.

    Example:
        >>> from streamify_server import HttpResponse, streaming_handler
        >>> from streamify_server.middlewares import http_security_headers
        >>> from streamify_server.testing import invoke
        >>> @streaming_handler(middlewares=[http_security_headers(frame_options={"action": "sameorigin"})])
        ... def handler(event, context):
        ...     return HttpResponse(200, body="hello")
        >>> invoke(handler, {}).headers["x-frame-options"]
        'SAMEORIGIN'
    """

    def __init__(
        self,
        *,
        content_security_policy: Setting = True,
        content_security_policy_report_only: bool = False,
        content_type_options: Setting = True,
        cross_origin_embedder_policy: Setting = True,
        cross_origin_opener_policy: Setting = True,
        cross_origin_resource_policy: Setting = True,
        dns_prefetch_control: Setting = True,
        download_options: Setting = True,
        frame_options: Setting = True,
        origin_agent_cluster: bool = True,
        permissions_policy: Setting = True,
        permitted_cross_domain_policies: Setting = True,
        powered_by: bool = True,
        referrer_policy: Setting = True,
        report_to: Setting = True,
        reporting_endpoints: Setting = True,
        strict_transport_security: Setting = True,
        xss_protection: bool = False,
    ) -> None:
        given = locals()
        self._hide_software = powered_by
        report_only = "-Report-Only" if content_security_policy_report_only else ""
        headers = {}
        for option, (name, defaults, write) in _TABLE.items():
            value = _written(option, given[option], defaults, write)
            if value:
                headers[name + report_only if option == "content_security_policy" else name] = value
        self._headers = Headers(headers)

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


def _written(option: str, given: Setting, defaults: Mapping[str, Any] | None, write: _Writer) -> str:
    if given is False:
        return ""
    settings = given if isinstance(given, Mapping) else {}
    if defaults is not None and option not in _OPEN:
        known(option, settings, defaults)
    return write({**(defaults or {}), **settings})


def _policy(directives: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{name} {value}".strip()
        for name, value in directives.items()
        if value or (value == "" and name in _BARE_DIRECTIVES)
    )


def _permissions(features: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}={'*' if allowed == '*' else f'({allowed})'}" for name, allowed in features.items()
    )


def _transport(settings: Mapping[str, Any]) -> str:
    max_age = round(settings["max_age"])
    parts = [f"max-age={max_age}"]
    if settings["include_sub_domains"]:
        parts.append("includeSubDomains")
    if settings["preload"] and max_age >= _YEAR:
        parts.append("preload")
    return "; ".join(parts)


def _report_to(settings: Mapping[str, Any]) -> str:
    groups = {
        name: url for name, url in settings.items() if name not in ("max_age", "include_sub_domains") and url
    }
    return ", ".join(
        json.dumps(
            {
                "group": name,
                "max_age": settings["max_age"],
                "endpoints": [{"url": url}],
                "include_subdomains": bool(settings["include_sub_domains"]),
            }
        )
        for name, url in groups.items()
    )


def _endpoints(urls: Mapping[str, Any]) -> str:
    return ", ".join(f'{name}="{url}"' for name, url in urls.items())


def _key(name: str) -> _Writer:
    return lambda settings: str(settings[name])


# Options whose keys are names that users choose.
_OPEN = frozenset({"content_security_policy", "permissions_policy", "report_to", "reporting_endpoints"})
_TABLE: dict[str, tuple[str, Mapping[str, Any] | None, _Writer]] = {
    "content_security_policy": ("Content-Security-Policy", _POLICY, _policy),
    "content_type_options": ("X-Content-Type-Options", {"action": "nosniff"}, _key("action")),
    "cross_origin_embedder_policy": (
        "Cross-Origin-Embedder-Policy",
        {"policy": "require-corp"},
        _key("policy"),
    ),
    "cross_origin_opener_policy": ("Cross-Origin-Opener-Policy", {"policy": "same-origin"}, _key("policy")),
    "cross_origin_resource_policy": (
        "Cross-Origin-Resource-Policy",
        {"policy": "same-origin"},
        _key("policy"),
    ),
    "dns_prefetch_control": (
        "X-DNS-Prefetch-Control",
        {"allow": False},
        lambda settings: "on" if settings["allow"] else "off",
    ),
    "download_options": ("X-Download-Options", {"action": "noopen"}, _key("action")),
    "frame_options": (
        "X-Frame-Options",
        {"action": "deny"},
        lambda settings: str(settings["action"]).upper(),
    ),
    "origin_agent_cluster": ("Origin-Agent-Cluster", None, lambda settings: "?1"),
    "permissions_policy": ("Permissions-Policy", dict.fromkeys(_FEATURES, ""), _permissions),
    "permitted_cross_domain_policies": (
        "X-Permitted-Cross-Domain-Policies",
        {"policy": "none"},
        _key("policy"),
    ),
    "referrer_policy": ("Referrer-Policy", {"policy": "no-referrer"}, _key("policy")),
    "report_to": ("Report-To", {"max_age": _YEAR, "include_sub_domains": True}, _report_to),
    "reporting_endpoints": ("Reporting-Endpoints", {}, _endpoints),
    "strict_transport_security": (
        "Strict-Transport-Security",
        {"max_age": 180 * 24 * 60 * 60, "include_sub_domains": True, "preload": True},
        _transport,
    ),
    "xss_protection": ("X-XSS-Protection", None, lambda settings: "0"),
}
