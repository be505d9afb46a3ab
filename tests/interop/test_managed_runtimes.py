"""Every Python on this machine, AWS's runtime client in four versions, and the real packages of tracers.

`scripts/install-vendors` installs them; a missing one is a failure.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from streamify_server.deploy.layer import build, find_interpreters
from support.layer import unpack, wheels_of_what_is_installed
from support.managed import Managed, managed
from support.runtime_api import RuntimeApi

pytestmark = pytest.mark.interop

INSTALLED = Path(__file__).parents[2] / "build" / "managed"
PYTHONS = find_interpreters(("3.11", "3.12", "3.13"))
RUNTIME_CLIENTS = ("3.0.0", "3.0.2", "3.1.1", "4.0.0", "4.2.2")
WRAPPER = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/streamify-wrapper"}
WAYS = {"package": {}, "wrapper": WRAPPER}
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

def plain(event, context):
    return {"sum": event["a"] + event["b"]}
"""


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    with RuntimeApi() as api:
        yield api


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer for every Python, unpacked."""
    folder = tmp_path_factory.mktemp("layer")
    build(folder / "layer.zip", wheels_of_what_is_installed(folder), list(PYTHONS.values()))
    return unpack(folder / "layer.zip", folder / "opt")


@pytest.fixture(params=sorted(PYTHONS))
def python(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def aws(tmp_path: Path, python: str, opt: Path, request: pytest.FixtureRequest) -> Iterator[Managed]:
    """A managed runtime of that Python, with the layer attached."""
    version = getattr(request, "param", "4.2.2")
    folder = INSTALLED / python / f"awslambdaric-{version}"
    assert folder.is_dir(), "run scripts/install-vendors"
    with managed(tmp_path, PYTHONS[python], folder) as aws:
        aws.opt.rmdir()
        aws.opt.symlink_to(opt)
        aws.write(app=APP)
        yield aws


def streams(api: RuntimeApi, **event: object) -> None:
    """Assert that the function streams, and answers each invocation once."""
    invocations = [api.invoke({"do": do, **event}) for do in ("words", "late", "early", "http")]
    words, late, early, http = (invocation.result() for invocation in invocations)
    assert words.chunks == [b"one ", b"two"]
    assert late.error["errorMessage"] == "after the first byte"
    assert late.path.endswith("/response")
    assert early.error["errorMessage"] == "before the first byte"
    assert early.path.endswith("/error")
    assert http.prelude == {"statusCode": 201, "headers": {"x-a": "b"}}
    assert all(len(invocation.posts) == 1 for invocation in invocations)
    api.invoke({"do": "words", **event}).result()  # so that what follows the fourth has happened too


@pytest.mark.parametrize("aws", RUNTIME_CLIENTS, indirect=True)
def test_the_package_alone_streams_under_each_runtime_client(aws: Managed, api: RuntimeApi) -> None:
    aws.start(api)
    streams(api)


@pytest.mark.parametrize("aws", RUNTIME_CLIENTS, indirect=True)
def test_a_handler_without_the_decorator_is_left_to_aws(aws: Managed, api: RuntimeApi) -> None:
    aws.start(api, {"_HANDLER": "app.plain"})
    post = api.invoke({"a": 1, "b": 2}).result()
    assert json.loads(post.body) == {"sum": 3}
    assert post.header("lambda-runtime-function-response-mode") is None


@pytest.mark.parametrize("aws", RUNTIME_CLIENTS, indirect=True)
def test_the_wrapper_does_not_care_what_the_managed_runtime_has(aws: Managed, api: RuntimeApi) -> None:
    aws.start(api, WRAPPER)
    streams(api)


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("name", ["logging", "types", "typing", "select", "signal", "socket", "json"])
def test_a_file_that_is_called_like_one_of_pythons_changes_nothing(
    aws: Managed, api: RuntimeApi, way: str, name: str
) -> None:
    aws.write(**{name: "value = 'of the function'"})
    aws.start(api, WAYS[way])
    streams(api)


# The folders at their places on Lambda, and read-only, for the process that it starts and its children.
MOUNT = """
set -eu
mount -t tmpfs tmpfs /var
mkdir /var/task /var/runtime
for pair in {root}/task:/var/task {root}/opt/:/opt {root}/runtime:/var/runtime; do
    mount --bind "${{pair%:*}}" "${{pair#*:}}"
    mount -o remount,ro,bind "${{pair#*:}}"
done
export LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime EMULATED_OPT=/opt
cd /var/task
exec ${{AWS_LAMBDA_EXEC_WRAPPER:-}} {python} /var/runtime/bootstrap.py
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.parametrize("way", sorted(WAYS))
def test_the_folders_of_lambda_are_read_only(aws: Managed, api: RuntimeApi, tmp_path: Path, way: str) -> None:
    layer = aws.opt.resolve()
    aws.opt.unlink()
    shutil.copytree(layer, aws.opt)
    link = aws.task / "streamify_server"
    package = link.resolve()
    link.unlink()
    shutil.copytree(package, link, ignore=shutil.ignore_patterns("__pycache__", "local", "dev"))
    aws.write(app=APP + "def read_only(event):\n    open('/var/task/new', 'w')\n")
    command = ["unshare", "--mount", "sh", "-c", MOUNT.format(root=tmp_path, python=aws.python)]
    environment = {**aws.environment(api.address, WAYS[way]), "PATH": os.environ["PATH"]}
    with (tmp_path / "log").open("wb") as log:
        aws.processes.append(
            subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        )
    streams(api)
    assert api.invoke({"do": "read_only"}).result().error["errorType"] == "OSError"
    assert "streamify-wrapper:" not in aws.log


