"""Middlewares for `@streaming_handler(middlewares=[...])`; each is imported on first use.

They are classes with the names of functions, `http_cors(origin="*")`, because users only call them.
"""

from __future__ import annotations

from streamify_server.shadowing import unshadowed

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from typing import Any

    from .content_encoding import http_content_encoding
    from .content_negotiation import http_content_negotiation
    from .cors import http_cors
    from .errors import error_logger, http_error_handler
    from .event_records import event_normalizer
    from .input_output_log import input_output_logger
    from .multipart_body_parser import FilePart, http_multipart_body_parser
    from .normalizers import http_event_normalizer, http_header_normalizer
    from .parsers import http_json_body_parser, http_urlencode_body_parser, http_urlencode_path_parser
    from .partial_response import http_partial_response
    from .response_serializer import http_response_serializer
    from .router import http_router
    from .security_headers import http_security_headers
    from .tokens import http_jwt
    from .validation import validator
    from .warming import warmup

# No module may have the name of its middleware: importing the module would replace the class in this
# namespace.
_NAMES = {
    "content_encoding": "http_content_encoding",
    "content_negotiation": "http_content_negotiation",
    "cors": "http_cors",
    "errors": "error_logger http_error_handler",
    "event_records": "event_normalizer",
    "input_output_log": "input_output_logger",
    "multipart_body_parser": "FilePart http_multipart_body_parser",
    "normalizers": "http_event_normalizer http_header_normalizer",
    "parsers": "http_json_body_parser http_urlencode_body_parser http_urlencode_path_parser",
    "partial_response": "http_partial_response",
    "response_serializer": "http_response_serializer",
    "router": "http_router",
    "security_headers": "http_security_headers",
    "tokens": "http_jwt",
    "validation": "validator",
    "warming": "warmup",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "FilePart",
    "error_logger",
    "event_normalizer",
    "http_content_encoding",
    "http_content_negotiation",
    "http_cors",
    "http_error_handler",
    "http_event_normalizer",
    "http_header_normalizer",
    "http_json_body_parser",
    "http_jwt",
    "http_multipart_body_parser",
    "http_partial_response",
    "http_response_serializer",
    "http_router",
    "http_security_headers",
    "http_urlencode_body_parser",
    "http_urlencode_path_parser",
    "input_output_logger",
    "validator",
    "warmup",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    with unshadowed():
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
