"""The inspector looks at a real function that our own client reads."""

from pathlib import Path
from typing import Any

import pytest

from streamify_client import FunctionError, StreamClient
from streamify_server.local import LocalLambda
from streamify_server.local.inspector.store import Store

APP = """
from streamify_server import streaming_handler

@streaming_handler
def text(event, context):
    yield "grüße "
    yield "☃"

@streaming_handler
def page(event, context):
    return {"statusCode": 203, "headers": {"content-type": "text/html"}, "body": ["<p>", "</p>"]}

@streaming_handler
def broken(event, context):
    yield "a"
    raise KeyError("gone")
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "app.py").write_text(APP)
    return Store()


def seen(store: Store, handler: str, code: Path, verified: Any) -> dict[str, Any]:
    """What the store has to tell once a client has read a function's response."""
    with LocalLambda() as aws:
        unsubscribe = aws.subscribe(store.observe)
        aws.add_function("fn", handler=f"app.{handler}", code=code, timeout=30)
        with StreamClient(**aws.client_kwargs, verified=verified) as client:
            try:
                client.stream("fn").read()
            except FunctionError:
                assert handler == "broken"
        unsubscribe()
    (invocation,) = store.changes({})["invocations"]
    assert isinstance(invocation, dict)
    return invocation


@pytest.mark.parametrize("verified", ["require", "off"])
def test_the_text_is_that_of_the_handler_with_and_without_frames(
    store: Store, tmp_path: Path, verified: str
) -> None:
    invocation = seen(store, "text", tmp_path, verified)
    assert "".join(bar[4] for bar in invocation["bars"]) == "grüße ☃"
    assert invocation["verified"] is (verified == "require")
    assert invocation["contentType"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("verified", ["require", "off"])
def test_an_http_response_is_told_by_its_status(store: Store, tmp_path: Path, verified: str) -> None:
    invocation = seen(store, "page", tmp_path, verified)
    assert "".join(bar[4] for bar in invocation["bars"]) == "<p></p>"
    assert (invocation["httpStatus"], invocation["contentType"]) == (203, "text/html")


@pytest.mark.parametrize("verified", ["require", "off"])
def test_what_a_handler_raises_is_told(store: Store, tmp_path: Path, verified: str) -> None:
    invocation = seen(store, "broken", tmp_path, verified)
    assert invocation["error"]["type"] == "KeyError"
    assert invocation["error"]["message"] == "'gone'"
    assert "raise KeyError" in invocation["error"]["trace"]
