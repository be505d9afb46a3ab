"""The package of middlewares: its names, what importing it costs, and the examples in its docstrings."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamify_server import middlewares


def test_every_name_is_there_and_is_what_it_says() -> None:
    for name in middlewares.__all__:
        assert getattr(middlewares, name).__name__ == name
    assert dir(middlewares) == middlewares.__all__
    with pytest.raises(AttributeError, match="no attribute 'http_corse'"):
        _ = middlewares.http_corse


def test_a_name_stays_what_it_is_when_its_module_was_imported_first() -> None:
    modules = {getattr(middlewares, name).__module__.rpartition(".")[2] for name in middlewares.__all__}
    assert not modules & set(middlewares.__all__)


def test_a_middleware_imports_no_other() -> None:
    script = (
        "import sys, streamify_server; before = set(sys.modules)\n"
        "from streamify_server.middlewares import http_cors\n"
        "print(*sorted(name for name in set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {name for name in done.stdout.split() if name.startswith("streamify_server.middlewares")} == {
        "streamify_server.middlewares",
        "streamify_server.middlewares._headers",
        "streamify_server.middlewares._options",
        "streamify_server.middlewares.cors",
    }


@pytest.mark.parametrize("name", sorted(set(middlewares.__all__) - {"FilePart"}))
def test_every_middleware_has_an_example_that_holds(name: str) -> None:
    module = importlib.import_module(getattr(middlewares, name).__module__)
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_the_example_of_http_error_holds() -> None:
    outcome = doctest.testmod(importlib.import_module("streamify_server.errors"))
    assert (outcome.attempted, outcome.failed) == (2, 0)


def test_the_page_of_the_middlewares_has_every_one_of_them() -> None:
    page = (Path(__file__).parents[3] / "docs" / "middlewares-http.md").read_text(encoding="utf-8")
    classes = set(middlewares.__all__) - {"FilePart"}
    headings = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^#.*|^\| `.*|^\| option.*", page, re.M))))
    assert classes <= headings
    assert "has nineteen middlewares and a router" in page.splitlines()[2]
    assert len(classes) == 20


OFFICIAL = """
    appconfig appconfig-extension cloudformation-response cloudformation-router cloudwatch-metrics core
    do-not-wait-for-empty-event-loop dsql dsql-signer dynamodb ecs-batch ecs-http ecs-task error-logger
    event-batch-handler event-batch-parser event-batch-response event-normalizer glue-schema-registry
    http-content-encoding http-content-negotiation http-cors http-error-handler http-event-normalizer
    http-header-normalizer http-json-body-parser http-jwt http-multipart-body-parser http-partial-response
    http-paseto http-response-serializer http-router http-security-headers http-urlencode-body-parser
    http-urlencode-path-parser http-x402 input-output-logger kms rds rds-signer s3 s3-object-response
    secrets-manager secrets-manager-extension service-discovery sqs-partial-batch-failure ssm ssm-extension
    sts util validator warmup ws-json-body-parser ws-response ws-router
"""


def test_every_official_package_of_middy_has_a_row() -> None:
    page = (Path(__file__).parents[3] / "docs" / "coming-from-middy.md").read_text(encoding="utf-8")
    tables = page.partition("## The middlewares")[2]
    first_cells = " ".join(line.split("|")[1] for line in tables.splitlines() if line.startswith("| `"))
    named = {name.removeprefix("@middy/") for name in re.findall(r"`([^`]+)`", first_cells)}
    assert set(OFFICIAL.split()) <= named
