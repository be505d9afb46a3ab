"""The Vercel AI SDK's UI message stream, read by the SDK itself on Node."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import Serve

PEERS = Path(__file__).parent / "peers"
NODE = PEERS / "node_modules/.bin/node"


def read(url: str, text: str) -> dict[str, Any]:
    done = subprocess.run(
        [NODE, "read_ui_messages.mjs", url, text],
        cwd=PEERS,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_sdk_sees_the_text_grow(serve: Serve) -> None:
    said = read(serve("ai_sdk"), "größe 数据 🙂")
    assert said["texts"][-1] == "größe 数据 🙂 "
    assert "größe " in said["texts"]
    assert said["failure"] is None


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("refuse", "401: no key"),
        ("fail", "the model gave up"),
        ("stall", "The model took too long."),
        ("die", "The answer was cut off."),
    ],
)
def test_a_model_that_fails_is_an_error_for_the_sdk(serve: Serve, does: str, told: str) -> None:
    said = read(serve("another_model", timeout=5, RECIPE="ai_sdk", MODEL_DOES=does), "hi")
    assert said["texts"][-1] == ("" if does == "refuse" else "begun ")
    assert said["failure"] == told
