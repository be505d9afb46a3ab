"""Facts about a deployment: the responses of AWS's APIs, or why one is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar, cast

from ._package import Package

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unread:
    """A fact that could not be read.

    Attributes:
        reason: Why, as the end of a sentence: ``"needs lambda:GetPolicy"``.
        absent: The service responded that it does not exist.
        cure: What to do, if no other request to this service can succeed either (no credentials, no
            network).
    """

    reason: str
    absent: bool = False
    cure: str = ""

    @property
    def fatal(self) -> bool:
        """Whether no other request to this service can succeed either."""
        return bool(self.cure)


Answer: TypeAlias = T | Unread
"""An answer, or why there is none."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller's identity, and the region."""

    arn: str
    account: str


@dataclass(frozen=True, slots=True)
class Integration:
    """The integration of a REST API's method with a function.

    Attributes:
        method: Such as "ANY".
        path: The resource's path, such as "/{proxy+}".
        kind: "AWS_PROXY" and the like.
        uri: What it invokes.
        transfer_mode: "STREAM" or "BUFFERED"; None: the installed boto3 is too old to know it.
        authorization: "NONE", "AWS_IAM" and the like.
        api_key_required: Whether callers need an API key.
        role: Whether it invokes with its own role instead of the function's resource policy.
    """

    method: str
    path: str
    kind: str
    uri: str
    transfer_mode: str | None
    authorization: str
    api_key_required: bool = False
    role: bool = False

    @property
    def function(self) -> str | None:
        """The ARN of the function that it invokes, if its URI names one."""
        _, functions, rest = self.uri.partition("/functions/")
        arn = rest.partition("/")[0]
        return arn if functions and arn and "${" not in arn else None

    @property
    def guarded(self) -> bool:
        """Whether callers need more than the URL."""
        return self.authorization != "NONE" or self.api_key_required


@dataclass(frozen=True, slots=True)
class Target:
    """The object of the examination.

    Attributes:
        text: As given by the user.
        kind: A function by its name or ARN; or a URL: a Function URL, one of API Gateway, or another.
        function: The function's name or ARN, if known.
        region: The region that a URL or an ARN names, if any.
        api_id: The id of an API of API Gateway.
        path: The path of a URL, below the stage for API Gateway.
    """

    text: str
    kind: Literal["function", "function-url", "api-gateway", "url"]
    function: str | None = None
    region: str | None = None
    api_id: str | None = None
    path: str = "/"


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts about one target; None: not requested."""

    target: Target
    region: Answer[str]
    identity: Answer[Identity]
    configuration: Answer[Mapping[str, Any]] | None = None
    concurrency: Answer[int | None] | None = None
    update_mode: Answer[str] | None = None
    urls: Answer[Sequence[Mapping[str, Any]]] | None = None
    policy: Answer[Sequence[Mapping[str, Any]]] | None = None
    package: Answer[Package] | None = None
    integration: Answer[Integration] | None = None

    @property
    def known(self) -> Mapping[str, Any]:
        """The function's configuration, if it could be read, else empty."""
        unknown = self.configuration is None or isinstance(self.configuration, Unread)
        return {} if unknown else cast(Mapping[str, Any], self.configuration)

    @property
    def variables(self) -> Mapping[str, str]:
        """The function's environment variables, if they could be read, else empty."""
        found: Mapping[str, str] = self.known.get("Environment", {}).get("Variables", {})
        return found
