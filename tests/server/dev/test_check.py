import os
import py_compile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from streamify_server.dev.check import Check, Problem
from streamify_server.local.functions import Function, make_function


def function(folder: Path, handler: str = "app.handler") -> Function:
    return make_function(
        name="app", arn="", handler=handler, code=folder, command=None, timeout=3, opt=None,
        environment={"COLOUR": "red"},
    )  # fmt: skip


def begun(folder: Path, source: str, handler: str = "app.handler") -> Check:
    (folder / "app.py").write_text(source)
    return Check(function(folder, handler))


def check(folder: Path, source: str, handler: str = "app.handler") -> Problem | None:
    checked = begun(folder, source, handler)
    checked.wait(30)
    assert checked.over
    return checked.problem


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Check]:
    os.mkfifo(tmp_path / "gate")
    checked = begun(tmp_path, "import json\n\nopen('gate').read()\nhandler = print\n")
    yield checked
    checked.stop()


def test_a_handler_that_loads_is_no_problem_whatever_its_module_prints(tmp_path: Path) -> None:
    assert check(tmp_path, "print('{}')\ndef handler(event, context): ...\n") is None


def test_a_module_is_loaded_with_the_environment_of_the_function(tmp_path: Path) -> None:
    source = "import os\nassert os.environ['COLOUR'] == 'red'\nassert 'AWS_PROFILE' not in os.environ\n"
    assert check(tmp_path, source + "handler = print\n") is None


def test_a_breakpoint_in_a_module_does_not_stop_the_check(tmp_path: Path) -> None:
    assert check(tmp_path, "breakpoint()\nhandler = print\n") is None
    assert check(tmp_path, "import pdb\npdb.set_trace(header='here')\nhandler = print\n") is None


def test_a_debugger_that_listens_leaves_its_port_to_the_function(tmp_path: Path) -> None:
    (tmp_path / "debugpy.py").write_text("def listen(port): raise OSError('The address is in use.')\n")
    source = "import debugpy\ndebugpy.listen(5678)\ndebugpy.wait_for_client()\nhandler = print\n"
    assert check(tmp_path, source) is None


def test_a_debugger_that_is_not_there_is_missing(tmp_path: Path) -> None:
    problem = check(tmp_path, "import pydevd_pycharm\n")
    assert problem
    assert problem.trace.endswith("No module named 'pydevd_pycharm'")


def test_a_handler_in_a_package_is_named_with_dots_or_slashes(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "nightly.py").write_text("def run(event, context): ...\n")
    assert check(tmp_path, "", "jobs.nightly.run") is None
    assert check(tmp_path, "", "jobs/nightly.run") is None
    problem = check(tmp_path, "", "jobs.weekly.run")
    assert problem
    assert problem.sentence.startswith("there is no module 'jobs.weekly'")


def test_a_module_that_misses_another_is_not_said_to_be_missing_itself(tmp_path: Path) -> None:
    problem = check(tmp_path, "import pandsa\n")
    assert problem
    assert problem.sentence == "the module 'app' does not load"
    assert problem.trace.endswith("ModuleNotFoundError: No module named 'pandsa'")
    assert problem.trace.count("File ") == 1


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import os; os._exit(3)", "the process that loads it ended: exit status 3"),
        ("import os; os.abort()", "the process that loads it ended: signal: aborted"),
        ("raise SystemExit('no')", "the module 'app' does not load"),
        ("raise KeyboardInterrupt", "the module 'app' does not load"),
        ("handler = 1", "app.handler is not a function, but of type int"),
        ("", "the module 'app' has no 'handler'"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(tmp_path: Path, source: str, sentence: str) -> None:
    problem = check(tmp_path, source)
    assert problem
    assert problem.sentence == sentence


def test_what_a_process_prints_before_it_ends_is_told(tmp_path: Path) -> None:
    source = "import os, sys\nsys.stderr.write('no ' * 100_000 + 'database')\nsys.stderr.flush()\nos._exit(3)"
    problem = check(tmp_path, source)
    assert problem
    assert problem.trace.endswith("database")


def test_a_save_of_the_same_size_within_a_second_is_checked_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text("handler = print\n")
    py_compile.compile(str(path))
    moment = path.stat().st_mtime_ns
    path.write_text("handler_ = prin\n"[: len("handler = print\n")])
    os.utime(path, ns=(moment, moment))
    for cached in (tmp_path / "__pycache__").iterdir():
        os.utime(cached, ns=(moment, moment))
    problem = Check(function(tmp_path))
    problem.wait(30)
    assert problem.problem
    assert "NameError: name 'prin' is not defined" in problem.problem.trace


def test_threads_that_a_module_starts_do_not_hold_the_check_up(tmp_path: Path) -> None:
    source = "import threading\nthreading.Thread(target=threading.Event().wait).start()\nhandler = print\n"
    assert check(tmp_path, source) is None


def test_a_module_that_hangs_is_said_to_be_slow_and_where(hanging: Check) -> None:
    while hanging.slow is None:
        hanging.wait(0.1)
    assert hanging.slow == "app.py, line 3"
    assert not hanging.over
    assert hanging.problem is None


def test_a_check_that_is_stopped_leaves_no_process(hanging: Check) -> None:
    children = psutil.Process().children()
    hanging.stop()
    hanging.stop()
    assert hanging.over
    assert hanging.problem is None
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_a_module_that_was_slow_and_then_loads_is_no_problem(hanging: Check, tmp_path: Path) -> None:
    while hanging.slow is None:
        hanging.wait(0.1)
    (tmp_path / "gate").open("w").close()
    hanging.wait(30)
    assert (hanging.over, hanging.problem) == (True, None)
