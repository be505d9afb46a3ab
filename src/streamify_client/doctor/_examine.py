"""`examine`: read the configuration, judge it, and optionally invoke the function."""

from typing import Any

from streamify_client.request.payload import Payload

from ._checks import check
from ._facts import Facts, Unread
from ._reads import Reads, make_session
from ._report import Report
from ._target import parse_target


def examine(
    target: str,
    *,
    function: str | None = None,
    invoke: bool = False,
    payload: Payload = None,
    download: bool = True,
    session: Any = None,
    **options: Any,
) -> Report:
    """Examine a deployed function or URL, and report what keeps it from streaming.

    Nothing is invoked unless `invoke` is true, and nothing is ever changed. If a permission is missing, there
    is an "unknown" finding that names it.

    Args:
        target: A function's name or ARN, or a URL: a Function URL or one of API Gateway.
        function: The function behind a URL, if the URL does not tell.
        invoke: Also invoke the function. If it uses streamify, it answers a probe without running the
            handler; any other function runs its handler, so `payload` is required.
        payload: The event for a handler that runs.
        download: Whether to download and inspect the function's package.
        session: A ``boto3.Session``; by default a new one.
        **options: Keyword arguments of ``boto3.client`` (``region_name``, ``endpoint_url``, ``verify``,
            keys), and ``profile_name``.

    Raises:
        ConfigurationError: The target is neither a function nor a URL, or boto3 is missing.
    """
    wanted = parse_target(target, function)
    session, left = make_session(session, options)
    facts = Reads(session, left, wanted.region).facts(wanted, download=download)
    findings = check(facts)
    if _is_hopeless(facts):
        return Report(target, findings, ("Nothing else was examined.",))
    if invoke:
        from ._probe import probe

        findings += probe(facts, payload, session, left)
    return Report(target, findings, _not_checked(facts, invoke=invoke, download=download))


def _is_hopeless(facts: Facts) -> bool:
    unread = (facts.region, facts.identity, facts.configuration)
    return any(isinstance(each, Unread) and (each.fatal or each.absent) for each in unread)


def _not_checked(facts: Facts, *, invoke: bool, download: bool) -> tuple[str, ...]:
    left = []
    if not invoke:
        left.append(
            "The function was not invoked (--invoke): whether bytes really arrive in pieces is not known."
        )
    if not download:
        left.append("The package was not downloaded.")
    if facts.target.api_id:
        left.append("Whether the API's stage was deployed since its integration was set is not known.")
    if facts.target.kind == "url":
        left.append("What stands in front of this URL (CloudFront, a proxy) was not looked at.")
    left.append("Identity policies, service control policies, VPC routes and quotas were not read.")
    return tuple(left)
