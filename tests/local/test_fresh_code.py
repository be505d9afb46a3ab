"""A restarted function runs the code that is in its folder, and leaves nothing in there."""

import os
import sys
from pathlib import Path

import pytest

from streamify_server.local import LocalLambda
from support.local import boto3_client, invoke

SAVED = 1_700_000_000


def save(path: Path, answer: int) -> None:
    """Write a version of the source; each has the same size and the same time."""
    path.write_text(f"VALUE = {answer}\n", encoding="utf-8")
    os.utime(path, (SAVED, SAVED))


@pytest.mark.parametrize("managed", [True, False])
def test_code_of_the_same_size_and_second_is_run_as_it_is_now(tmp_path: Path, managed: bool) -> None:
    (tmp_path / "app.py").write_text("import values\ndef handler(event, context):\n    return values.VALUE\n")
    (tmp_path / "package").mkdir()
    command = None if managed else [sys.executable, "-m", "awslambdaric", "app.handler"]
    with LocalLambda() as aws:
        aws.add_function("fn", handler="app.handler", code=tmp_path, command=command)
        client = boto3_client(aws)
        for answer in (1, 2, 3):
            save(tmp_path / "values.py", answer)
            aws.restart_function("fn")
            assert invoke(client, name="fn")["Payload"] == str(answer).encode()
        client.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.py", "package", "values.py"]


def test_a_cache_written_in_the_second_of_its_source_is_not_believed(tmp_path: Path) -> None:
    """Another process, a test run for instance, may have left a cache of an earlier save behind."""
    import py_compile

    (tmp_path / "app.py").write_text("import values\ndef handler(event, context):\n    return values.VALUE\n")
    save(tmp_path / "values.py", 1)
    cache = py_compile.compile(str(tmp_path / "values.py"), doraise=True)
    assert cache
    os.utime(cache, (SAVED, SAVED))
    save(tmp_path / "values.py", 2)
    with LocalLambda() as aws:
        aws.add_function("fn", handler="app.handler", code=tmp_path)
        client = boto3_client(aws)
        assert invoke(client, name="fn")["Payload"] == b"2"
        client.close()
