"""LocalLambda as an object: its life, its arguments, its guard."""

import http.client
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil
import pytest

from streamify_server.local import InvocationEnded, InvocationStarted, LocalLambda
from support.local import FUNCTIONS, ONE_ATTEMPT, Gate, add_steps, boto3_client, invoke, stream
from support.local import steps as do


def test_starting_and_stopping_twice_is_the_same_as_once() -> None:
    aws = LocalLambda()
    aws.start()
    url = aws.endpoint_url
    aws.start()
    assert aws.endpoint_url == url
    aws.stop()
    aws.stop()
    with pytest.raises(RuntimeError, match="not running"):
        _ = aws.endpoint_url


def test_functions_added_before_the_start_are_there_after_it() -> None:
    aws = LocalLambda()
    add_steps(aws)
    for _ in range(2):
        with aws:
            client = boto3_client(aws)
            assert invoke(client, do(["answer", "1"]))["Payload"] == b"1"
            client.close()


def fail_while_a_function_runs(before: set[psutil.Process]) -> None:
    with LocalLambda() as aws:
        add_steps(aws)
        client = boto3_client(aws)
        payload = do(["write", "x"], ["hang"])
        answer = client.invoke_with_response_stream(FunctionName="steps", Payload=payload)
        next(iter(answer["EventStream"]))
        answer["EventStream"].close()
        client.close()
        assert set(psutil.Process().children(recursive=True)) > before
        raise KeyboardInterrupt


def test_nothing_is_left_after_the_block_however_it_ends() -> None:
    before = set(psutil.Process().children(recursive=True))
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        fail_while_a_function_runs(before)
    assert set(psutil.Process().children(recursive=True)) == before
    assert threading.active_count() == threads


def test_a_port_that_is_taken_is_named_with_what_to_do(aws: LocalLambda) -> None:
    port = int(aws.endpoint_url.rpartition(":")[2])
    with pytest.raises(OSError, match=rf"127.0.0.1:{port} cannot be listened on: .*choose another port"):
        LocalLambda(port=port).start()


class Text:
    """What a configuration file may hold where text is wanted."""

    def __str__(self) -> str:
        return "8080"


BAD = {
    "name": ({"name": "a b", "handler": "a.b"}, "letters, digits"),
    "no handler": ({"name": "fn"}, "needs handler="),
    "code": ({"name": "fn", "handler": "a.b", "code": "/nowhere"}, "/nowhere is not one"),
    "a number in the environment": (
        {"name": "fn", "handler": "a.b", "environment": {"PORT": 8080}},
        "'PORT' of fn must be text, not int: write '8080'",
    ),
    "None in the environment": (
        {"name": "fn", "handler": "a.b", "environment": {"PORT": None}},
        "'PORT' of fn must be text, not NoneType",
    ),
    "an object in the environment": (
        {"name": "fn", "handler": "a.b", "environment": {"PORT": Text()}},
        "write '8080'",
    ),
    "NUL in the environment": ({"name": "fn", "handler": "a.b", "environment": {"A": "b\0"}}, "has a NUL"),
    "NUL in a name": ({"name": "fn", "handler": "a.b", "environment": {"A\0": "b"}}, "has a NUL"),
    "a lone surrogate": ({"name": "fn", "handler": "a.b", "environment": {"A": "\ud800"}}, "be encoded"),
    "a name with =": ({"name": "fn", "handler": "a.b", "environment": {"A=B": "c"}}, "variable named 'A=B'"),
    "an empty name": ({"name": "fn", "handler": "a.b", "environment": {"": "c"}}, "variable named ''"),
    "a name that is not text": ({"name": "fn", "handler": "a.b", "environment": {1: "c"}}, "named 1"),
    "NUL in the command": ({"name": "fn", "command": ["a\0"]}, "command of fn has a NUL"),
    "NUL in the handler": ({"name": "fn", "handler": "a.b\0"}, "has a NUL"),
    "memory": ({"name": "fn", "handler": "a.b", "memory_size": 64}, "128 to 10,240 MB, not 64"),
    "timeout": ({"name": "fn", "handler": "a.b", "timeout": 1801}, "at most 1800 seconds, not 1801"),
    "a timeout that is text": ({"name": "fn", "handler": "a.b", "timeout": "3"}, "seconds, not '3'"),
    "memory that is text": ({"name": "fn", "handler": "a.b", "memory_size": "256"}, "MB, not '256'"),
    "half a megabyte": ({"name": "fn", "handler": "a.b", "memory_size": 128.5}, "MB, not 128.5"),
    "negative concurrency": ({"name": "fn", "handler": "a.b", "concurrency": -1}, "from 0 on, not -1"),
    "concurrency that is text": ({"name": "fn", "handler": "a.b", "concurrency": "1"}, "from 0 on, not '1'"),
    "a name that is no text": ({"name": 5, "handler": "a.b"}, "letters, digits, - and _: 5"),
    "one alias": ({"name": "fn", "handler": "a.b", "aliases": "prod"}, r"list, such as \['prod'\]"),
    "an alias of digits": ({"name": "fn", "handler": "a.b", "aliases": ["12"]}, "not only digits: '12'"),
    "one layer": ({"name": "fn", "handler": "a.b", "layers": "l.zip"}, "layers is a list"),
    "a handler without a module": ({"name": "fn", "handler": "app"}, "app.handler, not 'app'"),
    "an open quote": ({"name": "fn", "command": "run 'it"}, "cannot be read: No closing quotation"),
    "a description": ({"name": "fn", "handler": "a.b", "description": 5}, "description of fn must be text"),
}


