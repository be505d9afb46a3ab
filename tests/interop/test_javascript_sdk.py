"""AWS's JavaScript SDK reads LocalLambda as it reads AWS."""

import base64
import json
from typing import Any

import pytest

from interop.conftest import EXAMPLES, JavaScript

pytestmark = pytest.mark.interop


def body_of(events: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(event["chunk"]) for event in events if "chunk" in event)


def test_the_sdk_reads_a_stream_of_many_scripts_to_its_end(javascript: JavaScript) -> None:
    head, *events, last = javascript("stream", "tokens", {"languages": ["English", "日本語"]})
    article = json.loads((EXAMPLES / "article-1.json").read_text(encoding="utf-8"))
    assert body_of(events).decode() == f"English: {article['English']}\n日本語: {article['日本語']}\n"
    assert head == {"status": 200, "version": "$LATEST", "type": "application/vnd.amazon.eventstream"}
    assert "ErrorCode" not in last["complete"]
    assert b"REPORT RequestId: " in base64.b64decode(last["complete"]["LogResult"])


def test_the_sdk_collects_a_streaming_function_through_a_plain_invoke(javascript: JavaScript) -> None:
    [answer] = javascript("invoke", "tokens", {"languages": ["Ελληνικά"]})
    assert answer["status"] == 200
    assert answer["error"] is None
    assert answer["payload"].startswith("Ελληνικά: Όλοι οι άνθρωποι")


def test_the_sdk_sees_an_early_failure_of_a_plain_invoke(javascript: JavaScript) -> None:
    [answer] = javascript("invoke", "failing", {"after": 0})
    assert answer["error"] == "Unhandled"
    assert json.loads(answer["payload"])["errorType"] == "ValueError"


def test_the_sdk_names_an_unknown_function(javascript: JavaScript) -> None:
    [thrown] = javascript("stream", "nowhere", None)
    assert thrown["thrown"] == "ResourceNotFoundException"
    assert thrown["status"] == 404
    assert "nowhere" in thrown["message"]
