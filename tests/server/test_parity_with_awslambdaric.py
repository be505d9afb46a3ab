"""A handler without the decorator behaves under our runtime exactly as under awslambdaric, side by side."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.runtime_api import Invocation, Post, RuntimeApi, Script, running

THEIRS, OURS = "awslambdaric", "streamify_server.runtime"
NAMES = {THEIRS: "a", OURS: "b"}  # of one length: paths are part of errors

APP = """
import decimal, json, logging, os, sys

def handler(event, context):
    return globals()[event["do"]](event, context) if isinstance(event, dict) else repr(event)

def echo(event, context): return event
def text(event, context): return "Grüße \U0001f600"
def number(event, context): return 1.5
def raw(event, context): return b"\\x00\\xff"
def nothing(event, context): return None
def exact(event, context): return decimal.Decimal("1.10")
def not_json(event, context): return object()
def generator(event, context): yield 1
def fails(event, context): raise ValueError("line one\\nline two \u2603")
def nameless(event, context): raise type("Odd Name", (Exception,), {})("x")
def nested(event, context):
    try: fails(event, context)
    except ValueError as error: raise KeyError("outer") from error
def leaves(event, context): sys.exit(7)
def logs(event, context):
    print("printed")
    sys.stderr.write("to stderr\\n")
    logging.getLogger().warning("warned %s", 1)
    logging.getLogger().info("not shown")
    context.log("by the context\\n")
def environment(event, context): return os.environ.get("_X_AMZN_TRACE_ID")
def about(event, context):
    client = context.client_context
    return [
        repr(context), context._epoch_deadline_time_in_ms, context.get_remaining_time_in_millis() > 0,
        client and [client.custom, client.env, client.client and client.client.app_title],
        context.identity.cognito_identity_id, context.tenant_id, context.w3c(),
    ]
