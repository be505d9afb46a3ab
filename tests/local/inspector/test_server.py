import http.client
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from streamify_server.local import LocalLambda
from support.local import Gate, add_steps, boto3_client, steps


class Page:
    """A reader of the inspector over real HTTP."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.address, self.path = parts.netloc, parts.path

    def ask(
        self, method: str = "GET", name: str = "", path: str | None = None, **headers: str
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.address, timeout=20)
        target = self.path + name if path is None else path
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, target, headers={"Connection": "close", **named})
        response = connection.getresponse()
        response.connection = connection  # type: ignore[attr-defined]
        connection.close()
        return response

    def status(self, *arguments: Any, **options: Any) -> int:
        with self.ask(*arguments, **options) as response:
            return response.status


@pytest.fixture
def running() -> Iterator[LocalLambda]:
    with LocalLambda() as aws:
        add_steps(aws)
        yield aws


@pytest.fixture
def page(running: LocalLambda) -> Page:
    return Page(running.inspector())


def events(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """The server-sent events of a response, as they come."""
    name = "message"
    for line in response:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)
            name = "message"


def texts_until(told: Iterator[tuple[str, Any]], text: str) -> str:
    """Wait until an invocation is told whose last chunk has this text; return its status by then."""
    for _, change in told:
        for invocation in change["invocations"]:
            if invocation["bars"] and invocation["bars"][-1][4] == text:
                return str(invocation["status"])
    raise AssertionError(f"The events ended before {text!r}.")


def test_the_page_and_its_files_are_served_with_a_strict_policy(page: Page) -> None:
    static = Path(__file__).parents[3] / "src/streamify_server/local/inspector/static"
    for name in ["", *os.listdir(static)]:
        with page.ask(name=name) as response:
            assert response.status == 200, name
            assert response.read() == (static / (name or "index.html")).read_bytes()
            policy = response.getheader("content-security-policy", "")
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert response.getheader("cache-control") == "no-store"
            assert response.getheader("referrer-policy") == "no-referrer"


def test_no_file_names_another_host() -> None:
    static = Path(__file__).parents[3] / "src/streamify_server/local/inspector/static"
    for file in static.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text.replace("// ", ""), file.name
        assert "innerHTML" not in text


@pytest.mark.parametrize("path", ["/", "/events", "/inspector.js", "/wrong/", "/wrong/events", "//", "/%00/"])
def test_without_the_token_nothing_is_shown(page: Page, path: str) -> None:
    with page.ask(path=path) as response:
        assert response.status == 403
        assert b"token" in response.read()


def test_without_the_token_nothing_is_cleared(page: Page) -> None:
    assert page.status("POST", path="/wrong/clear") == 403


def test_each_start_has_a_token_of_its_own(running: LocalLambda) -> None:
    first, second = Page(running.inspector()), Page(running.inspector())
    assert first.path != second.path
    assert len(first.path) > 30
    assert second.status(path=first.path) == 403


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}]
)
def test_foreign_hosts_and_origins_are_refused(page: Page, headers: dict[str, str]) -> None:
    assert page.status(**headers) == 403
    assert page.status("POST", "clear", **headers) == 403


@pytest.mark.parametrize("name", ["../server.py", "..%2fserver.py", "nothing.js", "static/inspector.js"])
def test_nothing_but_the_files_of_the_page_is_served(page: Page, name: str) -> None:
    assert page.status(name=name) == 404


def test_chunks_are_told_while_the_function_runs(running: LocalLambda, page: Page, gate: Gate) -> None:
    client = boto3_client(running)
    with page.ask(name="events") as response:
        told = events(response)
        assert next(told)[0] == "hello"
        payload = steps(["write", "first"], ["await", gate.path], ["write", "second"], ["end"])
        answer = client.invoke_with_response_stream(FunctionName="steps", Payload=payload)
        assert texts_until(told, "first") == "running"
        gate.open()
        assert texts_until(told, "second") in ("running", "success")
        list(answer["EventStream"])
    client.close()


def test_whoever_comes_late_is_told_what_was(running: LocalLambda, page: Page) -> None:
    client = boto3_client(running)
    client.invoke(FunctionName="steps", Payload=steps(["write", "hello"], ["end"]))
    client.close()
    with page.ask(name="events") as response:
        told = events(response)
        next(told)
        (invocation,) = next(told)[1]["invocations"]
    assert (invocation["mode"], invocation["status"], invocation["bytes"]) == ("buffered", "success", 5)


def test_what_is_cleared_is_forgotten(running: LocalLambda, page: Page) -> None:
    client = boto3_client(running)
    client.invoke(FunctionName="steps", Payload=steps(["write", "hello"], ["end"]))
    client.close()
    assert page.status("POST", "clear") == 204
    with page.ask(name="events") as response:
        told = events(response)
        next(told)
        assert next(told)[1]["kept"] == []


def test_a_taken_port_is_an_error_and_the_emulator_goes_on(running: LocalLambda) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError):
        running.inspector(port=taken.getsockname()[1])
    assert Page(running.inspector()).status() == 200


@pytest.mark.parametrize(
    "doing",
    [
        steps(["error", '{"errorType": "Boom", "errorMessage": "it broke", "stackTrace": ["line 1"]}']),
        steps(["write", "a"], ["end", "Function.Boom", '{"errorType": "Boom", "errorMessage": "it broke"}']),
    ],
)
def test_errors_are_told_with_what_the_function_said(running: LocalLambda, page: Page, doing: bytes) -> None:
    client = boto3_client(running)
    client.invoke(FunctionName="steps", Payload=doing)
    client.close()
    with page.ask(name="events") as response:
        told = events(response)
        next(told)
        (invocation,) = next(told)[1]["invocations"]
    assert invocation["status"] == "error"
    assert (invocation["error"]["type"], invocation["error"]["message"]) == ("Boom", "it broke")


def one_invocation(running: LocalLambda) -> None:
    client = boto3_client(running)
    client.invoke(FunctionName="steps", Payload=steps(["write", "hello"], ["end"]))["Payload"].close()
    client.close()


def test_an_invocation_is_replayed_with_its_payload_and_mode(running: LocalLambda, page: Page) -> None:
    one_invocation(running)
    with page.ask(name="events") as response:
        told = events(response)
        assert page.status("POST", "replay/1") == 204
        assert texts_until((event for event in told if event[0] != "hello"), "hello") in (
            "running",
            "success",
        )
        while not all(record.status == "success" for record in running.invocations("steps")):
            next(told)
    first, second = running.invocations("steps")
    assert (second.payload, second.mode, second.bytes) == (first.payload, "buffered", 5)
    assert second.request_id != first.request_id


def test_a_replay_over_the_concurrency_is_refused_in_a_sentence(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with LocalLambda() as aws:
        add_steps(aws, concurrency=1)
        page = Page(aws.inspector())
        client = boto3_client(aws)
        payload = steps(["write", "a"], ["await", gate.path], ["end"])
        answer = client.invoke_with_response_stream(FunctionName="steps", Payload=payload)["EventStream"]
        next(iter(answer))
        with page.ask("POST", "replay/1") as response:
            assert (response.status, response.read()) == (409, b"Rate Exceeded.\n")
        gate.open()
        list(answer)
        client.close()


@pytest.mark.parametrize("number", ["2", "", "x", "-1", "1/2", "9" * 40])
def test_what_is_not_kept_is_neither_replayed_nor_exported(
    running: LocalLambda, page: Page, number: str
) -> None:
    one_invocation(running)
    assert page.status("POST", f"replay/{number}") == 404
    assert page.status("GET", f"export/{number}") == 404
    assert page.status("GET", "replay/1") == 404
    assert page.status("POST", "replay/1", Origin="http://evil.example") == 403
    assert page.status("POST", path="/wrong/replay/1") == 403
    assert len(running.invocations("steps")) == 1


def test_an_invocation_is_exported_as_a_file(running: LocalLambda, page: Page) -> None:
    one_invocation(running)
    (record,) = running.invocations("steps")
    with page.ask(name="export/1") as response:
        named = f'attachment; filename="invocation-{record.request_id}.json"'
        assert response.getheader("content-disposition") == named
        known = json.loads(response.read())
    assert (known["id"], known["bars"][0]["text"]) == (record.request_id, "hello")
    assert known["lines"][0]["line"].startswith("START RequestId: ")
