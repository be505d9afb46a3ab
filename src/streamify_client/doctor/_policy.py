"""What the statements of a resource policy allow and deny."""

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

# The conditions that every request through a public Function URL meets, and how they may be compared.
_OF_URLS = {"lambda:functionurlauthtype": "none", "lambda:invokedviafunctionurl": "true"}
_EQUALS = ("stringequals", "stringequalsignorecase", "stringlike", "bool")


def allows(statement: Mapping[str, Any], action: str, everybody: bool) -> bool:
    """Return whether a statement allows `action` through a Function URL; with `everybody`, to all principals.

    Conditions other than those of Function URLs (``lambda:FunctionUrlAuthType``,
    ``lambda:InvokedViaFunctionUrl``) narrow a statement, so that it no longer allows everybody.
    """
    if not _is_about(statement, "Allow", action):
        return False
    return not everybody or (_is_everybody(statement.get("Principal")) and _is_for_urls(statement))


def denies(statement: Mapping[str, Any], action: str) -> bool:
    """Return whether a statement denies `action` to all principals, with no conditions but those of URLs."""
    about = _is_about(statement, "Deny", action)
    return about and _is_everybody(statement.get("Principal")) and _is_for_urls(statement)


def allows_api(statement: Mapping[str, Any], api_id: str) -> bool:
    """Return whether a statement lets this API of API Gateway invoke the function."""
    if not _is_about(statement, "Allow", "lambda:InvokeFunction"):
        return False
    principal = statement.get("Principal")
    service = principal.get("Service") if isinstance(principal, Mapping) else None
    if "apigateway.amazonaws.com" not in _strings(service) and not _is_everybody(principal):
        return False
    condition = statement.get("Condition")
    return not condition or api_id in json.dumps(condition)


def _is_about(statement: Mapping[str, Any], effect: str, action: str) -> bool:
    patterns = (pattern.lower() for pattern in _strings(statement.get("Action")))
    return statement.get("Effect") == effect and any(fnmatchcase(action.lower(), each) for each in patterns)


def _is_everybody(principal: Any) -> bool:
    if isinstance(principal, Mapping):
        principal = principal.get("AWS")
    return "*" in _strings(principal)


def _is_for_urls(statement: Mapping[str, Any]) -> bool:
    for operator, conditions in (statement.get("Condition") or {}).items():
        if operator.lower().removesuffix("ifexists") not in _EQUALS:
            return False
        for key, value in conditions.items():
            if [each.lower() for each in _strings(value)] != [_OF_URLS.get(key.lower(), "")]:
                return False
    return True


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bool):
        return (str(value),)
    return [str(each) for each in value or ()]