"""
HEADERS = {
    "Lambda-Runtime-Deadline-Ms": "4102444800000",
    "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}',
    "Lambda-Runtime-Aws-Tenant-Id": "tenant",
    "Lambda-Runtime-Invocation-Id": "inv-1",
}


def meaning(post: Post) -> Any:
    """What a post says, without what two HTTP clients may do differently."""
    ignored = {"host", "accept", "connection"}
    headers = {name.lower(): value for name, value in post.headers if name.lower() not in ignored}
    return post.path, headers, post.body, post.complete


def both(
    folder: Path,
    *invocations: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
) -> tuple[list[Any], list[Any], list[str]]:
    """What the two runtimes answer to the same invocations, and what they log."""
    answers: dict[str, list[Any]] = {}
    logs: dict[str, str] = {}
    for module in (THEIRS, OURS):
        code = folder / NAMES[module]
        code.mkdir()
        (code / "app.py").write_text(APP, encoding="utf-8")
        with RuntimeApi() as api, running(api, code, module=module, environment=environment) as runtime:
            answers[module] = [meaning(api.invoke(**invocation).result()) for invocation in invocations]
            logs[module] = runtime.log.replace(str(code), "CODE")
    for module, found in answers.items():
        place = str(folder / NAMES[module])
        answers[module] = json.loads(json.dumps(found, default=repr).replace(place, "CODE"))
    return answers[THEIRS], answers[OURS], [logs[THEIRS], logs[OURS]]


def test_results_and_errors_are_posted_alike(tmp_path: Path) -> None:
    names = ["echo", "text", "number", "raw", "nothing", "exact", "not_json", "generator"]
    names += ["fails", "nameless", "nested", "environment"]
    invocations = [{"event": {"do": name}, "headers": HEADERS} for name in names]
    theirs, ours, logs = both(tmp_path, *invocations)
    assert ours == theirs
    assert logs[1] == logs[0]
    assert len(ours) == len(names)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.14"])
def test_json_is_encoded_as_the_managed_runtime_of_that_version_does(tmp_path: Path, python: str) -> None:
    theirs, ours, _ = both(
        tmp_path,
        {"event": {"do": "text"}},
        {"event": {"do": "fails"}},
        environment={"AWS_EXECUTION_ENV": f"AWS_Lambda_python{python}"},
    )
    assert ours == theirs


def test_contexts_are_alike(tmp_path: Path) -> None:
    client_context = {
        "custom": {"a": 1, "grüße": "☃"},
        "env": {"b": 2},
        "client": {"app_title": "t"},
        "w3c": {"traceparent": "00-1-2-01", "other": 1},
    }
    theirs, ours, _ = both(
        tmp_path,
        {"event": {"do": "about"}, "headers": HEADERS},
        {"event": {"do": "about"}, "headers": HEADERS, "client_context": client_context},
        {"event": {"do": "about"}, "headers": {**HEADERS, "Lambda-Runtime-Cognito-Identity": ""}},
        {"event": {"do": "about"}, "headers": {**HEADERS, "Lambda-Runtime-Client-Context": "no json"}},
        {"event": {"do": "environment"}, "headers": {**HEADERS, "Lambda-Runtime-Trace-Id": ""}},
    )
    assert ours == theirs


def test_payloads_are_read_alike(tmp_path: Path) -> None:
    theirs, ours, _ = both(
        tmp_path,
        {"raw": b'{"do": "echo"}'},
        {"raw": b"no json", "headers": HEADERS},
        {"raw": b"", "headers": HEADERS},
        {"raw": b'"\xff"', "headers": HEADERS},
        {"raw": b"as it is", "headers": {**HEADERS, "Content-Type": "text/plain"}},
        {"raw": b'"\xe2\x98\x83"', "headers": HEADERS},
    )
    assert ours == theirs


def test_logs_are_alike(tmp_path: Path) -> None:
    _, _, logs = both(tmp_path, {"event": {"do": "logs"}}, {"event": {"do": "fails"}})
    stripped = ["".join(line for line in log.splitlines(True) if "warned" not in line) for log in logs]
    assert stripped[1] == stripped[0]
    assert all("request-1\twarned 1" in log for log in logs)


def test_json_logs_are_alike(tmp_path: Path) -> None:
    environment = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    _, _, logs = both(tmp_path, {"event": {"do": "fails"}}, environment=environment)
    entries = [json.loads(log) for log in logs]
    for entry in entries:
        entry.pop("timestamp")
    assert entries[1] == entries[0]


@pytest.mark.parametrize(
    ("app", "environment"),
    [
        ("import nowhere_to_be_found", {}),
        ("def handler(", {}),
        ("def other(event, context): pass", {}),
        ("raise RuntimeError('at import')", {}),
    ],
    ids=["import error", "syntax error", "no such handler", "error at import"],
)
def test_init_errors_are_reported_alike(tmp_path: Path, app: str, environment: dict[str, str]) -> None:
    found = []
    for module in (THEIRS, OURS):
        code = tmp_path / module
        code.mkdir()
        (code / "app.py").write_text(app)
        with RuntimeApi() as api, running(api, code, module=module, environment=environment) as runtime:
            post = api.init_errors.get(timeout=30)
            status = runtime.process.wait(30)
            error = json.loads(json.dumps(json.loads(post.body)).replace(str(code), "CODE"))
            found.append((post.path, post.header("lambda-runtime-function-error-type"), error, status))
    assert found[1] == found[0]
    assert found[1][3] == 1


def test_a_handler_that_leaves_the_process_leaves_it_alike(tmp_path: Path) -> None:
    statuses = []
    for module in (THEIRS, OURS):
        code = tmp_path / module
        code.mkdir()
        (code / "app.py").write_text(APP, encoding="utf-8")
        with RuntimeApi() as api, running(api, code, module=module) as runtime:
            api.invoke({"do": "leaves"})
            statuses.append(runtime.process.wait(30))
    assert statuses == [7, 7]


def test_snapstart_hooks_run_around_the_restore(tmp_path: Path) -> None:
    """The hooks of snapshot_restore_py, as awslambdaric runs them."""
    (tmp_path / "app.py").write_text(
        "from snapshot_restore_py import register_after_restore, register_before_snapshot\n"
        "register_before_snapshot(print, 'before the snapshot', flush=True)\n"
        "register_after_restore(print, 'after the restore', flush=True)\n"
        "def handler(event, context): return 1\n"
    )
    environment = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    with RuntimeApi() as api, running(api, tmp_path, environment=environment) as runtime:
        assert api.invoke({}).result().body == b"1"
        assert api.other_requests == ["/2018-06-01/runtime/restore/next"]
        said = [line for line in runtime.log.splitlines() if line.startswith(("before the", "after the"))]
        assert said == ["before the snapshot", "after the restore"]


MANAGED = """
import os
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    while True:
        yield str(os.getpid()).encode() + b";" + b"x" * 65536

def plain(event, context): return os.getpid()
"""


def test_managed_instances_stream_from_their_workers_at_the_same_time(tmp_path: Path) -> None:
    """Row 15: concurrent streams are not serialized; each worker has its own."""
    (tmp_path / "app.py").write_text(MANAGED)
    environment = {"AWS_LAMBDA_MAX_CONCURRENCY": "2"}
    with RuntimeApi() as api, running(api, tmp_path, environment=environment):
        streams: list[Invocation] = [
            api.invoke({}, script=Script(pause_after=1, drop_after=1)) for _ in range(2)
        ]
        workers = {stream.wait_for(b";").body.split(b";")[0] for stream in streams}
        for stream in streams:
            stream.script.resume.set()
        assert len(workers) == 2


def test_the_native_extension_of_awslambdaric_is_not_needed(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import sys\ndef handler(event, context): return sys.modules.get('runtime_client') is None\n"
    )
    with RuntimeApi() as api, running(api, tmp_path):
        assert api.invoke({}).result().body == b"true"
