"""The Runtime API, spoken by the test itself in place of a runtime."""

import http.client
import json
import socket
import sys
import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from streamify_server.local import ChunkProduced, Event, LocalLambda, LogWritten
from support.local import FUNCTIONS, boto3_client, invoke

# A function that leaves its Runtime API to the test: it tells the address in its log and waits.
WAIT = """
import os, threading
print("API", os.environ["AWS_LAMBDA_RUNTIME_API"], flush=True)
threading.Event().wait()
"""
PREFIX = "/2018-06-01/runtime"
STREAMED = "Lambda-Runtime-Function-Response-Mode: streaming"


class Runtime:
    """The one runtime of a function called "mine", and a caller of that function."""

    def __init__(self, aws: LocalLambda) -> None:
        self.aws = aws
        self.client = boto3_client(aws)
        self.address = ""
        self.answers: list[dict[str, Any]] = []
        self._callers: list[threading.Thread] = []
        self._told: Queue[str] = Queue()
        aws.subscribe(self._observe)

    def called(self, payload: bytes = b"{}", **arguments: Any) -> "Runtime":
        """Somebody invokes the function."""

        def call() -> None:
            try:
                self.answers.append(invoke(self.client, payload, "mine", **arguments))
            except BotoCoreError:
                pass  # the test is over

        self._callers.append(threading.Thread(target=call))
        self._callers[-1].start()
        if not self.address:
            self.address = self._told.get(timeout=30)
        return self

    def _observe(self, event: Event) -> None:
        if isinstance(event, LogWritten) and event.line.startswith("API "):
            self._told.put(event.line.split()[1])

    def answer(self) -> dict[str, Any]:
        """What the caller got."""
        self._callers.pop(0).join(30)
        return self.answers.pop(0)

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path if path.startswith("/2018") else PREFIX + path, body, sent)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        named = {name.lower(): value for name, value in response.getheaders()}
        return response.status, json.loads(text) if text[:1] == b"{" else text, named

    def next(self) -> dict[str, str]:
        status, _, headers = self.ask("GET", "/invocation/next")
        assert status == 200
        return {**headers, "id": headers["lambda-runtime-aws-request-id"]}

    def close(self) -> None:
        self.aws.stop()
        self.client.close()
        for caller in self._callers:
            caller.join(30)


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with LocalLambda() as aws:
        aws.add_function("mine", command=[sys.executable, "-c", WAIT], code=FUNCTIONS, timeout=30)
        made = Runtime(aws)
        yield made
        made.close()


def test_an_invocation_is_taken_answered_and_followed_by_the_next(runtime: Runtime) -> None:
    for number in range(2):
        runtime.called(json.dumps({"number": number}).encode())
        headers = runtime.next()
        assert headers["content-type"] == "application/json"
        assert runtime.aws.invocations("mine")[-1].request_id == headers["id"]
        status, body, _ = runtime.ask("POST", f"/invocation/{headers['id']}/response", b'"done"')
        assert (status, body) == (202, {"status": "OK"})
        assert runtime.answer()["Payload"] == b'"done"'


def test_asking_again_for_the_next_gives_the_same_invocation(runtime: Runtime) -> None:
    runtime.called(b'{"a": 1}')
    first = runtime.next()
    again = runtime.next()
    assert first["id"] == again["id"]
    runtime.ask("POST", f"/invocation/{first['id']}/response", b"1")


FORBIDDEN = {
    "an error after the response": ("response", "error"),
    "two responses": ("response", "response"),
    "two errors": ("error", "error"),
    "a response after an error": ("error", "response"),
}


