"""The peers: what make interop installs, and how the tests call them."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_server.local import LocalLambda

PEERS = Path(__file__).parent / "peers"
FUNCTIONS = Path(__file__).parent / "functions"
EXAMPLES = Path(__file__).parent.parent.parent / "examples"
NODE_RUNTIME = [str(PEERS / "node_modules/.bin/node"), str(PEERS / "node_modules/aws-lambda-ric/index.mjs")]
MIDDY_HANDLERS = ("string", "stream", "http", "early", "late")

JavaScript = Callable[[str, str, Any], list[dict[str, Any]]]


@pytest.fixture(scope="module", params=["observed", "documented"])
def aws(request: pytest.FixtureRequest) -> Iterator[LocalLambda]:
    """A LocalLambda with functions of ours and functions on middy."""
    with LocalLambda(stream_errors=request.param) as local:
        local.add_function("tokens", handler="tokens.handler", code=EXAMPLES, timeout=30)
        local.add_function("failing", handler="failing.handler", code=FUNCTIONS, timeout=30)
        for name in MIDDY_HANDLERS:
            local.add_function(
                f"middy-{name}",
                command=NODE_RUNTIME,
                handler=f"middy-handlers.{name}",
                code=PEERS,
                timeout=30,
                environment={"LANG": request.param},
            )
        yield local


@pytest.fixture(scope="module")
def javascript(aws: LocalLambda) -> JavaScript:
    """AWS's JavaScript SDK: (command, function, payload) -> what it printed."""

    def run(command: str, function: str, payload: Any) -> list[dict[str, Any]]:
        arguments = [aws.endpoint_url, command, function, json.dumps(payload)]
        done = subprocess.run(
            ["node", "read-stream.mjs", *arguments],
            cwd=PEERS,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run
