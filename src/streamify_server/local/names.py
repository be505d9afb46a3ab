"""Function names and ARNs."""

import re
from dataclasses import dataclass

LATEST = "$LATEST"

# The pattern of NamespacedFunctionName in the botocore model, with named groups.
_FUNCTION = re.compile(
    r"(?:(?P<arn>arn:aws[a-zA-Z-]*:lambda:)(?P<region>[a-z0-9-]+):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)"
    r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)


@dataclass(frozen=True, slots=True)
class FunctionName:
    """The parts of a function name as the caller gave it; missing parts are None."""

    name: str
    qualifier: str | None = None
    account: str | None = None
    region: str | None = None


def parse_function_name(text: str) -> FunctionName | None:
    """Parse a name, partial ARN or ARN, with or without a qualifier; return None if it is none of these."""
    match = _FUNCTION.fullmatch(text)
    if match is None or len(text) > 256 or len(match["name"]) > 64:
        return None
    return FunctionName(match["name"], match["qualifier"], match["account"], match["region"])


def function_arn(region: str, account: str, name: str, qualifier: str | None = None) -> str:
    """Return the ARN of a function, with the qualifier if there is one."""
    arn = f"arn:aws:lambda:{region}:{account}:function:{name}"
    return f"{arn}:{qualifier}" if qualifier else arn
