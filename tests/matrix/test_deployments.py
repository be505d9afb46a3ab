"""A stream that goes on meets another version of its function: whole, or its reader is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matrix.table import WHOLE
from streamify_client import StreamClient, StreamifyError
from streamify_server.local import LocalLambda

# Each part has one number.
FIRST = """
from streamify_server import HttpResponse, checkpoint, last_checkpoint, streaming_handler

def numbers(start):
    for number in range(start, 3):
        yield f"{number}\\n"
        yield checkpoint(number + 1)

@streaming_handler(hand_over_margin=900.0)
def handler(event, context):
    return respond(event, numbers(last_checkpoint(context) or 0))

def respond(event, body, status=200, content_type="text/plain"):
    if "requestContext" not in event:
        return body
    return HttpResponse(status, {"content-type": content_type}, body)
"""
PLAIN = """
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    yield "0\\n"
"""
# What the function is when the second part begins, what the reader gets by name, and by URL.
LATER = {
    "the same": (FIRST, WHOLE, WHOLE),
    "another key": (FIRST, "FunctionError: TokenError", "FunctionError: TokenError"),
    "other states": (
        FIRST.replace("last_checkpoint(context) or 0", "last_checkpoint(context)['row']"),
        "FunctionError: TypeError",
        "FunctionError: TypeError",
    ),
    "begins again": (
        FIRST.replace("last_checkpoint(context) or 0", "0"),
        "FunctionError: RuntimeError",
        "FunctionError: RuntimeError",
    ),
    "another media type": (
        FIRST.replace('f"{number}\\n"', 'f"{number}\\n".encode()').replace("text/plain", "text/csv"),
        "CorruptStreamError: another response",
        "CorruptStreamError: another response",
    ),
    "another status": (
        FIRST.replace("status=200", "status=206"),
        WHOLE,
        "CorruptStreamError: another response",
    ),
    "gone": (FIRST.replace("status=200", "status=410"), WHOLE, "HttpStatusError: 410"),
    "without checkpoints": (
        PLAIN,
        "FunctionError: RuntimeError",
        "FunctionError: RuntimeError",
    ),
    "in one piece": (
        FIRST.replace("900.0)", "900.0, respond='buffered')"),
        "CorruptStreamError: not verified",
        "CorruptStreamError: not verified",
    ),
    "without streamify": (
        "def handler(event, context):\n    return '0\\n'\n",
        "CorruptStreamError: not verified",
        "CorruptStreamError: not verified",
    ),
    "broken": ("import not_there\n", "FunctionError: ImportModuleError", "HttpStatusError: 502"),
}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalLambda]:
    with LocalLambda() as aws:
        yield aws


def deploy(aws: LocalLambda, name: str, folder: Path, source: str, **environment: str) -> None:
    (folder / "app.py").write_text(source, encoding="utf-8")
    options: dict[str, Any] = {"environment": environment, "timeout": 30}
    aws.add_function(name, handler="app.handler", code=folder, **options)


@pytest.mark.parametrize("by_name", [True, False], ids=["sdk", "url"])
@pytest.mark.parametrize("later", LATER)
def test_a_deployment_between_two_parts(aws: LocalLambda, tmp_path: Path, later: str, by_name: bool) -> None:
    source, *ends = LATER[later]
    name = f"fn-{list(LATER).index(later)}-{'sdk' if by_name else 'url'}"
    deploy(aws, name, tmp_path, FIRST)
    url = aws.function_url(name, invoke_mode="RESPONSE_STREAM")
    with StreamClient(**aws.client_kwargs) as client:
        stream = client.stream(name, {"a": 1}) if by_name else client.stream(url, {"a": 1})
        lines = stream.iter_lines()
        got = [next(lines)]
        key = {"STREAMIFY_STATE_KEY": "k"} if later == "another key" else {}
        deploy(aws, name, tmp_path, source, **key)
        end = WHOLE
        try:
            got += lines
        except StreamifyError as error:
            end = f"{type(error).__name__}: {error}"
    expected = ends[0 if by_name else 1]
    assert [json.loads(line) for line in got] == list(range(3 if expected == WHOLE else 1))
    assert all(word in end for word in expected.split(": ")), end
