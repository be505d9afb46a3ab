"""JSON Schema for events, contexts and responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from streamify_server._events import header_of
from streamify_server.errors import HttpError
from streamify_server.response import HttpResponse

from ._bodies import is_stream
from ._negotiate import languages as best_languages
from ._options import missing_extra

if TYPE_CHECKING:
    from streamify_server.onion import Request

Check = Callable[[Any], Any]
Localize = Callable[[Any], str]

_CONTEXT = (
    "function_name",
    "function_version",
    "invoked_function_arn",
    "memory_limit_in_mb",
    "aws_request_id",
)


class validator:
    """Checks event, context and response against JSON Schemas.

    An event that fails is answered with 400 and the place and reason; a context or response that fails is an
    error of ours, 500, which the caller is not told about (both are `HttpError`, for `http_error_handler`).
    The response that a schema sees is a dict of `statusCode`, `headers`, and the `body` if it is whole; a
    stream is not looked into, so a schema that requires a body refuses it. A bare stream is left alone.

    Args:
        event_schema: A JSON Schema as a dict, or a function that raises if it is given something invalid,
            such as what `fastjsonschema.compile` returns.
        context_schema: The same for a dict of the context's attributes.
        response_schema: The same for the response.
        default_language: Which of `languages` is used if the caller prefers none of them.
        languages: For a language, a function of the error that returns the message for the caller.

    Schemas as dicts need the extra `validate`. They are compiled here, once.

    Raises:
        ModuleNotFoundError: A schema is a dict, and fastjsonschema is not installed.
        ValueError: A schema is no JSON Schema.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import http_error_handler, validator
        >>> from streamify_server.testing import invoke
        >>> schema = {"type": "object", "required": ["name"]}
        >>> @streaming_handler(middlewares=[validator(event_schema=schema), http_error_handler(logger=False)])
        ... def handler(event, context):
        ...     yield event["name"]
        >>> invoke(handler, {}).chunks
        [b"The event is invalid: data must contain ['name'] properties"]
    """

    def __init__(
        self,
        *,
        event_schema: Mapping[str, Any] | Check | None = None,
        context_schema: Mapping[str, Any] | Check | None = None,
        response_schema: Mapping[str, Any] | Check | None = None,
        default_language: str = "en",
        languages: Mapping[str, Localize] | None = None,
    ) -> None:
        self._check_event = _compiled("event_schema", event_schema)
        self._check_context = _compiled("context_schema", context_schema)
        self._check_response = _compiled("response_schema", response_schema)
        self._default_language = default_language
        self._languages = dict(languages or {})

    def before(self, request: Request) -> None:
        """Check the event and the context."""
        if (
            self._check_event is not None
            and (error := _failure(self._check_event, request.event)) is not None
        ):
            localize = self._localizer(request)
            reason = f"The event is invalid: {error}" if localize is None else localize(error)
            raise HttpError(400, reason) from error
        if self._check_context is not None:
            context = {
                name: getattr(request.context, name) for name in _CONTEXT if hasattr(request.context, name)
            }
            _require(self._check_context, context, "The context is invalid")

    def after(self, request: Request) -> None:
        """Check the response."""
        response = request.response
        if self._check_response is None:
            return
        if isinstance(response, HttpResponse):
            seen: Any = {"statusCode": response.status, "headers": dict(response.headers)}
            if not is_stream(response.body):
                seen["body"] = response.body
        elif is_stream(response):
            return
        else:
            seen = response
        _require(self._check_response, seen, "The response is invalid")

    def _localizer(self, request: Request) -> Localize | None:
        if not self._languages:
            return None
        preferred = request.internal.get("preferred_language")
        if preferred is None:
            preferred = next(
                iter(best_languages(header_of(request.event, "accept-language"), [*self._languages])), None
            )
        return self._languages.get(str(preferred)) or self._languages.get(self._default_language)


def _failure(check: Check, value: Any) -> Exception | None:
    try:
        check(value)
    except Exception as error:
        return error
    return None


def _require(check: Check, value: Any, problem: str) -> None:
    error = _failure(check, value)
    if error is not None:
        raise HttpError(500, f"{problem}: {error}") from error


def _compiled(option: str, schema: Mapping[str, Any] | Check | None) -> Check | None:
    if schema is None or callable(schema):
        return schema
    if not isinstance(schema, Mapping):
        raise TypeError(f"{option} takes a JSON Schema as a dict, or a function, not {schema!r}.")
    try:
        import fastjsonschema
    except ModuleNotFoundError:
        raise missing_extra(f"{option} of validator", "fastjsonschema", "validate") from None
    try:
        check: Check = fastjsonschema.compile(dict(schema), use_default=False)
    except fastjsonschema.JsonSchemaDefinitionException as error:
        raise ValueError(f"{option} is no JSON Schema: {error}") from error
    return check
