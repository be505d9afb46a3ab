"""A function on a managed runtime with this package in it, and nothing else set up."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.managed import Managed, managed
from support.runtime_api import PATIENCE, RuntimeApi

APP = """
from streamify_server import HttpResponse, streaming_handler

@streaming_handler
def handler(event, context):
    return globals()[event["do"]](event)

def words(event):
    yield "one "
    yield "two"

def early(event):
    raise ValueError("before the first byte")
    yield ""

def late(event):
    yield "first"
    raise ValueError("after the first byte")

def http(event):
    return HttpResponse(201, {"x-a": "b"}, body=words(event))

def name(event):
    import awslambdaric, sys
    module = sys.modules["awslambdaric.lambda_runtime_client"]
    yield awslambdaric.__version__ + " " + module.runtime_client._client.__file__
"""
PLAIN = """
import streaming
def handler(event, context):
    if event.get("fails"):
        raise KeyError("plain")
    return {"sum": event["a"] + event["b"]}
"""


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Managed]:
    with managed(tmp_path) as aws:
        yield aws


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    with RuntimeApi() as api:
        yield api


def test_a_decorated_handler_streams(aws: Managed, api: RuntimeApi) -> None:
    aws.write(app=APP)
    aws.start(api)
    post = api.invoke({"do": "words"}, headers={"Lambda-Runtime-Invocation-Id": "inv-7"}).result()
    assert post.chunks == [b"one ", b"two"]
    assert post.header("lambda-runtime-function-response-mode") == "streaming"
    assert post.header("lambda-runtime-invocation-id") == "inv-7"
    assert post.complete
    again = api.invoke({"do": "http"}).result()
    assert again.prelude == {"statusCode": 201, "headers": {"x-a": "b"}}
    assert again.http_body == b"one two"
    assert aws.log == ""


def test_the_client_below_is_aws_own_native_extension(aws: Managed, api: RuntimeApi) -> None:
    aws.write(app=APP)
    aws.start(api)
    version, file = api.invoke({"do": "name"}).result().body.decode().split()
    assert version == "4.2.2"
    assert Path(file).parent == aws.runtime
    assert file.endswith(".so")


def test_every_invocation_is_answered_once(aws: Managed, api: RuntimeApi) -> None:
    aws.write(app=APP)
    aws.start(api)
    invocations = [api.invoke({"do": do}) for do in ("words", "late", "early", "words")]
    invocations[-1].result()
    assert [[post.path.rsplit("/", 1)[1] for post in each.posts] for each in invocations] == [
        ["response"], ["response"], ["error"], ["response"]
    ]  # fmt: skip
    assert invocations[1].posts[0].error["errorMessage"] == "after the first byte"
    assert invocations[2].posts[0].error["errorMessage"] == "before the first byte"
    assert "[ERROR] ValueError: after the first byte" in aws.log


def test_a_handler_without_the_decorator_is_left_to_aws(aws: Managed, api: RuntimeApi) -> None:
    """Also beside one with it: its answers still go through the native extension."""
    aws.write(app=PLAIN, streaming=APP)
    aws.start(api)
    post = api.invoke({"a": 1, "b": 2}).result()
    assert json.loads(post.body) == {"sum": 3}
    assert post.header("lambda-runtime-function-response-mode") is None
    assert "aws-lambda-python/" in (post.header("user-agent") or "")
    assert api.invoke({"fails": True}).result().error["errorType"] == "KeyError"


SNAP_START = """
from snapshot_restore_py import register_after_restore, register_before_snapshot
from streamify_server import streaming_handler

done = []
register_before_snapshot(done.append, "before snapshot")
register_after_restore(done.append, "after restore")

@streaming_handler
def handler(event, context):
    yield ", ".join(done)
"""


def test_snapstart_hooks_run_around_the_snapshot(aws: Managed, api: RuntimeApi) -> None:
    aws.write(app=SNAP_START)
    aws.start(api, {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})
    post = api.invoke({}).result()
    assert post.body == b"before snapshot, after restore"
    assert post.header("lambda-runtime-function-response-mode") == "streaming"
    assert api.other_requests == ["/2018-06-01/runtime/restore/next"]


WORKERS = """
import os
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    yield f"{os.getpid()} "
    with open(event["wait_for"], "rb") as gate:
        gate.read()
    yield "done"
