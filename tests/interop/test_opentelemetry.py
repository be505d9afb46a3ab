"""Beside OpenTelemetry's own instrumentations of botocore, HTTP clients and Lambda no span is there twice.

`scripts/install-vendors` installs them; a missing one is a failure.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from interop.conftest import EXAMPLES, FUNCTIONS
from streamify_server.local import LocalLambda

pytestmark = pytest.mark.interop

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "build" / "clients" / "opentelemetry"


def spans(*arguments: str) -> list[dict[str, Any]]:
    """The spans that the program exports."""
    assert PACKAGES.is_dir(), "run scripts/install-vendors"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, (PACKAGES, ROOT / "src"))),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [sys.executable, str(FUNCTIONS / "instrumented.py"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_stream_has_one_span_and_calls_of_the_users_have_theirs() -> None:
    with LocalLambda() as aws:
        aws.add_function("tokens", handler="tokens.handler", code=EXAMPLES, timeout=30)
        url = aws.function_url("tokens", invoke_mode="RESPONSE_STREAM")
        found = spans(aws.client_kwargs["endpoint_url"], url)
    assert [span["name"] for span in found] == ["tokens", "GET", "Lambda.ListFunctions", "tokens", "GET"]
    assert [span["attributes"].get("streamify.outcome") for span in found] == [
        "whole", "whole", None, "whole", "whole",
    ]  # fmt: skip


def test_an_invocation_has_the_span_of_the_instrumentation_with_our_figures() -> None:
    found = spans("--handler")
    assert [span["attributes"]["faas.invocation_id"] for span in found] == ["by-name", "by-url"]
    for span in found:
        assert span["attributes"]["streamify.bytes_sent"] == 6
        assert span["kind"] == "SpanKind.SERVER"
    by_name, by_url = found
    assert by_name["parent_id"] is None  # the instrumentation looks into HTTP headers only
    assert [link["context"]["span_id"] for link in by_name["links"]] == ["0xb7ad6b7169203331"]
    assert by_url["parent_id"] == "0xb7ad6b7169203331"
    assert by_url["attributes"]["http.response.status_code"] == 200
