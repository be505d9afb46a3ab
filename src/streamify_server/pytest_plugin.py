"""pytest fixtures: a local Lambda, canned streams, and a check that tests leave nothing of them behind.

A test that fails is reported with what the functions of its LocalLambdas logged, and what faults did.

    def test_the_report_streams(local_lambda):
        local_lambda.add_function("report", handler="app.handler", code="src")
        assert StreamClient(**local_lambda.client_kwargs).stream("report").text() == "id,name\\n"
        assert local_lambda.invocations("report")[0].status == "success"

    def test_a_cut_stream_is_an_error(lambda_stream):
        lambda_stream.on("report", Stream("id,na", fault="cut"))
        with lambda_stream.client() as client, pytest.raises(StreamError):
            client.stream("report").read()

pytest finds this module by itself once streamify is installed, so whatever it needs beyond pytest is
imported only by the tests that use it. So one plugin can serve both packages: each is imported when its
fixture is used.
"""

import os
import sys
import threading
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from streamify_client.testing import FakeLambda

    from .local import LocalLambda

_SCOPES = ("function", "class", "module", "package", "session")
_THREAD = "LocalLambda"
_LOCAL = "streamify_server.local"
# Lines of functions in the report of a failed test; the last ones tell most.
_MAX_LINES = 300
# How long a response that has just been read may take to be over on the other side as well.
_GRACE_SECONDS = 1.0
# Sybil makes an item of each block of a page; what one block starts, a later one uses and stops.
_PAGES = "sybil."
_RUNNING = "The test left a LocalLambda running: use it in a with block, or call its stop()."

_shared = pytest.StashKey[list["LocalLambda"]]()
_passed = pytest.StashKey[bool]()
_since = pytest.StashKey[float]()
# Threads of LocalLambdas that may outlive the test that runs now, and those that its own fixtures started.
_outliving = pytest.StashKey[frozenset[threading.Thread]]()
_own = pytest.StashKey[frozenset[threading.Thread]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    scope_help = "how long the LocalLambda of the fixture local_lambda lives: " + ", ".join(_SCOPES)
    group = parser.getgroup("streamify", "AWS Lambda response streaming")
    group.addoption("--local-lambda-scope", choices=_SCOPES, metavar="SCOPE", help=scope_help)
    parser.addini("local_lambda_scope", f"{scope_help} (default: function)", default="function")
    leak_help = "whether a test that leaves a LocalLambda, a response or a function process open fails"
    parser.addini("local_lambda_leak_check", leak_help, type="bool", default=True)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_shared] = []
    config.stash[_passed] = False
    config.stash[_outliving] = config.stash[_own] = frozenset()
    marker = (
        "local_lambda(**options): arguments of the LocalLambda that the test's fixture local_lambda makes"
    )
    config.addinivalue_line("markers", marker)
    if _configured_scope(config) not in _SCOPES:
        allowed = ", ".join(_SCOPES)
        raise pytest.UsageError(f"local_lambda_scope is one of {allowed}, not {_configured_scope(config)!r}.")


def _configured_scope(config: pytest.Config) -> str:
    return str(config.getoption("--local-lambda-scope") or config.getini("local_lambda_scope"))


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    return _configured_scope(config)


@pytest.fixture(scope=_scope)
def local_lambda(request: pytest.FixtureRequest) -> Iterator["LocalLambda"]:
    """A started LocalLambda without functions; it lives as long as --local-lambda-scope says.

    `@pytest.mark.local_lambda(stream_errors="documented")` hands it arguments, where each test has its own.
    """
    from .local import LocalLambda

    config, marker = request.config, None
    if request.scope == "function":
        marker = request.node.get_closest_marker("local_lambda")
    with LocalLambda(**(marker.kwargs if marker else {})) as aws:
        config.stash[_shared].append(aws)
        yield aws
        config.stash[_shared].remove(aws)
        left = _left_open(config, aws)
        processes = aws.process_ids() if aws.running else []
    _complain(config, [*left, *map(_process_left, filter(_runs, processes))])


@pytest.fixture
def lambda_stream() -> "FakeLambda":
    """Canned streams for a client, without a server: `streamify_client.testing.FakeLambda`."""
    from streamify_client.testing import FakeLambda

    return FakeLambda()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Whatever is set up for more than one test, by fixtures or by a collector, may outlive this one."""
    stash, scope = item.config.stash, _configured_scope(item.config)
    try:
        yield
    finally:
        outliving, own = stash[_outliving], stash[_own]
        stash[_outliving] = outliving | (_threads() - own)
    if item.get_closest_marker("local_lambda") and scope != "function":
        message = "The marker local_lambda needs a LocalLambda for each test: local_lambda_scope is"
        pytest.fail(f"{message} {scope}.", pytrace=False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    item.config.stash[_outliving] = _threads()
    item.config.stash[_own] = frozenset()
    item.config.stash[_passed] = False
    item.config.stash[_since] = time.time()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    before, stash = _threads(), request.config.stash
    kind = _own if fixturedef.scope == "function" else _outliving
    try:
        return (yield)
    finally:
        known = stash[kind]
        stash[kind] = known | (_threads() - before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.config.stash[_passed] = report.passed
    if report.failed and _LOCAL in sys.modules:
        since, item.config.stash[_since] = item.config.stash[_since], time.time()
        if told := _told(since):
            report.sections.append(("LocalLambda", told))
    return report


def _told(since: float) -> str:
    """What the functions of all LocalLambdas logged and what faults did, as `streamify dev` shows it."""
    from streamify_server.dev.report import Report
    from streamify_server.local.local_lambda import all_made

    lines: list[str] = []
    for aws in all_made():
        report = Report(lines.append, lambda text, colour: text, aws.code)
        for event in aws.told_since(since):
            report.observe(event)
        report.flush()
    left_out = [f"({len(lines) - _MAX_LINES} lines before these)"] if len(lines) > _MAX_LINES else []
    return "\n".join([*left_out, *lines[-_MAX_LINES:]])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    yield
    if type(item).__module__.startswith(_PAGES):
        return
    config = item.config
    outliving = config.stash[_outliving]
    left = [] if _threads() <= outliving else [_RUNNING]
    _complain(config, [*left, *(line for aws in config.stash[_shared] for line in _left_open(config, aws))])


def _threads() -> frozenset[threading.Thread]:
    if _LOCAL not in sys.modules:
        return frozenset()
    return frozenset(thread for thread in threading.enumerate() if thread.name == _THREAD)


def _left_open(config: pytest.Config, aws: "LocalLambda") -> list[str]:
    """What a test that passed has not read to its end; one that failed had no chance to."""
    if not config.stash[_passed] or not aws.running:
        return []
    advice = "read it to its end, or close it"
    return [
        f"The test left a response open, that of {request}: {advice}."
        for request in aws.open_requests(_GRACE_SECONDS)
    ]


def _runs(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except OSError:
        return False
    return True


def _process_left(process_id: int) -> str:
    return f"The function process {process_id} still runs after its LocalLambda was stopped."


def _complain(config: pytest.Config, complaints: list[str]) -> None:
    if complaints and config.getini("local_lambda_leak_check"):
        pytest.fail("\n".join(complaints), pytrace=False)
