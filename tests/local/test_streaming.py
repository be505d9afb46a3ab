"""InvokeWithResponseStream, by raw boto3 and over a raw socket."""

import base64
import socket
import sys
from typing import Any

from streamify_server.local import LocalLambda
from streamify_server.local.lambda_api.event_stream import invoke_complete, payload_chunk
from support.local import FUNCTIONS, Gate, body_of, steps, stream


def test_the_headers_are_those_of_aws(client: Any) -> None:
    answer = client.invoke_with_response_stream(
        FunctionName="steps", Payload=steps(["write", "x"], ["end"], content_type="text/csv")
    )
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    assert headers["x-amzn-remapped-content-type"] == "text/csv"
    assert headers["transfer-encoding"] == "chunked"
    assert headers["x-amzn-requestid"] == answer["ResponseMetadata"]["RequestId"]
    assert headers["x-amzn-trace-id"].startswith("Root=1-")
    answer["EventStream"].close()


def test_chunks_come_in_order_and_the_end_event_last(client: Any) -> None:
    events = stream(client, payload=steps(["write", "Hello "], ["write", "world"], ["end"]))
    assert body_of(events) == b"Hello world"
    assert events[-1] == {"InvokeComplete": {}}


def test_the_first_chunk_arrives_before_the_function_goes_on(client: Any, gate: Gate) -> None:
    payload = steps(["write", "first"], ["await", gate.path], ["write", "second"], ["end"])
    answer = client.invoke_with_response_stream(FunctionName="steps", Payload=payload)
    events = iter(answer["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"first"}}
    gate.open()
    assert body_of(list(events)) == b"second"


def test_the_bytes_on_the_wire_are_golden_frames_in_http_chunks(aws: LocalLambda) -> None:
    body = steps(["write", "Hello world "], ["end"])
    path = "/2021-11-15/functions/steps/response-streaming-invocations"
    address = aws.endpoint_url.removeprefix("http://")
    host, port = address.split(":")
    with socket.create_connection((host, int(port))) as raw:
        head = [
            f"POST {path} HTTP/1.1",
            f"Host: {address}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        raw.sendall("\r\n".join([*head, "", ""]).encode() + body)
        received = b"".join(iter(lambda: raw.recv(65536), b""))
    _, _, payload = received.partition(b"\r\n\r\n")
    frames = [payload_chunk(b"Hello world "), invoke_complete()]
    assert payload == b"".join(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames) + b"0\r\n\r\n"


def test_the_log_tail_comes_with_the_end_event(client: Any) -> None:
    events = stream(client, payload=steps(["print", "seen"], ["write", "x"], ["end"]), LogType="Tail")
    log = base64.b64decode(events[-1]["InvokeComplete"]["LogResult"]).decode()
    assert "\nseen\n" in log
    assert "\nREPORT RequestId: " in log


def test_an_empty_response_is_an_end_event_alone(client: Any) -> None:
    assert stream(client, payload=steps(["end"])) == [{"InvokeComplete": {}}]


def test_a_buffered_answer_is_streamed_too(client: Any) -> None:
    assert body_of(stream(client, payload=steps(["answer", '"whole"']))) == b'"whole"'


def test_a_caller_that_leaves_does_not_stop_the_function(client: Any, aws: LocalLambda, gate: Gate) -> None:
    payload = steps(["write", "x"], ["await", gate.path], ["fill", 8 << 20], ["tell", gate.path], ["end"])
    answer = client.invoke_with_response_stream(FunctionName="steps", Payload=payload)
    next(iter(answer["EventStream"]))
    client.close()
    answer["EventStream"].close()
    gate.open()
    assert int(gate.read()) > 0


def test_a_plain_python_handler_on_awslambdaric_streams_its_one_answer(aws: LocalLambda, client: Any) -> None:
    command = [sys.executable, "-m", "awslambdaric", "plain.handler"]
    aws.add_function("plain", handler="plain.handler", code=FUNCTIONS, command=command)
    assert body_of(stream(client, "plain", b'{"name": "you"}')) == b'{"hello": "you"}'


def test_warm_processes_are_reused_and_concurrent_ones_have_their_own(client: Any, gate: Gate) -> None:
    busy = client.invoke_with_response_stream(
        FunctionName="steps", Payload=steps(["write", "x"], ["await", gate.path], ["end"])
    )
    pids = {body_of(stream(client, payload=steps(["environment"]))) for _ in range(3)}
    assert len({pid.split(b"LOG_STREAM_NAME")[1][:60] for pid in pids}) == 1
    gate.open()
    list(busy["EventStream"])
