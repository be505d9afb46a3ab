"""Validation of events, contexts and responses."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from streamify_server.errors import HttpError
from streamify_server.events import header_of
from streamify_server.response import HttpResponse

from . import _negotiate
from ._options import check, check_options, is_stream
from ._schema import InvalidError, Preparation, Violation, compiled

if TYPE_CHECKING:
    from streamify_server.middleware import Request

Check = Callable[[Any], Any]
Localize = Callable[[Violation], str]


class validator:
    """Validates event, context and response against JSON Schemas, or with functions.

    For an invalid event the response is a 400 with problem details (RFC 9457) that list each place and
    reason; an invalid context or response is an internal error, 500, without details for the caller (both are
    raised as `HttpError`, for `http_error_handler`). A context is validated as a dict of its public
    attributes, with the current value of `get_remaining_time_in_millis`. A response is validated as a dict of
    `statusCode`, `headers`, and the `body` if it is complete; streams are not inspected, so a schema that
    requires a body refuses them. A bare stream is not validated.

    Args:
        event_schema: A JSON Schema as a dict, or a function of the event, sync or async, that raises or
            returns False if the event is invalid.
        context_schema: The same for the context.
        response_schema: The same for the response.
        coerce: Convert text in the event to what the schema requires: numbers, booleans, or the only item of
            an array.
        defaults: Fill in the `default` of properties that the event lacks.
        formats: Functions that check text, for formats that JSON Schema does not define, by name.
        default_language: The one of `languages` to use if the caller prefers none of them.
        languages: For each language, a function that takes a violation (`pointer`, `keyword`, `message`) and
            returns the message for the caller.

    Schemas as dicts need the extra `validate`. They are compiled once, here. The draft is that of `$schema`,
    by default 2020-12; unknown keywords and formats are refused, except `x-` keywords.

    Raises:
        ModuleNotFoundError: A schema is a dict, and jsonschema-rs is not installed.
        ValueError: A schema is not a JSON Schema.
        TypeError: An option has the wrong type.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import http_error_handler, validator
        >>> from streamify_server.testing import invoke
        >>> schema = {"type": "object", "required": ["name"]}
        >>> @streaming_handler(middlewares=[validator(event_schema=schema), http_error_handler(logger=False)])
        ... def handler(event, context):
        ...     yield event["name"]
        >>> answer = invoke(handler, {})
        >>> answer.status_code, answer.json()["errors"]
        (400, [{'pointer': '', 'detail': '"name" is a required property'}])
    """

    def __init__(
        self,
        *,
        event_schema: Mapping[str, Any] | Check | None = None,
        context_schema: Mapping[str, Any] | Check | None = None,
        response_schema: Mapping[str, Any] | Check | None = None,
        coerce: bool = False,
        defaults: bool = False,
        formats: Mapping[str, Callable[[str], bool]] | None = None,
        default_language: str = "en",
        languages: Mapping[str, Localize] | None = None,
    ) -> None:
        check_options(locals())
        functions = {**(formats or {}), **(languages or {})}
        for name, function in functions.items():
            check(f"{name!r} of validator", function, "Callable")
        self._check_event = _check("event_schema", event_schema, formats)
        self._check_context = _check("context_schema", context_schema, formats)
        self._check_response = _check("response_schema", response_schema, formats)
        self._prepare = None
        if isinstance(event_schema, Mapping) and (coerce or defaults):
            self._prepare = Preparation(event_schema, coerce=coerce, defaults=defaults)
        self._default_language = default_language
        self._languages = dict(languages or {})

    async def before(self, request: Request) -> None:
        """Validate the event and the context."""
        if self._check_event is not None:
            try:
                if self._prepare is not None:
                    request.event = self._prepare(request.event)
                await _passed(self._check_event, request.event)
            except Exception as error:
                raise self._bad_request(request, error) from error
        if self._check_context is not None:
            await _require(self._check_context, _public(request.context), "The context is invalid")

    async def after(self, request: Request) -> None:
        """Validate the response."""
        response = request.response
        if self._check_response is None:
            return
        if isinstance(response, HttpResponse):
            seen: Any = {"statusCode": response.status, "headers": dict(response.headers)}
            if not is_stream(response.body):
                seen["body"] = _text(response.body)
        elif is_stream(response):
            return
        else:
            seen = _text(response)
        await _require(self._check_response, seen, "The response is invalid")

    def _bad_request(self, request: Request, error: Exception) -> HttpError:
        violations = error.violations if isinstance(error, InvalidError) else [Violation("", "", str(error))]
        localize = self._localizer(request)
        problem = {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "The event is invalid",
            "errors": [
                {"pointer": one.pointer, "detail": localize(one) if localize else one.message}
                for one in violations
            ],
        }
        text = json.dumps(problem, ensure_ascii=False)
        return HttpError(400, text, headers={"Content-Type": "application/problem+json"})

    def _localizer(self, request: Request) -> Localize | None:
        if not self._languages:
            return None
        preferred = request.internal.get("preferred_language")
        if preferred is None:
            accepted = _negotiate.languages(header_of(request.event, "accept-language"), [*self._languages])
            preferred = next(iter(accepted), None)
        return self._languages.get(str(preferred)) or self._languages.get(self._default_language)


async def _passed(check: Check, value: Any) -> None:
    result = check(value)
    if isinstance(result, Awaitable):
        result = await result
    if result is False:
        raise InvalidError([Violation("", "", "The value is not allowed")])


async def _require(check: Check, value: Any, problem: str) -> None:
    try:
        await _passed(check, value)
    except Exception as error:
        raise HttpError(500, f"{problem}: {error}") from error


def _check(
    option: str, schema: Mapping[str, Any] | Check | None, formats: Mapping[str, Callable[[str], bool]] | None
) -> Check | None:
    if schema is None or callable(schema):
        return schema
    if not isinstance(schema, Mapping):
        raise TypeError(f"{option} takes a JSON Schema as a dict, or a function, not {schema!r}.")
    return compiled(option, schema, formats or {})


def _public(context: Any) -> dict[str, Any]:
    """Return the public attributes of a context as JSON values."""
    seen: dict[str, Any] = {}
    for name in dir(context):
        if name == "get_remaining_time_in_millis":
            seen[name] = context.get_remaining_time_in_millis()
        elif not name.startswith("_") and not callable(value := getattr(context, name)):
            plain = value is None or isinstance(value, str | int | float | bool | list | dict)
            seen[name] = value if plain else _public(value)
    return seen


def _text(body: Any) -> Any:
    return bytes(body).decode(errors="replace") if isinstance(body, bytes | bytearray | memoryview) else body
