"""What the responses of AWS's APIs mean for a stream: from facts to findings, without I/O.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html,
https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html.
"""

from collections.abc import Callable, Iterator, Mapping

from ._facts import Facts, Identity, Integration, Unread
from ._policy import allows, allows_api, denies
from ._report import Finding
from ._streaming import streaming

_SHORT_TIMEOUT = 3  # seconds: Lambda's default
_SMALL_MEMORY = 128  # MB: Lambda's default
_STREAMING_PATH = "/2021-11-15/functions/"
_INVOKE_PATH = "response-streaming-invocations"


def check(facts: Facts) -> tuple[Finding, ...]:
    """Return the findings on these facts, in a fixed order."""
    if isinstance(facts.region, Unread):
        return (_hopeless("region", facts.region),)
    if isinstance(facts.identity, Unread) and facts.identity.fatal:
        return (_hopeless("credentials", facts.identity),)
    return tuple(finding for part in _PARTS for finding in part(facts))


def _caller(facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.identity, Identity):
        seen = f"You are {facts.identity.arn} in account {facts.identity.account}, region {facts.region}."
        yield Finding("ok", "credentials", seen)
    else:
        assert isinstance(facts.identity, Unread)
        yield _unknown("credentials", "Who you are", facts.identity)


def _api(facts: Facts) -> Iterator[Finding]:
    found = facts.integration
    if found is None:
        return
    if isinstance(found, Unread):
        if found.absent:
            seen = f"API {facts.target.api_id} is not a REST API in {facts.region}, or has no method here."
            cure = "An HTTP API cannot stream; use a REST API in STREAM mode or a Function URL."
            yield Finding("FAIL", "api.integration", seen, cure)
        else:
            yield _unknown("api.integration", "The API's integration", found)
        return
    yield _api_target(found, facts.target.function)
    yield _transfer_mode(found)
    yield _authorizer(found)
    yield from _api_permission(facts, found)


def _api_target(found: Integration, function: str | None) -> Finding:
    where = f"{found.method} {found.path}"
    if found.kind != "AWS_PROXY":
        seen = f"{where} has an integration of type {found.kind or 'none'}."
        cure = "Only AWS_PROXY streams from a function; HTTP_PROXY to the Function URL is the other way."
        level = "warn" if found.kind == "HTTP_PROXY" else "FAIL"
        return Finding(level, "api.integration", seen, cure)  # type: ignore[arg-type]
    if _STREAMING_PATH not in found.uri or _INVOKE_PATH not in found.uri:
        seen = f"{where} invokes {found.uri or 'nothing'}, which buffers: a stream becomes a 500."
        cure = f"Set its URI to ...{_STREAMING_PATH}FUNCTION_ARN/{_INVOKE_PATH}, and deploy the API."
        return Finding("FAIL", "api.integration", seen, cure)
    if function and found.function and bare_name(function) != bare_name(found.function):
        seen = f"{where} invokes {found.function}, and not {function}."
        return Finding("FAIL", "api.integration", seen, "Name the function that it invokes, or set its URI.")
    return Finding("ok", "api.integration", f"{where} invokes the function with response streaming.")


def _transfer_mode(found: Integration) -> Finding:
    if found.transfer_mode == "STREAM":
        return Finding("ok", "api.transfer-mode", "responseTransferMode is STREAM.")
    if found.transfer_mode is None:
        seen = "The installed boto3 does not know responseTransferMode."
        return Finding("unknown", "api.transfer-mode", seen, "Upgrade boto3.")
    seen = f"responseTransferMode is {found.transfer_mode}: the response arrives in one piece, or as a 500."
    return Finding(
        "FAIL", "api.transfer-mode", seen, "Set responseTransferMode to STREAM, and deploy the API."
    )


def _authorizer(found: Integration) -> Finding:
    if not found.guarded:
        seen = "Anybody may call this method: it has no authorizer and needs no API key."
        return Finding(
            "warn", "api.authorizer", seen, "Add an authorizer and throttling, unless this is meant."
        )
    kind = found.authorization if found.authorization != "NONE" else "an API key"
    return Finding("ok", "api.authorizer", f"Callers need authorization: {kind}.")


def _api_permission(facts: Facts, found: Integration) -> Iterator[Finding]:
    api, policy = facts.target.api_id or "", facts.policy
    if policy is None or found.role or found.kind != "AWS_PROXY":
        return
    if isinstance(policy, Unread):
        yield _unknown("api.permission", "The resource policy", policy)
    elif any(allows_api(statement, api) for statement in policy):
        yield Finding("ok", "api.permission", "The resource policy lets the API invoke the function.")
    else:
        arn = f"arn:aws:execute-api:{facts.region}:{_account(facts)}:{api}/*"
        seen = f"The resource policy does not let API {api} invoke the function: it answers 500."
        cure = (
            f"aws lambda add-permission --function-name {_name(facts)} --statement-id {api} "
            f"--action lambda:InvokeFunction --principal apigateway.amazonaws.com --source-arn '{arn}'"
        )
        yield Finding("FAIL", "api.permission", seen, cure)


