"""Whether a statement of a resource policy allows an action through a Function URL."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any


def allows(statement: Mapping[str, Any], action: str, everybody: bool) -> bool:
    """Return whether a statement allows `action`; with `everybody`, to all principals.

    Conditions other than those of Function URLs (``lambda:FunctionUrlAuthType``,
    ``lambda:InvokedViaFunctionUrl``) narrow a statement, so that it no longer allows everybody.
    """
    if statement.get("Effect") != "Allow":
        return False
    patterns = (pattern.lower() for pattern in _strings(statement.get("Action")))
    if not any(fnmatchcase(action.lower(), pattern) for pattern in patterns):
        return False
    return not everybody or (_is_everybody(statement.get("Principal")) and _is_for_urls(statement))


def _is_everybody(principal: Any) -> bool:
    if isinstance(principal, Mapping):
        principal = principal.get("AWS")
    return "*" in _strings(principal)


def _is_for_urls(statement: Mapping[str, Any]) -> bool:
    wanted = {"lambda:functionurlauthtype": "none", "lambda:invokedviafunctionurl": "true"}
    for conditions in (statement.get("Condition") or {}).values():
        for key, value in conditions.items():
            if [each.lower() for each in _strings(value)] != [wanted.get(key.lower(), "")]:
                return False
    return True


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bool):
        return (str(value),)
    return [str(each) for each in value or ()]
