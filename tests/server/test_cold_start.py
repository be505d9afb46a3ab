"""What the runtime imports before it asks for its first invocation: each module costs every cold start."""

import json
from pathlib import Path

import pytest

from support.runtime_api import RuntimeApi, running

# Beyond what awslambdaric imports by itself. Add to it only what cannot wait until it is needed.
STANDARD_LIBRARY = {"_contextvars", "_socket", "awslambdaric.__main__", "select"}
RUNTIME = {
    "streamify_server",
    "streamify_server.errors",
    "streamify_server.posting",
    "streamify_server.runtime",
    "streamify_server.runtime.api",
    "streamify_server.runtime.client",
    "streamify_server.runtime.poster",
    "streamify_server.runtime.ric",
    "streamify_server.runtime.sink",
    "streamify_server.runtime.startup",
    "streamify_server.runtime.streaming",
    "streamify_server.shadowing",
    "streamify_server.wire",
    "streamify_server.wire.errors",
}
DECORATOR = {
    "streamify_server.checkpoints",
    "streamify_server.engine",
    "streamify_server.engine.answer",
    "streamify_server.engine.body",
    "streamify_server.engine.call",
    "streamify_server.engine.chains",
    "streamify_server.engine.chunks",
    "streamify_server.engine.driver",
    "streamify_server.engine.interruption",
    "streamify_server.engine.lifecycle",
    "streamify_server.engine.onion",
    "streamify_server.engine.output",
    "streamify_server.engine.producing",
    "streamify_server.engine.style",
    "streamify_server.events",
    "streamify_server.handler",
    "streamify_server.middleware",
    "streamify_server.response",
    "streamify_server.runtime.attached",
    "streamify_server.wire.verified",
}
# Imported by the first invocation of a streaming handler, to stop it in time.
DEADLINE = {"streamify_server.engine.deadline"}
PLAIN = """
import sys

def handler(event, context):
    return sorted(sys.modules)
"""
STREAMING = """
import json, sys
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    return json.dumps(sorted(sys.modules))
"""


def imported(module: str, source: str, folder: Path) -> set[str]:
    """The modules that are loaded when the first invocation has come."""
    folder.mkdir()
    (folder / "app.py").write_text(source)
    with RuntimeApi() as api, running(api, folder, module=module):
        return set(json.loads(api.invoke({}).result().body))


@pytest.mark.parametrize(
    ("source", "expected"),
    [(PLAIN, RUNTIME), (STREAMING, RUNTIME | DECORATOR | DEADLINE)],
    ids=["plain handler", "streaming handler"],
)
def test_these_modules_are_imported_before_the_first_invocation_is_answered_and_no_other(
    source: str, expected: set[str], tmp_path: Path
) -> None:
    ours = imported("streamify_server.runtime", source, tmp_path / "ours")
    theirs = imported("awslambdaric", PLAIN, tmp_path / "theirs")
    more = {name for name in ours - theirs if not name.startswith("typing.")}
    assert {name for name in more if name.startswith("streamify_server")} == expected
    assert more - expected <= STANDARD_LIBRARY
