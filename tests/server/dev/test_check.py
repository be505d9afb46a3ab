from pathlib import Path

import pytest

from streamify_server.dev.check import Problem, check_handler
from streamify_server.local.functions import make_function


def check(folder: Path, source: str, handler: str = "app.handler") -> Problem | None:
    (folder / "app.py").write_text(source)
    function = make_function(
        name="app", arn="", handler=handler, code=folder, command=None, timeout=3, opt=None,
        environment={"COLOUR": "red"},
    )  # fmt: skip
    return check_handler(function)


def test_a_handler_that_loads_is_no_problem_whatever_its_module_prints(tmp_path: Path) -> None:
    assert check(tmp_path, "print('{}')\ndef handler(event, context): ...\n") is None


def test_a_module_is_loaded_with_the_environment_of_the_function(tmp_path: Path) -> None:
    source = "import os\nassert os.environ['COLOUR'] == 'red'\nassert 'AWS_PROFILE' not in os.environ\n"
    assert check(tmp_path, source + "handler = print\n") is None


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
        ("import os; os._exit(3)", "the process that loads it ended with status 3"),
        ("raise SystemExit('no')", "the module 'app' does not load"),
        ("handler = 1", "app.handler is no function, but of type int"),
        ("", "the module 'app' has no 'handler'"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(tmp_path: Path, source: str, sentence: str) -> None:
    problem = check(tmp_path, source)
    assert problem
    assert problem.sentence == sentence


def test_threads_that_a_module_starts_do_not_hold_the_check_up(tmp_path: Path) -> None:
    source = "import threading\nthreading.Thread(target=threading.Event().wait).start()\nhandler = print\n"
    assert check(tmp_path, source) is None