@pytest.mark.parametrize(("arguments", "words"), BAD.values(), ids=BAD.keys())
def test_a_function_that_cannot_be_is_refused_at_once(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LocalLambda().add_function(**arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"stream_errors": "both"}, "observed or documented"),
        ({"concurrency": 0}, "concurrency is a whole number from 1 on"),
        ({"region_name": "US East"}, "region_name is such as us-east-1"),
        ({"account_id": 1}, "account_id is twelve digits, not 1"),
    ],
)
def test_an_option_that_cannot_be_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LocalLambda(**arguments)


def test_what_needs_a_running_emulator_says_so() -> None:
    aws = LocalLambda()
    aws.add_function("fn", handler="a.b", code=FUNCTIONS)
    for question in (aws.process_ids, aws.inspector, lambda: aws.logs("fn"), lambda: aws.endpoint_url):
        with pytest.raises(RuntimeError, match="not running: use it in a with block"):
            question()


def test_client_kwargs_are_all_that_boto3_needs(monkeypatch: pytest.MonkeyPatch, aws: LocalLambda) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    client = boto3.client("lambda", config=ONE_ATTEMPT, **aws.client_kwargs)
    assert invoke(client, do(["answer", "1"]))["Payload"] == b"1"
    client.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_foreign_host_or_origin_is_refused(aws: LocalLambda, headers: dict[str, str]) -> None:
    address = aws.endpoint_url.removeprefix("http://")
    connection = http.client.HTTPConnection(address)
    before = len(aws.invocations("steps"))
    connection.request("POST", "/2015-03-31/functions/steps/invocations", b"{}", headers)
    assert connection.getresponse().status == 403
    connection.close()
    assert len(aws.invocations("steps")) == before