def _account(facts: Facts) -> str:
    return facts.identity.account if isinstance(facts.identity, Identity) else "ACCOUNT"


def bare_name(function: str) -> str:
    """Return the name of a function, without ARN and qualifier."""
    name = function.partition("function:")[2] or function
    return name.partition(":")[0]


def _function(facts: Facts) -> Iterator[Finding]:
    found = facts.configuration
    if found is None:
        seen = f"Which function answers {facts.target.text} cannot be seen from the URL."
        yield Finding("unknown", "function", seen, "Name it: --function NAME.")
        return
    if isinstance(found, Unread):
        if found.absent:
            seen = f"There is no function {facts.target.function} in {facts.region}: {found.reason}."
            yield Finding("FAIL", "function", seen, "Check the name, the region and the account.")
        elif found.fatal:
            yield _hopeless("function", found)
        else:
            yield _unknown("function", "The function's configuration", found)
        return
    yield _state(found)
    yield from _runtime(found)
    yield from _limits(found)
    if error := found.get("Environment", {}).get("Error"):
        why = f"{error.get('ErrorCode')}: {error.get('Message')}".rstrip(".")
        seen = f"Its environment variables could not be read: {why}."
        yield Finding("unknown", "variables", seen, "Allow kms:Decrypt with the function's key.")


def _state(found: Mapping[str, object]) -> Finding:
    name, state = found.get("FunctionName"), found.get("State", "Active")
    if state in ("Active", "Inactive"):
        return Finding("ok", "function", f"{name} is {str(state).lower()}, version {found.get('Version')}.")
    reason = found.get("StateReason") or "no reason given"
    return Finding("FAIL", "function", f"{name} is {state}: {reason}.", "Wait for it, or deploy it again.")


def _runtime(found: Mapping[str, object]) -> Iterator[Finding]:
    package_type = found.get("PackageType", "Zip")
    architectures = found.get("Architectures") or ["x86_64"]
    assert isinstance(architectures, list)
    runtime = found.get("Runtime") or "a container image" if package_type == "Image" else found.get("Runtime")
    handler = f", handler {found['Handler']}" if found.get("Handler") else ""
    yield Finding("ok", "runtime", f"Runtime {runtime} on {', '.join(architectures)}{handler}.")


def _limits(found: Mapping[str, object]) -> Iterator[Finding]:
    timeout, memory = found.get("Timeout", _SHORT_TIMEOUT), found.get("MemorySize", _SMALL_MEMORY)
    assert isinstance(timeout, int)
    assert isinstance(memory, int)
    if timeout <= _SHORT_TIMEOUT:
        seen = f"The timeout is {timeout} s: Lambda ends the stream then, without telling the caller."
        yield Finding("warn", "timeout", seen, "Set a timeout that covers the whole stream.")
    else:
        yield Finding("ok", "timeout", f"The timeout is {timeout} s, for the whole stream.")
    if memory <= _SMALL_MEMORY:
        seen = f"The function has {memory} MB, and CPU in proportion to it: imports and chunks are slow."
        yield Finding("warn", "memory", seen, "Try 512 MB or more and compare time to first byte.")
    else:
        yield Finding("ok", "memory", f"The function has {memory} MB.")


def _streams(facts: Facts) -> Iterator[Finding]:
    if facts.known:
        yield from streaming(facts.known, facts.variables, facts.package)


def _concurrency(facts: Facts) -> Iterator[Finding]:
    found = facts.concurrency
    if isinstance(found, Unread):
        yield _unknown("concurrency", "Reserved concurrency", found)
    elif found == 0:
        seen = "Reserved concurrency is 0: every invocation is throttled."
        yield Finding("FAIL", "concurrency", seen, "aws lambda delete-function-concurrency, or reserve more.")
    elif found is not None:
        yield Finding("ok", "concurrency", f"At most {found} streams at once (reserved concurrency).")


def _updates(facts: Facts) -> Iterator[Finding]:
    found = facts.update_mode
    if found is None or not _is_python(facts):
        return
    if isinstance(found, Unread):
        yield _unknown("updates", "The runtime's update mode", found)
    elif found == "Auto":
        seen = "AWS updates the managed runtime by itself (mode Auto), its runtime client included."
        cure = "STREAMIFY_RUNTIME=require fails at start if an update does not fit; mode FunctionUpdate pins."
        yield Finding("ok", "updates", seen, cure)
    else:
        yield Finding("ok", "updates", f"The runtime's update mode is {found}.")


