"""The plugin in test runs of their own, as a project that has installed streamify would see it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

APP = """
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    yield "one "
    if event.get("gate"):
        open(event["gate"]).close()
    yield "two"
"""
PREPARED = """
import boto3, os, pytest
from streamify_client import StreamClient

@pytest.fixture
def fn(local_lambda):
    local_lambda.add_function("fn", handler="app.handler", code=os.path.dirname(__file__), timeout=30)
    return local_lambda

"""

INI = """
[pytest]
addopts = -p no:cacheprovider -p no:hypothesispytest -p no:anyio
filterwarnings =
    error
    ignore:datetime.datetime.utc:DeprecationWarning
asyncio_default_fixture_loop_scope = function
"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Run pytest, in a process of its own, on a file with this source."""

    def run_source(source: str, *arguments: str, ini: str = "") -> pytest.RunResult:
        pytester.makepyfile(app=APP, test_it=PREPARED + source)
        pytester.makeini(f"{INI}\n{ini}")
        return pytester.runpytest_subprocess(*arguments, timeout=60)

    return run_source


def test_each_test_has_a_local_lambda_of_its_own(run: Run) -> None:
    result = run("""
seen = []

@pytest.mark.parametrize("number", [1, 2])
def test_stream(fn, number):
    seen.append(fn.endpoint_url)
    with StreamClient(**fn.client_kwargs, verified="off") as client:
        assert client.stream("fn", {"number": number}).text() == "one two"
    (record,) = fn.invocations("fn")
    assert (record.payload, record.status, record.bytes) == (b'{"number":%d}' % number, "success", 7)

def test_they_are_two():
    assert len(set(seen)) == 2
""")
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("arguments", "ini"), [(["--local-lambda-scope=session"], ""), ([], "local_lambda_scope = session")]
)
def test_all_tests_can_share_one(run: Run, arguments: list[str], ini: str) -> None:
    result = run(
        """
seen = []

@pytest.mark.parametrize("number", [1, 2])
def test_stream(local_lambda, number):
    seen.append(local_lambda.endpoint_url)

def test_they_are_one():
    assert len(set(seen)) == 1
""",
        *arguments,
        ini=ini,
    )
    result.assert_outcomes(passed=3)


def test_a_test_may_stop_its_local_lambda_and_start_it_again(run: Run) -> None:
    result = run("""
def test_stop(local_lambda):
    local_lambda.stop()

def test_restart(local_lambda):
    local_lambda.stop()
    local_lambda.start()
""")
    result.assert_outcomes(passed=2)


def test_a_scope_that_is_none_is_refused(run: Run) -> None:
    result = run("def test_it(): ...", ini="local_lambda_scope = sometimes")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*local_lambda_scope is one of function, *, session, not 'sometimes'."])


def test_the_marker_hands_arguments_on(run: Run) -> None:
    source = """
@pytest.mark.local_lambda(region_name="eu-west-1")
def test_it(local_lambda):
    assert local_lambda.client_kwargs["region_name"] == "eu-west-1"
"""
    run(source, "--strict-markers").assert_outcomes(passed=1)
    shared = run(source, "--local-lambda-scope=session")
    shared.assert_outcomes(errors=1)
    shared.stdout.fnmatch_lines(["*The marker local_lambda needs a LocalLambda for each test*"])


def test_canned_streams_need_no_server(run: Run) -> None:
    result = run("""
import sys
from streamify_client import TruncatedStreamError
from streamify_client.testing import Stream

def test_it(lambda_stream):
    lambda_stream.on("fn", Stream(["a", "b"]), Stream("a", fault="truncated"))
    with lambda_stream.client() as client:
        assert client.stream("fn", {"x": 1}).text() == "ab"
        with pytest.raises(TruncatedStreamError):
            client.stream("fn").text()
    assert lambda_stream.calls[0].payload == {"x": 1}
    assert "streamify_server.local" not in sys.modules
""")
    result.assert_outcomes(passed=1)


def test_a_local_lambda_that_a_test_leaves_running_fails_it(run: Run) -> None:
    result = run("""
def test_it():
    from streamify_server.local import LocalLambda
    LocalLambda().start()

def test_the_next_is_not_blamed(local_lambda): ...
""")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_it*", "The test left a LocalLambda running: use it in a with block,*"]
    )


def test_a_fixture_that_leaves_one_running_fails_its_test(run: Run) -> None:
    result = run("""
@pytest.fixture
def aws():
    from streamify_server.local import LocalLambda
    return LocalLambda().start()

def test_it(aws): ...
""")
    result.assert_outcomes(passed=1, errors=1)


