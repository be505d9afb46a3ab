"""LocalLambda for tests: functions that do what the test's event says, and pipes to signal them with."""

import json
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from streamify_server.local import LocalLambda

FUNCTIONS = Path(__file__).parent.parent / "local" / "functions"
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


def add_steps(aws: LocalLambda, name: str = "steps", **options: Any) -> None:
    """Add the function that performs the steps in its event."""
    options = {"timeout": 30, **options}
    command = [sys.executable, str(FUNCTIONS / "steps.py")]
    aws.add_function(name, handler="steps.main", code=FUNCTIONS, command=command, **options)


def boto3_client(aws: LocalLambda, **options: Any) -> Any:
    """A real boto3 client of a LocalLambda that never tries twice."""
    return boto3.client("lambda", **{"config": ONE_ATTEMPT, **aws.client_kwargs, **options})


def steps(*steps: Any, **event: Any) -> bytes:
    """The payload of the function of `add_steps`."""
    return json.dumps({"steps": steps, **event}).encode()


class Gate:
    """A named pipe: a function waits at it until the test opens it."""

    def __init__(self, directory: Path, name: str = "gate") -> None:
        self.path = str(directory / name)
        os.mkfifo(self.path)

    def open(self) -> None:
        """Let the function that waits go on."""
        with open(self.path, "w"):
            pass

    def read(self) -> str:
        """Wait for what the function tells."""
        with open(self.path) as pipe:
            return pipe.read()


def invoke(client: Any, payload: bytes = b"{}", name: str = "steps", **arguments: Any) -> dict[str, Any]:
    """The answer to a buffered invocation, its payload read."""
    answer = client.invoke(FunctionName=name, Payload=payload, **arguments)
    with closing(answer["Payload"]):
        return {**answer, "Payload": answer["Payload"].read()}


def stream(
    client: Any, name: str = "steps", payload: bytes = b"{}", **arguments: Any
) -> list[dict[str, Any]]:
    """All events of a streamed invocation."""
    answer = client.invoke_with_response_stream(FunctionName=name, Payload=payload, **arguments)
    with closing(answer["EventStream"]):
        return list(answer["EventStream"])


def body_of(events: list[dict[str, Any]]) -> bytes:
    """The payload that a list of events carries."""
    return b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event)