def test_it_listens_on_the_loopback_address_alone(aws: LocalLambda) -> None:
    listening = [
        connection.laddr.ip
        for connection in psutil.Process().net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("streamify:9000", 200),
        ("streamify", 200),
        ("172.17.0.2:8700", 200),
        ("[::1]:8700", 200),
        ("host.docker.internal:8700", 200),
        ("evil.example", 403),
        ("evil.example:8700", 403),
        ("internal.evil.example:8700", 403),
        ("", 403),
    ],
)
def test_where_other_machines_may_call_a_host_is_one_that_no_stranger_can_own(
    reachable: LocalLambda, host: str, status: int
) -> None:
    url = reachable.function_url("steps")
    for address in (reachable.endpoint_url, url):
        assert address.startswith("http://127.0.0.1:")
    for address, path in ((reachable.endpoint_url, "/2015-03-31/functions/"), (reachable.inspector(), "")):
        connection = http.client.HTTPConnection(urlsplit(address).netloc)
        connection.request("GET", path or urlsplit(address).path, headers={"Host": host})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        assert answer.status == status
        assert status == 200 or body.endswith(f"or one in .internal, not {host}.")


def test_an_origin_must_be_the_host_that_was_called_also_from_other_machines(reachable: LocalLambda) -> None:
    connection = http.client.HTTPConnection(reachable.endpoint_url.removeprefix("http://"))
    for origin, status in (("http://streamify:1", 200), ("http://other:1", 403)):
        connection.request("GET", "/2015-03-31/functions/", headers={"Host": "streamify:1", "Origin": origin})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


@pytest.fixture
def reachable() -> Iterator[LocalLambda]:
    with LocalLambda(host="0.0.0.0") as running:
        add_steps(running)
        yield running


def test_an_unknown_path_is_no_operation(aws: LocalLambda) -> None:
    connection = http.client.HTTPConnection(aws.endpoint_url.removeprefix("http://"))
    connection.request("GET", "/2015-03-31/functions/steps/nonsense")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
    connection.close()


def test_invocations_are_remembered_with_payload_status_and_bytes() -> None:
    with LocalLambda() as aws:
        add_steps(aws)
        client = boto3_client(aws)
        stream(client, payload=do(["write", "12345"], ["write", "678"], ["end"]))
        stream(client, payload=do(["kill"]))
        client.close()
        first, second = aws.invocations("steps")
    assert (first.mode, first.status, first.bytes, first.chunks) == ("streaming", "success", 8, 2)
    assert first.payload == do(["write", "12345"], ["write", "678"], ["end"])
    assert first.content_type == "text/plain"
    assert first.time_to_first_byte is not None
    assert first.duration is not None
    assert first.time_to_first_byte <= first.duration
    assert (second.status, second.error_type) == ("error", "Runtime.ExitError")


def test_observers_see_events_in_order_until_they_leave() -> None:
    seen: list[Any] = []
    with LocalLambda() as aws:
        add_steps(aws)
        end = aws.subscribe(seen.append)
        client = boto3_client(aws)
        stream(client, payload=do(["write", "ab"], ["end"]))
        end()
        stream(client, payload=do(["write", "ab"], ["end"]))
        client.close()
    names = [type(event).__name__ for event in seen if type(event).__name__ != "LogWritten"]
    assert names == ["InvocationStarted", "ResponseStarted", "ChunkProduced", "InvocationEnded"]
    assert isinstance(seen[0], InvocationStarted)
    ended = next(event for event in seen if isinstance(event, InvocationEnded))
    assert (ended.status, ended.bytes, ended.chunks) == ("success", 2, 1)


def test_an_observer_that_fails_is_logged_and_disturbs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: Any) -> None:
        raise ValueError("observer")

    with LocalLambda() as aws:
        add_steps(aws)
        aws.subscribe(fail)
        client = boto3_client(aws)
        assert invoke(client, do(["answer", "1"]))["Payload"] == b"1"
        client.close()
    assert any("observer of LocalLambda failed" in record.message for record in caplog.records)