"""


def test_the_forked_workers_of_a_managed_instance_stream_at_a_time(
    aws: Managed, api: RuntimeApi, tmp_path: Path
) -> None:
    gates = [tmp_path / "gate-0", tmp_path / "gate-1"]
    for gate in gates:
        os.mkfifo(gate)
    aws.write(app=WORKERS)
    aws.start(api, {"AWS_LAMBDA_MAX_CONCURRENCY": "2"})
    both = [api.invoke({"wait_for": str(gate)}) for gate in gates]
    for invocation in both:
        invocation.wait_for(b" ")
    for gate in gates:
        gate.write_bytes(b"")
    assert len({invocation.result().body.split()[0] for invocation in both}) == 2


SHADOWS = [
    *("base64", "contextvars", "csv", "hmac", "json", "logging"),
    *("select", "signal", "socket", "struct", "types", "typing"),
    *(("queue",) if sys.version_info < (3, 12) else ()),  # from then on, AWS's client takes it for Python's
]
# What AWS's bootstrap has imported is Python's for the function too; of the rest it finds its own.
AWS_IMPORTS = {"json", "logging", "struct", "types", "typing"}
USES_ALL = """
from streamify_server import checkpoint, csv_rows, last_checkpoint

def points(event):
    yield "one "
    yield checkpoint(1)

def rows(event):
    return csv_rows([[1], [2]])

async def slowly(event):
    yield "one "
"""
GOING_ON = {"custom": {"streamify": "verified/1, continue/1"}}


@pytest.mark.parametrize("first", [True, False], ids=["imported first", "imported last"])
@pytest.mark.parametrize("name", SHADOWS)
def test_a_file_of_the_functions_that_is_called_like_one_of_pythons_changes_nothing(
    aws: Managed, api: RuntimeApi, name: str, first: bool
) -> None:
    own = f"import {name}\ndef own(event):\n    yield getattr({name}, 'value', 'of Python')\n"
    aws.write(
        app=own + APP + USES_ALL if first else APP + USES_ALL + own, **{name: "value = 'of the function'"}
    )
    aws.start(api)
    plain = [api.invoke({"do": do}) for do in ("words", "rows", "slowly")]
    assert [each.result().body for each in plain] == [b"one two", b"1\r\n2\r\n", b"one "]
    framed = [api.invoke({"do": do}, client_context=GOING_ON) for do in ("words", "points")]
    found = api.invoke({"do": "own"}).result().body  # the framed ones are over, whole or not
    assert [each.posts[0].body.count(b":event-type") for each in framed if each.posts[0].complete] == [4, 4]
    assert found == b"of the function" or (name in AWS_IMPORTS and found == b"of Python")


def test_under_sam_local_answers_come_in_one_piece_without_a_word(aws: Managed, api: RuntimeApi) -> None:
    aws.write(app=APP)
    aws.start(api, {"AWS_SAM_LOCAL": "true"})
    post = api.invoke({"do": "http", "httpMethod": "GET", "requestContext": {}}).result()
    assert json.loads(post.body)["statusCode"] == 201
    assert aws.log == ""


def test_switched_off_answers_come_in_one_piece_without_a_word(aws: Managed, api: RuntimeApi) -> None:
    aws.write(app=APP)
    aws.start(api, {"STREAMIFY_RUNTIME": "off"})
    post = api.invoke({"do": "words"}).result()
    assert post.body == b"one two"
    assert post.header("lambda-runtime-function-response-mode") is None
    assert aws.log == ""


NEWER = """
import awslambdaric
awslambdaric.__version__ = "5.0.0"
"""
INCOMPLETE = """
from awslambdaric import lambda_runtime_client as module

class Client:
    next = module.runtime_client.next
    post_invocation_result = module.runtime_client.post_invocation_result

module.runtime_client = Client
"""
ANOTHER_WAY = """
from awslambdaric import lambda_runtime_client as module

