"""AWS's JavaScript SDK reads LocalLambda as it reads AWS."""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_server.local import LocalLambda

pytestmark = pytest.mark.interop

PEERS = Path(__file__).parent / "peers"
EXAMPLES = Path(__file__).parent.parent.parent / "examples"
FUNCTIONS = Path(__file__).parent / "functions"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalLambda]:
    with LocalLambda() as local:
        local.add_function("tokens", handler="tokens.handler", code=EXAMPLES)
        local.add_function("failing", handler="failing.handler", code=FUNCTIONS)
        yield local


def javascript(aws: LocalLambda, command: str, function: str, payload: Any) -> list[dict[str, Any]]:
    done = subprocess.run(
        [
            "node",
            "read-stream.mjs",
            aws.client_kwargs["endpoint_url"],
            command,
            function,
            json.dumps(payload),
        ],
        cwd=PEERS,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_sdk_reads_a_stream_of_many_scripts_to_its_end(aws: LocalLambda) -> None:
    head, *events, last = javascript(aws, "stream", "tokens", {"languages": ["English", "日本語"]})
    text = b"".join(base64.b64decode(event["chunk"]) for event in events).decode()
    article = json.loads((EXAMPLES / "article-1.json").read_text(encoding="utf-8"))
    assert text == f"English: {article['English']}\n日本語: {article['日本語']}\n"
    assert head == {"status": 200, "version": "$LATEST", "type": "application/vnd.amazon.eventstream"}
    assert "ErrorCode" not in last["complete"]
    assert b"REPORT RequestId: " in base64.b64decode(last["complete"]["LogResult"])


def test_the_sdk_collects_a_streaming_function_through_a_plain_invoke(aws: LocalLambda) -> None:
    [answer] = javascript(aws, "invoke", "tokens", {"languages": ["Ελληνικά"]})
    assert answer["status"] == 200
    assert answer["error"] is None
    assert answer["payload"].startswith("Ελληνικά: Όλοι οι άνθρωποι")


def test_the_sdk_sees_an_early_failure_of_a_plain_invoke(aws: LocalLambda) -> None:
    [answer] = javascript(aws, "invoke", "failing", {"after": 0})
    assert answer["error"] == "Unhandled"
    assert json.loads(answer["payload"])["errorType"] == "ValueError"


def test_the_sdk_names_an_unknown_function(aws: LocalLambda) -> None:
    [thrown] = javascript(aws, "stream", "nowhere", None)
    assert thrown["thrown"] == "ResourceNotFoundException"
    assert thrown["status"] == 404
    assert "nowhere" in thrown["message"]