@pytest.mark.parametrize(("first", "second"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_a_second_answer_is_forbidden(runtime: Runtime, first: str, second: str) -> None:
    request_id = runtime.called().next()["id"]
    assert runtime.ask("POST", f"/invocation/{request_id}/{first}", b"{}")[0] == 202
    status, body, _ = runtime.ask("POST", f"/invocation/{request_id}/{second}", b"{}")
    assert (status, body["errorType"]) == (403, "InvalidStateTransition")
    assert "from RuntimeResponseSentState to" in body["errorMessage"]


def test_an_error_in_mid_response_is_forbidden(runtime: Runtime) -> None:
    request_id = runtime.called().next()["id"]
    began = threading.Event()

    def observe(event: Event) -> None:
        if isinstance(event, ChunkProduced):
            began.set()

    runtime.aws.subscribe(observe)
    host, port = runtime.address.split(":")
    with socket.create_connection((host, int(port))) as raw:
        path = f"{PREFIX}/invocation/{request_id}/response"
        head = [f"POST {path} HTTP/1.1", f"Host: {runtime.address}", "Transfer-Encoding: chunked"]
        raw.sendall("\r\n".join([*head, STREAMED, "", ""]).encode())
        raw.sendall(b"1\r\nx\r\n")
        assert began.wait(30)
        status, body, _ = runtime.ask("POST", f"/invocation/{request_id}/error", b"{}")
        assert (status, body["errorType"]) == (403, "InvalidStateTransition")
        raw.sendall(b"0\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 202")
    assert runtime.answer()["Payload"] == b"x"


def test_an_invocation_that_was_never_there_is_invalid(runtime: Runtime) -> None:
    request_id = runtime.called().next()["id"]
    status, body, _ = runtime.ask("POST", "/invocation/other/response", b"1")
    assert (status, body["errorType"]) == (400, "InvalidRequestID")
    assert runtime.ask("POST", f"/invocation/{request_id}/response", b"1")[0] == 202


def test_an_invocation_that_is_over_is_gone(runtime: Runtime) -> None:
    old = runtime.called().next()["id"]
    runtime.ask("POST", f"/invocation/{old}/response", b"1")
    new = runtime.called().next()["id"]
    status, body, _ = runtime.ask("POST", f"/invocation/{old}/response", b"1")
    assert (status, body["errorType"]) == (410, "InvokeTimeout")
    assert runtime.ask("POST", f"/invocation/{new}/response", b"1")[0] == 202


def test_the_invocation_id_must_be_that_of_the_invocation_if_it_is_echoed(runtime: Runtime) -> None:
    headers = runtime.called().next()
    path = f"/invocation/{headers['id']}/response"
    assert runtime.ask("POST", path, b"1", Lambda_Runtime_Invocation_Id="stale")[0] == 410
    own = headers["lambda-runtime-invocation-id"]
    assert runtime.ask("POST", path, b"1", Lambda_Runtime_Invocation_Id=own)[0] == 202


def test_an_unknown_response_mode_ends_the_invocation_and_the_runtime_gets_no_other(runtime: Runtime) -> None:
    request_id = runtime.called().next()["id"]
    path = f"/invocation/{request_id}/response"
    status, body, _ = runtime.ask("POST", path, b"1", Lambda_Runtime_Function_Response_Mode="buffered")
    assert (status, body["errorType"]) == (400, "InvalidFunctionResponseMode")
    answer = runtime.answer()
    assert json.loads(answer["Payload"])["errorType"] == "Runtime.InvalidResponseModeHeader"
    assert runtime.ask("GET", "/invocation/next")[0] == 403


def test_a_response_that_is_too_large_is_refused_while_it_is_sent(runtime: Runtime) -> None:
    request_id = runtime.called().next()["id"]
    status, body, _ = runtime.ask(
        "POST", f"/invocation/{request_id}/response", b"x" * (6 * 1024 * 1024 + 101)
    )
    assert (status, body["errorType"]) == (413, "RequestEntityTooLarge")
    assert json.loads(runtime.answer()["Payload"])["errorType"] == "Function.ResponseSizeTooLarge"
    request_id = runtime.called().next()["id"]
    assert runtime.ask("POST", f"/invocation/{request_id}/response", b"1")[0] == 202


def test_an_init_error_is_what_the_caller_gets(runtime: Runtime) -> None:
    runtime.called()
    error, kind = b'{"errorType": "Broken", "errorMessage": "at start"}', "Runtime.Broken"
    assert runtime.ask("POST", "/init/error", error, Lambda_Runtime_Function_Error_Type=kind)[0] == 202
    assert runtime.ask("GET", "/invocation/next")[0] == 403
    assert runtime.answer()["Payload"] == error
    assert runtime.aws.invocations("mine")[-1].error_type == kind


def test_a_snapshot_is_restored_before_the_first_invocation(runtime: Runtime) -> None:
    runtime.called()
    assert runtime.ask("GET", "/restore/next")[0] == 200
    request_id = runtime.next()["id"]
    assert runtime.ask("POST", f"/invocation/{request_id}/response", b"1")[0] == 202


def test_a_restore_error_ends_the_life_of_the_runtime(runtime: Runtime) -> None:
    runtime.called()
    runtime.ask("GET", "/restore/next")
    assert runtime.ask("POST", "/restore/error", b"{}")[0] == 202
    assert runtime.ask("GET", "/invocation/next")[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/2018-06-01/ping", 200), ("GET", "/nothing", 404), ("DELETE", "/invocation/next", 404)],
)
def test_other_paths(runtime: Runtime, method: str, path: str, status: int) -> None:
    assert runtime.called().ask(method, path)[0] == status


def test_a_foreign_host_is_refused_by_the_runtime_api_too(runtime: Runtime) -> None:
    assert runtime.called().ask("GET", "/invocation/next", Host="evil.example")[0] == 403


def test_trailers_report_an_error_after_the_body(runtime: Runtime) -> None:
    request_id = runtime.called(LogType="Tail").next()["id"]
    host, port = runtime.address.split(":")
    with socket.create_connection((host, int(port))) as raw:
        path = f"{PREFIX}/invocation/{request_id}/response"
        head = [
            f"POST {path} HTTP/1.1",
            f"Host: {runtime.address}",
            "Transfer-Encoding: chunked",
        ]
        raw.sendall("\r\n".join([*head, STREAMED, "", ""]).encode())
        raw.sendall(b"1\r\nx\r\n0\r\nLambda-Runtime-Function-Error-Type: Function.Oops\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 202")
    runtime.answer()
    assert runtime.aws.invocations("mine")[-1].error_type == "Function.Oops"


def test_an_error_that_is_too_large_is_kept_in_part(runtime: Runtime) -> None:
    request_id = runtime.called().next()["id"]
    assert runtime.ask("POST", f"/invocation/{request_id}/error", b"e" * (7 << 20))[0] == 202
    assert runtime.answer()["Payload"] == b"e" * (6 << 20)


def test_an_error_may_have_any_type_and_any_body(runtime: Runtime) -> None:
    request_id = runtime.called().next()["id"]
    path, kind = f"/invocation/{request_id}/error", "Runtime.ExitError"
    assert runtime.ask("POST", path, b"no JSON", Lambda_Runtime_Function_Error_Type=kind)[0] == 202
    assert runtime.answer()["Payload"] == b"no JSON"


def test_an_error_that_breaks_off_is_not_taken(runtime: Runtime) -> None:
    request_id = runtime.called().next()["id"]
    host, port = runtime.address.split(":")
    with socket.create_connection((host, int(port))) as raw:
        head = [f"POST {PREFIX}/invocation/{request_id}/error HTTP/1.1", f"Host: {runtime.address}"]
        raw.sendall("\r\n".join([*head, "Content-Length: 9", "", "half"]).encode())
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(1000) == b""
