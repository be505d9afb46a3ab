"""Read facts about a target from AWS's APIs. Nothing is invoked and nothing is changed."""

import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, TypeVar

from streamify_client._extras import require
from streamify_client.errors import ConfigurationError

from ._facts import Answer, Facts, Identity, Integration, Target, Unread
from ._package import Package, read_package

T = TypeVar("T")

PACKAGE_LIMIT = 300 * 1024 * 1024  # bytes; Lambda's own limit for an unpacked package is 250 MB
_DENIED = ("AccessDeniedException", "AccessDenied", "UnauthorizedException", "UnauthorizedOperation")
_ABSENT = ("ResourceNotFoundException", "NotFoundException")
# An ARN, a partial one or a name, and a qualifier.
_NAMED = re.compile(r"((?:.*function:|\d{12}:)?[^:]+)(?::[^:]+)?")
_CHECK_NETWORK = "Check the network, proxies on the way, the region and the endpoint."
_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError)
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId")


def make_session(session: Any, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a boto3 session, and the arguments for all its clients.

    Raises:
        ConfigurationError: boto3 is missing, or the profile does not exist.
    """
    boto3 = require("boto3", "streamify doctor", "client")
    left = dict(options)
    profile = left.pop("profile_name", None)
    if session is None:
        try:
            session = boto3.Session(profile_name=profile)
        except (
            Exception
        ) as error:  # botocore's ProfileNotFound; botocore is not imported before boto3 is there
            raise ConfigurationError(f"The AWS profile {profile!r} cannot be used: {error}.") from error
    return session, left


class Reads:
    """Reads the facts about one target, each fact once.

    Args:
        session: A boto3 session.
        options: Arguments for each boto3 client, such as ``endpoint_url``.
        region: The region to use; None: the session's.
    """

    def __init__(self, session: Any, options: Mapping[str, Any], region: str | None) -> None:
        from botocore.config import Config

        self._session = session
        self._options = {**options, "region_name": options.get("region_name") or region}
        self._config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})

    def facts(self, target: Target, *, download: bool) -> Facts:
        """Read all facts about a target; stop after a fatal error."""
        region = self._region()
        identity = region if isinstance(region, Unread) else self._identity()
        facts = Facts(target, region=region, identity=identity)
        if isinstance(identity, Unread) and identity.fatal:
            return facts
        integration = self._integration(target) if target.api_id else None
        known = integration if isinstance(integration, Integration) else None
        function = target.function or (known.function if known else None)
        if function is None:
            return Facts(target, region=region, identity=identity, integration=integration)
        configuration = self._configuration(function)
        if isinstance(configuration, Unread) and (configuration.absent or configuration.fatal):
            return Facts(target, region, identity, configuration=configuration, integration=integration)
        return Facts(
            target,
            region=region,
            identity=identity,
            configuration=configuration,
            concurrency=self._concurrency(function),
            update_mode=self._update_mode(function),
            urls=self._urls(function),
            policy=self._policy(function),
            package=self._package(function, configuration) if download else None,
            integration=integration,
        )

    def _region(self) -> Answer[str]:
        region = self._options["region_name"] or self._session.region_name
        if not region:
            return Unread("no region is set", cure="Pass --region, or set AWS_DEFAULT_REGION.")
        self._options["region_name"] = region
        return str(region)

    def _identity(self) -> Answer[Identity]:
        answer = self._ask("sts", "get_caller_identity", "sts:GetCallerIdentity")
        if isinstance(answer, Unread):
            return answer
        return Identity(answer.get("Arn", ""), answer.get("Account", ""))

    def _configuration(self, function: str) -> Answer[Mapping[str, Any]]:
        return self._lambda("get_function_configuration", "GetFunctionConfiguration", FunctionName=function)

    def _concurrency(self, function: str) -> Answer[int | None]:
        answer = self._lambda(
            "get_function_concurrency", "GetFunctionConcurrency", FunctionName=_bare(function)
        )
        return answer if isinstance(answer, Unread) else answer.get("ReservedConcurrentExecutions")

    def _update_mode(self, function: str) -> Answer[str]:
        name = "get_runtime_management_config"
        answer = self._lambda(name, "GetRuntimeManagementConfig", FunctionName=_bare(function))
        return answer if isinstance(answer, Unread) else str(answer.get("UpdateRuntimeOn", "Auto"))

    def _urls(self, function: str) -> Answer[Sequence[Mapping[str, Any]]]:
        name = "list_function_url_configs"
        answer = self._lambda(name, "ListFunctionUrlConfigs", FunctionName=_bare(function))
        if isinstance(answer, Unread):
            return () if answer.absent else answer
        found: Sequence[Mapping[str, Any]] = answer.get("FunctionUrlConfigs", ())
        return found

    def _policy(self, function: str) -> Answer[Sequence[Mapping[str, Any]]]:
        answer = self._lambda("get_policy", "GetPolicy", FunctionName=function)
        if isinstance(answer, Unread):
            return () if answer.absent else answer
        try:
            statements = json.loads(answer["Policy"]).get("Statement", [])
        except (KeyError, ValueError, AttributeError):
            return Unread("the policy is not a JSON document")
        return [statements] if isinstance(statements, Mapping) else statements

    def _package(self, function: str, configuration: Answer[Mapping[str, Any]]) -> Answer[Package]:
        known: Mapping[str, Any] = {} if isinstance(configuration, Unread) else configuration
        if known.get("PackageType") == "Image":
            return Unread("the function is a container image, which has no package to download")
        answer = self._lambda("get_function", "GetFunction", FunctionName=function)
        if isinstance(answer, Unread):
            return answer
        handler = known.get("Handler") or answer.get("Configuration", {}).get("Handler", "")
        location = str(answer.get("Code", {}).get("Location", ""))
        if not location.lower().startswith(("http://", "https://")):
            return Unread("the service gave no URL to download the package from")
        return _download(location, handler, self._options.get("verify"))

    def _integration(self, target: Target) -> Answer[Integration]:
        arguments: dict[str, Any] = {"restApiId": target.api_id, "embed": ["methods"], "limit": 500}
        found: list[Mapping[str, Any]] = []
        while True:
            answer = self._ask("apigateway", "get_resources", "apigateway:GET", **arguments)
            if isinstance(answer, Unread):
                return answer
            found += answer.get("items", [])
            if not answer.get("position"):
                break
            arguments["position"] = answer["position"]
        integration = _matching(found, target.path)
        if isinstance(integration, Integration) and not self._knows("Integration", "responseTransferMode"):
            return replace(integration, transfer_mode=None)
        return integration

    def _knows(self, shape: str, member: str) -> bool:
        """Return whether the installed boto3 knows a member; it omits unknown ones."""
        with closing(self._session.client("apigateway", config=self._config, **self._options)) as client:
            return member in client.meta.service_model.shape_for(shape).members

    def _lambda(self, method: str, permission: str, **arguments: Any) -> Answer[Mapping[str, Any]]:
        return self._ask("lambda", method, f"lambda:{permission}", **arguments)

    def _ask(self, service: str, method: str, permission: str, **arguments: Any) -> Answer[Mapping[str, Any]]:
        def ask() -> Mapping[str, Any]:
            with closing(self._session.client(service, config=self._config, **self._options)) as client:
                answer: Mapping[str, Any] = getattr(client, method)(**arguments)
                return answer

        return _answered(ask, permission)


def _answered(ask: Callable[[], T], permission: str) -> Answer[T]:
    from botocore import exceptions

    try:
        return ask()
    except exceptions.ClientError as error:
        return _refused(error.response, permission)
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
        return Unread("no credentials were found", cure="Configure them as for the AWS CLI.")
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        return Unread(f"the service cannot be reached ({error})", cure=_CHECK_NETWORK)
    except AttributeError:
        return Unread(f"the installed boto3 does not know {permission}: upgrade boto3")
    except (exceptions.BotoCoreError, ValueError) as error:
        return Unread(f"boto3 cannot ask ({error})", cure="Check the arguments and the AWS configuration.")


def _refused(response: Mapping[str, Any], permission: str) -> Unread:
    error = response.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if code in _ABSENT:
        return Unread(message or "there is no such thing", absent=True)
    if code in _DENIED:
        return Unread(f"needs {permission}")
    if code in _EXPIRED:
        refused = f"the credentials are not accepted ({code}: {message})"
        return Unread(refused, cure="Renew them: aws sso login, or new keys.")
    return Unread(f"{permission} was answered with {code}: {message}")


def _download(location: str, handler: str, verify: bool | str | None) -> Answer[Package]:
    """Download the package as boto3 would: with the same proxies and certificates."""
    import urllib3
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import HTTPClientError
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies

    options: Any = {"verify": True if verify is None else verify, "timeout": (5, 30)}
    session = URLLib3Session(proxies=get_environ_proxies(location), **options)
    try:
        with tempfile.TemporaryFile() as file:
            answer = session.send(AWSRequest("GET", location, stream_output=True).prepare())
            if answer.status_code != 200:
                return Unread(f"the download was answered with HTTP status {answer.status_code}")
            for piece in answer.raw.stream(256 * 1024):
                if file.tell() + len(piece) > PACKAGE_LIMIT:
                    return Unread(f"the package is larger than {PACKAGE_LIMIT // 1024**2} MiB")
                file.write(piece)
            file.seek(0)
            return read_package(file, handler)
    except (HTTPClientError, urllib3.exceptions.HTTPError, *_BROKEN_ZIP) as error:
        return Unread(f"it cannot be read ({error})")
    finally:
        session.close()


def _bare(function: str) -> str:
    """Return the function without its qualifier, which some APIs do not accept."""
    named = _NAMED.fullmatch(function)
    return named[1] if named else function


def _matching(resources: Sequence[Mapping[str, Any]], path: str) -> Answer[Integration]:
    best = max((each for each in resources if _covers(each["path"], path)), key=_exactness, default=None)
    methods = (best or {}).get("resourceMethods", {})
    if best is None or not methods:
        return Unread(f"the API has no method at {path}", absent=True)
    name = next((each for each in ("ANY", "POST", "GET") if each in methods), min(methods))
    method = methods[name]
    integration = method.get("methodIntegration", {})
    return Integration(
        method=name,
        path=best["path"],
        kind=integration.get("type", ""),
        uri=integration.get("uri", ""),
        transfer_mode=integration.get("responseTransferMode", "BUFFERED"),
        authorization=method.get("authorizationType", "NONE"),
        api_key_required=method.get("apiKeyRequired", False),
        role=bool(integration.get("credentials")),
    )


def _exactness(resource: Mapping[str, Any]) -> tuple[bool, int]:
    return "{" not in resource["path"], len(resource["path"])


def _covers(pattern: str, path: str) -> bool:
    wanted, given = pattern.strip("/").split("/"), path.strip("/").split("/")
    for at, part in enumerate(wanted):
        if part.startswith("{") and part.endswith("+}"):
            return len(given) > at and bool(given[at])
        if at >= len(given) or (not part.startswith("{") and part != given[at]):
            return False
    return len(wanted) == len(given)