native = module.runtime_client
exec("def wait_next_invocation(self): return native.next()", vars(module))
module.LambdaRuntimeClient.wait_next_invocation = vars(module)["wait_next_invocation"]
"""
UNFIT = {
    "newer": (NEWER, "awslambdaric 5.0.0 is newer"),
    "incomplete": (INCOMPLETE, "awslambdaric 4.2.2 has no runtime_client.post_error"),
    "another way": (ANOTHER_WAY, "wait_next_invocation of awslambdaric 4.2.2 calls no runtime_client.next"),
}


@pytest.mark.parametrize("unfit", ["newer"])
def test_what_does_not_fit_answers_in_one_piece_and_warns_once(
    aws: Managed, api: RuntimeApi, unfit: str
) -> None:
    change, sentence = UNFIT[unfit]
    aws.write(app=change + APP)
    aws.start(api)
    posts = [api.invoke({"do": "words"}).result() for _ in range(3)]
    assert [post.body for post in posts] == [b"one two"] * 3
    assert aws.log.count("[WARNING]") == 1
    assert f"response is buffered, because {sentence}" in aws.log
    assert "AWS_LAMBDA_EXEC_WRAPPER=/opt/streamify-wrapper" in aws.log


@pytest.mark.parametrize("unfit", sorted(UNFIT))
def test_required_what_does_not_fit_is_an_init_error(aws: Managed, api: RuntimeApi, unfit: str) -> None:
    change, sentence = UNFIT[unfit]
    aws.write(app=change + APP)
    process = aws.start(api, {"STREAMIFY_RUNTIME": "require"})
    error = json.loads(api.init_errors.get(timeout=PATIENCE).body)
    assert process.wait(PATIENCE) == 1
    assert error["errorType"] == "NotStreamingError"
    assert error["errorMessage"].startswith("This function cannot stream, and STREAMIFY_RUNTIME=require: ")
    assert sentence in error["errorMessage"]


def test_an_unknown_mode_is_an_init_error(aws: Managed, api: RuntimeApi) -> None:
    aws.write(app=APP)
    aws.start(api, {"STREAMIFY_RUNTIME": "on"})
    error = json.loads(api.init_errors.get(timeout=PATIENCE).body)
    assert error["errorMessage"] == "STREAMIFY_RUNTIME takes auto, off, require, not 'on'."


REPLACED = """
from types import SimpleNamespace
from streamify_server import streaming_handler

@streaming_handler
def inner(event, context):
    yield "one "
    yield "two"

def handler(event, context):
    return inner(event, SimpleNamespace(aws_request_id="another"))
"""


def test_a_decorator_that_replaces_the_context_is_named(aws: Managed, api: RuntimeApi) -> None:
    aws.write(app=REPLACED)
    aws.start(api)
    assert [api.invoke({}).result().body for _ in range(2)] == [b"one two"] * 2
    assert aws.log.count("[WARNING]") == 1
    assert "a context (aws_request_id 'another') that is not the invocation's" in aws.log


LATE = """
def handler(event, context):
    import streaming
    return streaming.handler(event, context)
"""


def test_decorated_during_an_invocation_a_handler_streams_from_the_next_on(
    aws: Managed, api: RuntimeApi
) -> None:
    aws.write(app=LATE, streaming=APP)
    aws.start(api)
    assert api.invoke({"do": "words"}).result().body == b"one two"
    assert api.invoke({"do": "words"}).result().chunks == [b"one ", b"two"]
    assert aws.log.count("[WARNING]") == 1
    assert "Decorate it while its module is imported" in aws.log


def test_a_handler_that_asks_for_one_piece_is_not_warned_of_it(aws: Managed, api: RuntimeApi) -> None:
    aws.write(
        app=f"{NEWER}"
        "from streamify_server import streaming_handler\n"
        "@streaming_handler(respond='buffered')\n"
        "def handler(event, context):\n    yield 'one '\n    yield 'two'\n"
    )
    aws.start(api)
    assert api.invoke({}).result().body == b"one two"
    assert aws.log == ""


def test_a_tracer_may_import_the_function_before_the_runtime_starts(aws: Managed, api: RuntimeApi) -> None:
    """As OpenTelemetry's auto-instrumentation does, from a sitecustomize."""
    (aws.opt / "python").mkdir()
    (aws.opt / "python" / "sitecustomize.py").write_text("import app\n")
    aws.write(app=APP)
    path = f"{aws.opt}/python:{aws.task}"
    aws.start(api, {"PYTHONPATH": path, "STREAMIFY_RUNTIME": "require"})
    assert api.invoke({"do": "words"}).result().chunks == [b"one ", b"two"]
    assert aws.log == ""


def test_in_a_process_without_a_runtime_client_the_handler_says_so(aws: Managed, api: RuntimeApi) -> None:
    """A runtime of somebody else's: nothing can be known of it before the handler is called."""
    aws.write(app=APP)
    (aws.runtime / "bootstrap.py").write_text(
        f"import sys\nsys.path.insert(0, {str(aws.task)!r})\nimport app\n"
        "for _ in range(2): print(app.handler({'do': 'words'}, None), flush=True)\n"
    )
    assert aws.start(api).wait(PATIENCE) == 0
    assert aws.log.count("one two") == 2
    assert aws.log.count("awslambdaric, does not run this process") == 1
    assert aws.start(api, {"STREAMIFY_RUNTIME": "require"}).wait(PATIENCE) == 1
    assert "NotStreamingError: This function cannot stream, and STREAMIFY_RUNTIME=require" in aws.log
