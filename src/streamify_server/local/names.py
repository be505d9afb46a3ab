"""The forms in which a caller may name a function, and the ARNs made from them."""

import re
from dataclasses import dataclass

LATEST = "$LATEST"

# The pattern of the botocore model's NamespacedFunctionName, with its parts named.
_FUNCTION = re.compile(
    r"(?:(?P<arn>arn:aws[a-zA-Z-]*:lambda:)(?P<region>[a-z0-9-]+):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)"
    r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function as a caller named it; what the caller left out is None."""

    name: str
    qualifier: str | None = None
    account: str | None = None
    region: str | None = None


def parse_function_name(text: str) -> FunctionName | None:
    """Read a plain name, a partial or a full ARN, each with or without a qualifier; None if it is neither."""
    match = _FUNCTION.fullmatch(text)
    if match is None or len(text) > 256 or len(match["name"]) > 64:
        return None
    return FunctionName(match["name"], match["qualifier"], match["account"], match["region"])


def function_arn(region: str, account: str, name: str, qualifier: str | None = None) -> str:
    """Write the ARN of a function, qualified if the caller qualified it."""
    arn = f"arn:aws:lambda:{region}:{account}:function:{name}"
    return f"{arn}:{qualifier}" if qualifier else arn