def test_fixtures_of_a_wider_scope_may_keep_theirs(run: Run) -> None:
    result = run("""
@pytest.fixture(scope="module")
def aws():
    from streamify_server.local import LocalLambda
    with LocalLambda() as running:
        yield running

def test_it(aws): ...
def test_lazily(request): request.getfixturevalue("aws")
""")
    result.assert_outcomes(passed=2)


def test_what_is_set_up_outside_fixtures_may_outlive_a_test(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
import pytest

class Collected(pytest.Item):
    def setup(self):
        from streamify_server.local import LocalLambda
        if self.name == "first":
            self.parent.aws = LocalLambda().start()

    def runtest(self):
        if self.name == "last":
            self.parent.aws.stop()

class Page(pytest.File):
    def collect(self):
        return [Collected.from_parent(self, name=name) for name in ("first", "last")]

def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".md":
        return Page.from_parent(parent, path=file_path)
""")
    pytester.path.joinpath("page.md").touch()
    run("", "page.md").assert_outcomes(passed=2)


LEFT_OPEN = """
kept = []

def test_it(fn):
    gate = os.path.join(os.path.dirname(__file__), "gate")
    os.mkfifo(gate)
    client = boto3.client("lambda", **fn.client_kwargs)
    stream = client.invoke_with_response_stream(FunctionName="fn", Payload=b'{"gate": "%b"}' % gate.encode())
    kept.append(stream["EventStream"])
    assert next(iter(kept[0]))
    FINALLY
"""


@pytest.mark.parametrize("scope", ["function", "session"])
def test_a_response_that_a_test_leaves_open_fails_it(run: Run, scope: str) -> None:
    result = run(LEFT_OPEN.replace("FINALLY", "pass"), f"--local-lambda-scope={scope}", "-W", "ignore")
    result.assert_outcomes(passed=1, errors=1)
    path = "/2021-11-15/functions/fn/response-streaming-invocations"
    result.stdout.fnmatch_lines([f"The test left a response open, that of POST {path}*"])


def test_a_response_that_was_closed_is_none_of_them(run: Run) -> None:
    run(LEFT_OPEN.replace("FINALLY", "kept[0].close()")).assert_outcomes(passed=1)


def test_a_test_that_failed_is_not_blamed_for_open_responses_too(run: Run) -> None:
    run(LEFT_OPEN.replace("FINALLY", "assert 0"), "-W", "ignore").assert_outcomes(failed=1)


LEFT_UNREAD = """
kept = []

def test_it(fn):
    client = boto3.client("lambda", **fn.client_kwargs)
    kept.append(client.invoke_with_response_stream(FunctionName="fn", Payload=b"{}")["EventStream"])
    assert next(iter(kept[0]))
    FINALLY
"""


@pytest.mark.parametrize("scope", ["function", "session"])
def test_a_response_that_was_sent_whole_and_not_read_fails_it_too(run: Run, scope: str) -> None:
    source = LEFT_UNREAD.replace("FINALLY", "pass")
    result = run(source, f"--local-lambda-scope={scope}", "-W", "ignore")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["The test left a response open, that of POST */fn/response-streaming-*"])
    run(LEFT_UNREAD.replace("FINALLY", "list(kept[0])")).assert_outcomes(passed=1)


FAILING = """
from streamify_server.local import Fault, LocalLambda

BROKEN = '''
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    print("looking at", event)
    yield "one "
    yield event["name"]
'''

def invoke(aws, payload=b"{}"):
    client = boto3.client("lambda", **aws.client_kwargs)
    list(client.invoke_with_response_stream(FunctionName="broken", Payload=payload)["EventStream"])
    client.close()

@pytest.fixture
def broken(fn, tmp_path):
    tmp_path.joinpath("broken.py").write_text(BROKEN)
    fn.add_function("broken", handler="broken.handler", code=tmp_path, timeout=30)
    return fn

def test_before(broken):
    invoke(broken, b'{"name": "of the test before"}')

def test_it(broken):
    invoke(broken)
    broken.inject("broken", Fault(drop_end=True), times=1)
    invoke(broken, b'{"name": "two"}')
    assert 0

def test_own(tmp_path):
    tmp_path.joinpath("broken.py").write_text(BROKEN)
    with LocalLambda() as aws:
        aws.add_function("broken", handler="broken.handler", code=tmp_path, timeout=30)
        invoke(aws, b'{"name": "of my own"}')
    assert 0
"""


@pytest.mark.parametrize("arguments", [[], ["-n2"], ["--local-lambda-scope=session"]])
def test_a_failed_test_is_reported_with_logs_tracebacks_and_faults(run: Run, arguments: list[str]) -> None:
    result = run(FAILING, *arguments)
    result.assert_outcomes(passed=1, failed=2)
    report = result.stdout.str()
    start = report.index("broken │ looking at {}\n")
    expected = [
        "broken │ looking at {}",
        "broken │ KeyError: 'name'",
        "broken │   broken.py:8 in handler",
        'broken │       yield event["name"]',
        "broken │ looking at {'name': 'two'}",
        "fault   broken  sent no end event",
    ]
    assert report[start:].splitlines()[: len(expected)] == expected
    assert "- LocalLambda -" in report
    assert "of the test before" not in report
    assert "│ looking at {'name': 'of my own'}" in report
    assert "RequestId" not in report


def test_a_test_that_passes_is_reported_without_them(run: Run) -> None:
    result = run(FAILING, "-rA", "-k", "test_before")
    result.assert_outcomes(passed=1, deselected=2)
    result.stdout.no_fnmatch_line("*of the test before*")


def test_a_function_process_that_outlives_its_local_lambda_fails_the_test(run: Run) -> None:
    result = run("""
@pytest.fixture
def undead(local_lambda):
    local_lambda.process_ids = lambda: [os.getpid()]

def test_it(undead): ...
""")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["The function process * still runs after its LocalLambda was stopped."])


def test_the_leak_check_can_be_switched_off(run: Run) -> None:
    source = LEFT_OPEN.replace("FINALLY", "pass")
    result = run(source, "-W", "ignore", ini="local_lambda_leak_check = false")
    result.assert_outcomes(passed=1)


def test_what_one_block_of_a_page_starts_the_next_may_use(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"]).pytest()
""")
    start = "from streamify_server.local import LocalLambda\naws = LocalLambda().start()\n"
    pytester.makefile(".md", page=f"```python\n{start}```\n\n```python\naws.stop()\n```\n")
    run("def test_it(): ...", "page.md").assert_outcomes(passed=2)