def _url(facts: Facts) -> Iterator[Finding]:
    found = facts.urls
    if isinstance(found, Unread):
        yield _unknown("url", "The Function URL", found)
        return
    for url in found or ():
        yield from _invoke_mode(facts, url)
        yield _auth_type(url)
        yield from _permissions(facts, url)
    if facts.target.kind == "function-url" and found is not None:
        given = facts.target.text.partition("//")[2].partition("/")[0].lower()
        if not any(given in str(url.get("FunctionUrl", "")).lower() for url in found):
            seen = f"{facts.target.text} is not a Function URL of {facts.target.function}."
            yield Finding("FAIL", "url", seen, "Name the function that it belongs to, or check the region.")


def _invoke_mode(facts: Facts, url: Mapping[str, object]) -> Iterator[Finding]:
    mode = url.get("InvokeMode", "BUFFERED")
    if mode == "RESPONSE_STREAM":
        yield Finding("ok", "url.invoke-mode", f"{url.get('FunctionUrl')} has invoke mode RESPONSE_STREAM.")
        return
    seen = (
        f"{url.get('FunctionUrl')} has invoke mode {mode}: a stream arrives late, and a status "
        "other than 200 turns into 200 with the content missing."
    )
    name = _name(facts)
    cure = f"aws lambda update-function-url-config --function-name {name} --invoke-mode RESPONSE_STREAM"
    yield Finding("FAIL", "url.invoke-mode", seen, cure)


def _auth_type(url: Mapping[str, object]) -> Finding:
    if url.get("AuthType") == "NONE":
        seen = "AuthType is NONE: anybody who knows the URL may invoke the function."
        return Finding("warn", "url.auth", seen, "Check tokens in the function, or set AuthType to AWS_IAM.")
    return Finding("ok", "url.auth", "AuthType is AWS_IAM: callers sign their requests.")


def _permissions(facts: Facts, url: Mapping[str, object]) -> Iterator[Finding]:
    found = facts.policy
    if isinstance(found, Unread):
        yield _unknown("url.permissions", "The resource policy", found)
        return
    public = url.get("AuthType") == "NONE"
    needed = ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")
    missing = [
        each for each in needed if not any(allows(statement, each, public) for statement in found or ())
    ]
    denied = [each for each in needed if any(denies(statement, each) for statement in found or ())]
    if denied:
        seen = f"The resource policy denies {' and '.join(denied)} to everyone: the URL answers 403."
        yield Finding("FAIL", "url.permissions", seen, "Remove that statement: aws lambda remove-permission.")
    elif not missing:
        yield Finding(
            "ok", "url.permissions", "The resource policy allows both permissions that a URL needs."
        )
    elif public:
        seen = f"The resource policy lacks {' and '.join(missing)} for everyone: the URL answers 403."
        yield Finding(
            "FAIL", "url.permissions", seen, "; ".join(_GRANTS[each].format(_name(facts)) for each in missing)
        )
    else:
        seen = f"The resource policy does not allow {' and '.join(missing)}; the caller's own policy may."
        cure = f"Allow {' and '.join(needed)} in the policy of the caller of the URL."
        yield Finding("unknown", "url.permissions", seen, cure)


_GRANTS = {
    "lambda:InvokeFunctionUrl": (
        "aws lambda add-permission --function-name {} --statement-id url-public "
        "--action lambda:InvokeFunctionUrl --principal '*' --function-url-auth-type NONE"
    ),
    "lambda:InvokeFunction": (
        "aws lambda add-permission --function-name {} --statement-id url-public-invoke "
        "--action lambda:InvokeFunction --principal '*' --invoked-via-function-url"
    ),
}


def _is_python(facts: Facts) -> bool:
    return str(facts.known.get("Runtime", "")).startswith("python")


def _name(facts: Facts) -> str:
    return str(facts.known.get("FunctionName") or facts.target.function or "FUNCTION")


def _unknown(check: str, what: str, unread: Unread) -> Finding:
    return Finding("unknown", check, f"{what} could not be read: {unread.reason.rstrip('.')}.")


def _hopeless(check: str, unread: Unread) -> Finding:
    seen = f"{unread.reason[:1].upper()}{unread.reason[1:].rstrip('.')}."
    return Finding("FAIL", check, seen, unread.cure)


_PARTS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    _caller,
    _api,
    _function,
    _streams,
    _concurrency,
    _updates,
    _url,
)
