"""curl as a client, and shell scripts with curl as a function and as an extension."""

import json
import subprocess
import zipfile
from pathlib import Path
from queue import Queue

import pytest

from interop.conftest import EXAMPLES, FUNCTIONS
from streamify_client import StreamClient
from streamify_server.local import LocalLambda

pytestmark = pytest.mark.interop


def test_a_shell_script_streams() -> None:
    with LocalLambda() as aws, StreamClient(**aws.client_kwargs) as client:
        aws.add_function("shell", command="./bootstrap", handler="any.name", code=FUNCTIONS, timeout=30)
        for number in range(2):
            lines = list(client.stream("shell", {"number": number}, verified="off").iter_lines())
            assert lines == [f'event: {{"number":{number}}}', "handler: any.name"]


def test_a_shell_script_in_a_layer_is_an_extension(tmp_path: Path) -> None:
    archive = tmp_path / "layer.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        entry = zipfile.ZipInfo("extensions/watcher")
        entry.external_attr = 0o755 << 16
        opened.writestr(entry, (FUNCTIONS / "extension").read_text(encoding="utf-8"))
    lines: Queue[str] = Queue()
    with LocalLambda(log=lines.put) as aws, StreamClient(**aws.client_kwargs) as client:
        aws.add_function("hello", handler="hello.handler", code=EXAMPLES, layers=[archive], timeout=30)
        for _ in range(2):
            client.stream("hello", {"name": "Ada"}).read()
        told = [next_event(lines)["requestId"] for _ in range(2)]
        assert told == [invocation.request_id for invocation in aws.invocations("hello")]


def next_event(lines: "Queue[str]") -> dict[str, str]:
    """The next event that the extension has printed."""
    while not (line := lines.get(timeout=30)).startswith("seen by the extension: "):
        pass
    event: dict[str, str] = json.loads(line.partition(": ")[2])
    return event


def curl(*arguments: str) -> str:
    signed = ["--aws-sigv4", "aws:amz:us-east-1:lambda"]
    done = subprocess.run(
        ["curl", "-sS", "-N", *signed, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl_signs_requests_to_a_url_and_to_the_lambda_api() -> None:
    with LocalLambda() as aws:
        aws.add_function("hello", handler="hello.handler", code=EXAMPLES, timeout=30)
        keys = aws.client_kwargs
        user = f"{keys['aws_access_key_id']}:{keys['aws_secret_access_key']}"
        api = f"{aws.endpoint_url}/2015-03-31/functions/hello/invocations"
        assert curl("--user", user, "-d", '{"name": "Ada"}', api).startswith("Hello Ada")
        aws.add_function("airports", handler="airports.handler", code=EXAMPLES, timeout=30)
        url = aws.function_url("airports", invoke_mode="RESPONSE_STREAM", auth_type="AWS_IAM")
        assert curl("--user", user, url).startswith('"icao"')
        refused = json.loads(curl("--user", f"{keys['aws_access_key_id']}:wrong", url))
        assert "signature we calculated does not match" in refused["message"]