def test_it_works_with_xdist(run: Run) -> None:
    result = run(
        """
@pytest.mark.parametrize("number", range(4))
def test_stream(fn, number):
    with StreamClient(**fn.client_kwargs) as client:
        assert client.stream("fn").text() == "one two"
""",
        "-n2",
        "--local-lambda-scope=session",
    )
    result.assert_outcomes(passed=4)


def test_it_works_with_asyncio_tests_and_fixtures(run: Run) -> None:
    result = run(
        """
import pytest_asyncio
from streamify_client import AsyncStreamClient

@pytest_asyncio.fixture
async def client(fn):
    async with AsyncStreamClient(**fn.client_kwargs) as client:
        yield client

@pytest.mark.asyncio
async def test_stream(client, fn):
    assert [chunk async for chunk in client.stream("fn")] == ["one ", "two"]

@pytest.mark.asyncio
async def test_canned(lambda_stream):
    from streamify_client.testing import Stream
    lambda_stream.on("fn", Stream("canned"))
    async with lambda_stream.async_client() as client:
        assert await client.stream("fn").text() == "canned"
""",
    )
    result.assert_outcomes(passed=2)


def test_who_does_not_use_it_pays_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
import sys

def test_it(pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin("streamify")
    names = {name.partition(".")[0] for name in sys.modules}
    assert not names & {"boto3", "botocore", "h11", "click", "rich", "streamify_client", "awslambdaric"}
    assert "streamify_server.local" not in sys.modules
""")
    pytester.runpytest_subprocess("-p", "no:xdist", "-p", "no:anyio").assert_outcomes(passed=1)


def test_the_fixtures_are_listed_with_what_they_do(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--fixtures")
    result.stdout.fnmatch_lines_random(
        ["local_lambda*", "*A started LocalLambda*", "lambda_stream*", "*Canned streams*"]
    )


def test_what_the_documentation_shows_passes(pytester: pytest.Pytester) -> None:
    root = Path(__file__).parent.parent.parent
    blocks = re.findall(
        r"```python\n(.*?)```", (root / "docs" / "pytest.md").read_text(encoding="utf-8"), re.S
    )
    (function,) = (block for block in blocks if block.startswith("# words.py"))
    blocks.remove(function)
    pytester.makepyfile("\n".join(blocks), words=function)
    pytester.makeini(INI)
    pytester.runpytest_subprocess("--strict-markers").assert_outcomes(passed=4)