def test_an_observer_may_look_back_but_not_wait(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []
    with LocalLambda() as aws:
        add_steps(aws)

        def observe(event: Any) -> None:
            if isinstance(event, InvocationEnded):
                seen.extend(aws.invocations("steps"))
                with pytest.raises(RuntimeError, match="must not wait"):
                    aws.function_url("steps")
                seen.append("refused")

        aws.subscribe(observe)
        client = boto3_client(aws)
        invoke(client, do(["answer", "1"]))
        client.close()
    assert seen[0].status == "success"
    assert seen[1] == "refused"


def test_a_caller_that_has_its_answer_finds_the_log_and_the_records_complete() -> None:
    with LocalLambda() as aws:
        add_steps(aws)
        client = boto3_client(aws)
        for count in range(1, 30):
            invoke(client, do(["answer", "1"]))
            assert aws.logs("steps")[-1].startswith("REPORT RequestId: ")
            assert [record.status for record in aws.invocations("steps")] == ["success"] * count
        client.close()


def test_an_observer_knows_of_the_end_before_the_caller_has_its_answer() -> None:
    events: list[Any] = []
    with LocalLambda() as aws:
        add_steps(aws)
        aws.subscribe(events.append)
        client = boto3_client(aws)
        for _ in range(30):
            invoke(client, do(["answer", "1"]))
            assert isinstance(events[-1], InvocationEnded)
        client.close()


def test_log_lines_go_where_they_are_wanted() -> None:
    lines: list[str] = []
    with LocalLambda(log=lines.append) as aws:
        add_steps(aws)
        client = boto3_client(aws)
        invoke(client, do(["print", "a line"], ["answer", "1"]))
        client.close()
    assert "a line" in lines
    assert any(line.startswith("REPORT RequestId: ") for line in lines)


def test_a_restarted_function_runs_the_code_as_it_is_now(tmp_path: Any) -> None:
    import sys

    (tmp_path / "app.py").write_text("def handler(event, context):\n    return 1\n")
    with LocalLambda() as aws:
        command = [sys.executable, "-B", "-m", "awslambdaric", "app.handler"]
        aws.add_function("fn", handler="app.handler", code=tmp_path, command=command)
        client = boto3_client(aws)
        assert invoke(client, name="fn")["Payload"] == b"1"
        (tmp_path / "app.py").write_text("def handler(event, context):\n    return 22\n")
        assert invoke(client, name="fn")["Payload"] == b"1"
        aws.restart_function("fn")
        assert invoke(client, name="fn")["Payload"] == b"22"
        client.close()


def test_an_invocation_whose_process_still_imports_gets_the_new_code_after_a_restart(
    tmp_path: Path, gate: Gate
) -> None:
    hanging = f"open({gate.path!r}, 'w').close(); import time; time.sleep(600)\n"
    code = "def handler(event, context):\n    return 1\n"
    (tmp_path / "app.py").write_text(hanging + code)
    with LocalLambda() as aws, ThreadPoolExecutor(1) as pool:
        aws.add_function("fn", handler="app.handler", code=tmp_path, timeout=600)
        client = boto3_client(aws)
        answer = pool.submit(invoke, client, name="fn")
        gate.read()  # it is importing now
        (tmp_path / "app.py").write_text(code)
        aws.restart_function("fn")
        assert answer.result()["Payload"] == b"1"
        assert not [line for line in aws.logs("fn") if line.startswith("INIT_REPORT")]
        client.close()


def test_more_than_the_reserved_concurrency_is_throttled(gate: Gate) -> None:
    with LocalLambda() as aws:
        add_steps(aws, concurrency=1)
        client = boto3_client(aws)
        payload = do(["write", "x"], ["await", gate.path], ["end"])
        busy = client.invoke_with_response_stream(FunctionName="steps", Payload=payload)
        events = iter(busy["EventStream"])
        next(events)
        with pytest.raises(client.exceptions.TooManyRequestsException) as raised:
            stream(client, payload=do(["end"]))
        assert raised.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        gate.open()
        list(events)
        assert stream(client, payload=do(["end"])) == [{"InvokeComplete": {}}]
        client.close()


def test_more_than_the_accounts_concurrency_is_throttled(gate: Gate) -> None:
    with LocalLambda(concurrency=1) as aws:
        add_steps(aws)
        aws.add_function("other", handler="plain.handler", code=FUNCTIONS)
        client = boto3_client(aws)
        payload = do(["write", "x"], ["await", gate.path], ["end"])
        events = iter(
            client.invoke_with_response_stream(FunctionName="steps", Payload=payload)["EventStream"]
        )
        next(events)
        with pytest.raises(client.exceptions.TooManyRequestsException) as raised:
            invoke(client, name="other")
        assert raised.value.response["Reason"] == "ConcurrentInvocationLimitExceeded"
        gate.open()
        list(events)
        client.close()


def test_asynchronous_invocations_wait_for_room(gate: Gate, tmp_path: Path) -> None:
    first, second = Gate(tmp_path, "first"), Gate(tmp_path, "second")
    seen: list[str] = []
    with LocalLambda() as aws:
        add_steps(aws, concurrency=1)
        aws.subscribe(lambda event: seen.append(type(event).__name__))
        client = boto3_client(aws)
        events = iter(
            client.invoke_with_response_stream(
                FunctionName="steps", Payload=do(["write", "x"], ["await", gate.path], ["end"])
            )["EventStream"]
        )
        next(events)
        for path in (first.path, second.path):
            invoke(client, do(["tell", path], ["end"]), InvocationType="Event")
        assert len(aws.invocations("steps")) == 1
        gate.open()
        list(events)
        assert first.read() == second.read()  # one process, one after the other
        client.close()
    kinds = [name for name in seen if name in ("InvocationStarted", "InvocationEnded")]
    assert kinds[:5] == ["InvocationStarted", "InvocationEnded"] * 2 + ["InvocationStarted"]


@pytest.mark.parametrize("ask", ["invocations", "logs", "clear_faults", "restart_function", "function_url"])
def test_a_name_that_was_never_added_is_an_error_and_not_an_empty_answer(aws: LocalLambda, ask: str) -> None:
    with pytest.raises(KeyError, match=r"There is no function 'typo' here; added were: .*steps"):
        getattr(aws, ask)("typo")


SLOW = """
import sys, time
time.sleep(float(sys.argv[1]))
sys.path.insert(0, ".")
sys.argv = ["steps.py"]
import steps
steps.main()
"""


def add_slow(aws: LocalLambda, name: str, seconds: float, timeout: float) -> None:
    command = [sys.executable, "-c", SLOW, str(seconds)]
    aws.add_function(name, command=command, code=FUNCTIONS, timeout=timeout)


def test_an_init_over_the_limit_begins_again_within_the_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamify_server.local.sandbox.worker._INIT_SECONDS", 0.2)
    with LocalLambda() as aws:
        add_slow(aws, "slow", 0.5, timeout=30)
        client = boto3_client(aws)
        assert invoke(client, do(["answer", "1"]), "slow")["Payload"] == b"1"
        report = next(line for line in aws.logs("slow") if line.startswith("INIT_REPORT"))
        assert report.endswith("Phase: init\tStatus: timeout")
        (report,) = [line for line in aws.logs("slow") if line.startswith("REPORT")]
        assert "Init Duration" not in report  # it is part of the invocation's, and not billed twice
        add_slow(aws, "hanging", 600, timeout=0.5)
        answer = invoke(client, do(["answer", "1"]), "hanging")
        assert b"Task timed out after 0.50 seconds" in answer["Payload"]
        client.close()


def test_its_repr_names_the_url_and_the_functions(tmp_path: Path) -> None:
    aws = LocalLambda()
    assert repr(aws) == "<LocalLambda not started, no functions>"
    with aws:
        aws.add_function("b", handler="app.handler", code=tmp_path)
        aws.add_function("a", handler="app.handler", code=tmp_path)
        assert repr(aws) == f"<LocalLambda {aws.endpoint_url}, a, b>"
