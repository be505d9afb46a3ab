"""Why verified streams matter: on a wire that hides every failure, the paired client still tells."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matrix.cells import Call, run, run_async
from matrix.table import VIEWS
from streamify_client import AsyncStreamClient, FunctionError, StreamClient, TruncatedStreamError
from streamify_server.local import LocalLambda
from support.local import body_of, boto3_client, stream

FUNCTIONS = Path(__file__).parent / "functions"
FAULTS = ("raise", "kill", "deadline")


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalLambda]:
    with LocalLambda(stream_errors="observed") as local:
        local.add_function("large", handler="large.handler", code=FUNCTIONS, timeout=1.5)
        yield local


@pytest.mark.parametrize("late", [False, True], ids=["before-the-first-byte", "after-1-MB"])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_paired_client_raises_in_every_view_without_being_asked_to(
    aws: LocalLambda, fault: str, late: bool
) -> None:
    call = Call("large", {"fault": fault, "late": late}, {})
    wanted: Any = TruncatedStreamError if fault == "kill" and late else FunctionError
    with StreamClient(**aws.client_kwargs) as client:
        outcomes = {view: run(client, view, call) for view in VIEWS if view not in ("pandas", "arrow")}
        assert {view: type(outcome.error) for view, outcome in outcomes.items()} == dict.fromkeys(
            outcomes, wanted
        )
        if fault == "raise":
            error = outcomes["lines"].error
            assert isinstance(error, FunctionError)
            assert (error.error_type, error.error_message) == ("LookupError", "the rows are gone")
            assert "large.py" in "".join(error.stack_trace)
    assert not outcomes["file"].file_left


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_paired_async_client_raises_as_well(aws: LocalLambda, fault: str) -> None:
    async with AsyncStreamClient(**aws.client_kwargs) as client:
        calls = [
            run_async(client, "lines", Call("large", {"fault": fault, "late": late}, {}))
            for late in (False, True)
        ]
        early, late = await asyncio.gather(*calls)
    assert type(early.error) is FunctionError
    assert type(late.error) is (TruncatedStreamError if fault == "kill" else FunctionError)


@pytest.mark.parametrize(
    ("handler", "error_type", "told"),
    [
        ("nowhere.handler", "Runtime.ImportModuleError", "No module named 'nowhere'"),
        ("large.nothing", "Runtime.HandlerNotFound", "'nothing' missing on module 'large'"),
        ("broken.handler", "KeyError", "the setting is missing"),
    ],
)
@pytest.mark.parametrize("verified", ["auto", "require"])
async def test_a_function_that_cannot_start_says_which_and_why(
    aws: LocalLambda, handler: str, error_type: str, told: str, verified: Any
) -> None:
    aws.add_function("unstartable", handler=handler, code=FUNCTIONS)
    with StreamClient(**aws.client_kwargs) as client, pytest.raises(FunctionError) as caught:
        client.stream("unstartable", {}, verified=verified).text()
    async with AsyncStreamClient(**aws.client_kwargs) as aio:
        with pytest.raises(FunctionError) as caught_async:
            await aio.stream("unstartable", {}, verified=verified).text()
    for error in (caught.value, caught_async.value):
        assert error.error_type == error_type
        assert told in str(error)
        assert error.function == "unstartable"


@pytest.mark.parametrize("fault", FAULTS)
def test_raw_boto3_takes_the_same_failures_for_success(aws: LocalLambda, fault: str) -> None:
    client = boto3_client(aws)
    try:
        events = stream(client, "large", f'{{"fault": "{fault}", "late": true}}'.encode())
    finally:
        client.close()
    assert len(body_of(events)) > 1_000_000
    assert "InvokeComplete" in events[-1]
    assert "ErrorCode" not in events[-1]["InvokeComplete"]