@pytest.mark.parametrize("way", sorted(WAYS))
def test_snapstart_restores_and_streams(aws: Managed, api: RuntimeApi, way: str) -> None:
    aws.start(api, {**WAYS[way], "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})
    streams(api)
    assert api.other_requests == ["/2018-06-01/runtime/restore/next"]


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("aws", ["4.0.0", "4.2.2"], indirect=True)
def test_the_workers_of_a_managed_instance_stream(aws: Managed, api: RuntimeApi, way: str) -> None:
    aws.start(api, {**WAYS[way], "AWS_LAMBDA_MAX_CONCURRENCY": "3"})
    streams(api)


def install(aws: Managed, name: str, python: str) -> None:
    """Put a tracer's packages into a layer of their own, beside ours."""
    folder = INSTALLED / python / name
    assert folder.is_dir(), "run scripts/install-vendors"
    layer = aws.opt.resolve()
    aws.opt.unlink()
    shutil.copytree(layer, aws.opt)
    (aws.opt / "python").chmod(0o755)
    shutil.copytree(folder, aws.opt / "python", dirs_exist_ok=True)


def start(aws: Managed, api: RuntimeApi, way: str, environment: Mapping[str, str]) -> None:
    aws.start(api, {**WAYS[way], **environment})


DATADOG = {
    "_HANDLER": "datadog_lambda.handler.handler",
    "DD_LAMBDA_HANDLER": "app.handler",
    "DD_FLUSH_TO_LOG": "true",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_datadogs_handler_calls_one_that_streams(
    aws: Managed, api: RuntimeApi, python: str, way: str
) -> None:
    install(aws, "datadog", python)
    start(aws, api, way, DATADOG)
    streams(api)
    assert "aws.lambda.enhanced.invocations" in aws.log


SENTRY = """
import sentry_sdk
from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration
from sentry_sdk.transport import Transport

class Told(Transport):
    def capture_envelope(self, envelope):
        for item in envelope.items:
            event = item.get_event()
            if event:
                print("told sentry of", event["exception"]["values"][0]["value"], flush=True)

    def flush(self, timeout, callback=None):
        print("flushed", flush=True)

sentry_sdk.init(dsn="https://key@127.0.0.1/1", integrations=[AwsLambdaIntegration()], transport=Told)
"""


@pytest.mark.parametrize("way", sorted(WAYS))
def test_sentry_is_told_of_every_error_and_flushed_after_every_invocation(
    aws: Managed, api: RuntimeApi, python: str, way: str
) -> None:
    install(aws, "sentry", python)
    aws.write(app=SENTRY + APP)
    start(aws, api, way, {})
    streams(api)
    assert "told sentry of after the first byte" in aws.log
    assert "told sentry of before the first byte" in aws.log
    assert aws.log.count("flushed") >= 4


OPENTELEMETRY = """
import os
from importlib import import_module
from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor

AwsLambdaInstrumentor().instrument()
module, name = os.environ["ORIG_HANDLER"].rsplit(".", 1)
lambda_handler = getattr(import_module(module), name)
"""
# As the wrappers of OpenTelemetry's layers do: the handler is theirs, and the interpreter starts under their
# `opentelemetry-instrument`, which sets PYTHONPATH.
INSTRUMENT = """#!/bin/sh
export ORIG_HANDLER=$_HANDLER _HANDLER=otel_wrapper.lambda_handler
export PYTHONPATH="{opt}/python:{runtime}"
exec {python} {opt}/python/bin/opentelemetry-instrument "$@"
"""


@pytest.mark.parametrize("way", sorted(WAYS))
def test_opentelemetrys_wrapper_runs_inside_ours_or_in_its_place(
    aws: Managed, api: RuntimeApi, python: str, way: str
) -> None:
    install(aws, "opentelemetry", python)
    (aws.opt / "python" / "otel_wrapper.py").write_text(OPENTELEMETRY)
    other = aws.opt.parent / "otel-instrument"
    other.write_text(INSTRUMENT.format(opt=aws.opt, runtime=aws.runtime, python=aws.python))
    other.chmod(0o755)
    name = "STREAMIFY_EXEC_WRAPPER" if way == "wrapper" else "AWS_LAMBDA_EXEC_WRAPPER"
    start(
        aws,
        api,
        way,
        {
            name: str(other),
            "OTEL_TRACES_EXPORTER": "console",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
        },
    )
    streams(api)
    log = aws.log
    invocations = re.findall(r'"faas.invocation_id": "(.*?)"', log)
    assert len(set(invocations)) == len(invocations) >= 4  # the fifth invocation may still be going on
    assert log.count('"streamify.bytes_sent"') >= 4
    assert "ValueError: after the first byte" in aws.log


NEW_RELIC = """
import newrelic.agent
newrelic.agent.initialize()
from newrelic_lambda.lambda_handler import lambda_handler
"""


@pytest.mark.parametrize("way", sorted(WAYS))
def test_new_relics_decorator_calls_a_handler_that_streams(
    aws: Managed, api: RuntimeApi, python: str, way: str
) -> None:
    install(aws, "newrelic", python)
    aws.write(app=f"{NEW_RELIC}{APP}\nhandler = lambda_handler()(handler)\n")
    environment = {
        "NEW_RELIC_SERVERLESS_MODE_ENABLED": "true",
        "NEW_RELIC_ACCOUNT_ID": "1",
        "NEW_RELIC_TRUSTED_ACCOUNT_KEY": "1",
        "NEW_RELIC_LOG": "stderr",
    }
    start(aws, api, way, environment)
    streams(api)
    assert "NR_LAMBDA_MONITORING" in aws.log


def test_the_machine_has_more_than_one_python() -> None:
    if os.environ.get("CI"):
        assert len(PYTHONS) >= 2
