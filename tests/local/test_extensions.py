"""The Extensions API: who registers is told of every invocation."""

import http.client
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from streamify_server.local import LocalLambda
from support.local import FUNCTIONS, Gate, boto3_client, invoke

# An external extension as a shell or Go program would be: it registers, waits for events, and tells of each.
EXTENSION = """#!PYTHON
import http.client, json, os, sys

assert "_HANDLER" not in os.environ
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
name = {"Lambda-Extension-Name": os.path.basename(sys.argv[0])}
api.request("POST", "/2020-01-01/extension/register", json.dumps({"events": ["INVOKE", "SHUTDOWN"]}), name)
answer = api.getresponse()
told = json.loads(answer.read())
own = {"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}
while True:
    api.request("GET", "/2020-01-01/extension/event/next", headers=own)
    event = json.loads(api.getresponse().read())
    with open(os.environ["TOLD"], "w") as pipe:
        pipe.write(json.dumps([told, event]))
"""


def layer_of(tmp_path: Path) -> Path:
    archive = tmp_path / "layer.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        entry = zipfile.ZipInfo("extensions/watcher")
        entry.external_attr = 0o755 << 16
        opened.writestr(entry, EXTENSION.replace("PYTHON", sys.executable))
        opened.writestr("extensions/README", "not a program")
    return archive


def test_an_extension_of_a_layer_is_started_and_told_of_each_invocation(tmp_path: Path) -> None:
    told = Gate(tmp_path, "told")
    with LocalLambda() as aws:
        aws.add_function(
            "fn",
            handler="plain.handler",
            code=FUNCTIONS,
            layers=[layer_of(tmp_path)],
            environment={"TOLD": told.path},
            timeout=30,
        )
        client = boto3_client(aws)
        for _ in range(2):
            invoke(client, b'{"name": "Ada"}', "fn")
            about, event = json.loads(told.read())
            assert about == {"functionName": "fn", "functionVersion": "$LATEST", "handler": "plain.handler"}
            assert event["eventType"] == "INVOKE"
            assert event["requestId"] == aws.invocations("fn")[-1].request_id
            assert event["invokedFunctionArn"].endswith(":function:fn")
            assert event["tracing"]["type"] == "X-Amzn-Trace-Id"
        assert len(aws.process_ids()) == 2
        client.close()


def test_an_extension_that_ends_says_so_in_the_log_and_holds_nothing_up(tmp_path: Path) -> None:
    archive = tmp_path / "layer.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        entry = zipfile.ZipInfo("extensions/broken")
        entry.external_attr = 0o755 << 16
        opened.writestr(entry, "#!/bin/sh\nexit 3\n")
    with LocalLambda() as aws:
        aws.add_function("fn", handler="plain.handler", code=FUNCTIONS, layers=[archive], timeout=30)
        client = boto3_client(aws)
        assert invoke(client, b'{"name": "Ada"}', "fn")["Payload"] == b'{"hello": "Ada"}'
        client.close()
        assert "EXTENSION broken ended: exit status 3" in aws.logs("fn")


REGISTER = "/2020-01-01/extension/register"
NEXT = "/2020-01-01/extension/event/next"
REFUSED = {
    "no name": ("POST", REGISTER, {}, b'{"events": []}', "Extension.InvalidExtensionName"),
    "an unknown event": (
        "POST", REGISTER, {"Lambda-Extension-Name": "a"}, b'{"events": ["X"]}', "Extension.InvalidEventType",
    ),
    "no JSON": ("POST", REGISTER, {"Lambda-Extension-Name": "a"}, b"x", "Extension.InvalidEventType"),
    "no identifier": ("GET", NEXT, {}, b"", "Extension.UnknownExtensionIdentifier"),
    "a wrong identifier": (
        "GET", NEXT, {"Lambda-Extension-Identifier": "x"}, b"", "Extension.UnknownExtensionIdentifier",
    ),
}  # fmt: skip


@pytest.fixture
def api(aws: LocalLambda, client: Any) -> Any:
    """The address of a Runtime API: that of a function which says its own."""
    aws.add_function("variables", handler="plain.variables", code=FUNCTIONS, timeout=30)
    address = json.loads(invoke(client, name="variables")["Payload"])["AWS_LAMBDA_RUNTIME_API"]
    connection = http.client.HTTPConnection(address)
    yield connection
    connection.close()


@pytest.mark.parametrize(("method", "path", "headers", "body", "kind"), REFUSED.values(), ids=REFUSED.keys())
def test_a_call_that_cannot_be_is_refused(
    api: Any, method: str, path: str, headers: dict[str, str], body: bytes, kind: str
) -> None:
    api.request(method, path, body, headers)
    answer = api.getresponse()
    assert (answer.status, json.loads(answer.read())["errorType"]) == (403, kind)


def test_an_extension_registers_once_and_its_errors_are_in_the_log(api: Any, aws: LocalLambda) -> None:
    identifiers = []
    for status in (200, 403):
        api.request("POST", REGISTER, b'{"events": []}', {"Lambda-Extension-Name": "mine"})
        answer = api.getresponse()
        answer.read()
        assert answer.status == status
        identifiers.append(answer.headers["Lambda-Extension-Identifier"])
    api.request(
        "POST", "/2020-01-01/extension/exit/error", b"lost", {"Lambda-Extension-Identifier": identifiers[0]}
    )
    answer = api.getresponse()
    answer.read()
    assert answer.status == 202
    assert "EXTENSION reports exit/error: lost" in aws.logs("variables")
