"""What a caller has not read to its end, and the processes that run for it."""

import os
from typing import Any

from streamify_server.local import LocalLambda
from support.local import Gate, steps

PATH = "POST /2021-11-15/functions/steps/response-streaming-invocations"


def test_a_response_is_open_until_its_caller_closes_it(aws: LocalLambda, client: Any, gate: Gate) -> None:
    payload = steps(["write", "a"], ["await", gate.path], ["end"])
    stream = client.invoke_with_response_stream(FunctionName="steps", Payload=payload)["EventStream"]
    next(iter(stream))
    assert aws.open_requests() == [PATH]
    stream.close()
    assert aws.open_requests(patience=10) == []
    gate.open()


def test_a_response_that_was_read_is_not_open(aws: LocalLambda, client: Any) -> None:
    answer = client.invoke_with_response_stream(FunctionName="steps", Payload=steps(["write", "a"], ["end"]))
    list(answer["EventStream"])
    assert aws.open_requests(patience=10) == []


def test_function_processes_are_known_by_their_ids(aws: LocalLambda, client: Any) -> None:
    client.invoke(FunctionName="steps", Payload=steps(["write", "a"], ["end"]))
    process_ids = aws.process_ids()
    assert process_ids
    for process_id in process_ids:
        os.kill(process_id, 0)
