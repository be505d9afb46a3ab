"""No process outlives LocalLambda, whatever becomes of it."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from streamify_client import StreamClient
from streamify_server.local import Event, LocalLambda, LogWritten
from support.local import FUNCTIONS, Gate, add_steps, boto3_client, invoke, steps, stream

# Starts a function with a child, daemonized or not, says so, and waits to be ended.
PARENT = """
import http.client, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background does not have
sys.path.insert(0, sys.argv[1])
from streamify_server.local import LocalLambda
with LocalLambda() as aws:
    functions, payload = sys.argv[2:]
    aws.add_function("steps", command=[sys.executable, "steps.py"], code=functions, timeout=60)
    caller = http.client.HTTPConnection(aws.endpoint_url.removeprefix("http://"))
    caller.request("POST", "/2015-03-31/functions/steps/invocations", payload)
    threading.Event().wait()
"""


def start_parent(tmp_path: Path, kind: str) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    function, child = Gate(tmp_path, "function"), Gate(tmp_path, "child")
    source = FUNCTIONS.parent.parent.parent / "src"
    payload = steps(["child", child.path, kind == "daemon"], ["tell", function.path], ["hang"])
    command = [sys.executable, "-c", PARENT, str(source), str(FUNCTIONS), payload.decode()]
    parent = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    started = [psutil.Process(int(child.read())), psutil.Process(int(function.read()))]
    supervisors = [process for process in psutil.Process(parent.pid).children() if process.pid != parent.pid]
    return parent, [*started, *supervisors]


@pytest.mark.parametrize("kind", ["child", "daemon"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_its_parent(tmp_path: Path, kind: str, number: signal.Signals) -> None:
    if kind == "daemon" and sys.platform != "linux":
        pytest.skip("only Linux hands daemonized grandchildren to their supervisor")
    parent, processes = start_parent(tmp_path, kind)
    parent.send_signal(number)
    parent.wait(20)
    gone, alive = psutil.wait_procs(processes, timeout=20)
    for process in alive:
        process.kill()
    assert not alive
    assert len(gone) == 3


def test_a_killed_supervisor_takes_its_functions_with_it(gate: Gate) -> None:
    with LocalLambda() as aws:
        add_steps(aws)
        client = boto3_client(aws)
        before = set(psutil.Process().children())
        payload = steps(["tell", gate.path], ["hang"])
        invoke(client, payload, InvocationType="Event")
        function = psutil.Process(int(gate.read()))
        (supervisor,) = [process for process in before if "supervisor.py" in " ".join(process.cmdline())]
        supervisor.kill()
        psutil.wait_procs([function], timeout=20)
        assert not function.is_running()
        assert stream(client, payload=steps(["end"])) == [{"InvokeComplete": {}}]
        client.close()


def test_a_process_that_cannot_be_started_is_its_own_functions_trouble(aws: LocalLambda, client: Any) -> None:
    """Of what is not checked before: a supervisor that failed would take the other functions with it."""
    first = steps(["answer", "1"])
    assert invoke(client, first)["Payload"] == b"1"
    aws.add_function("huge", command=["true", "x" * (8 << 20)], code=FUNCTIONS)
    processes = aws.process_ids()
    assert b"Runtime.InvalidEntrypoint" in invoke(client, name="huge")["Payload"]
    assert set(aws.process_ids()) >= set(processes)
    assert invoke(client, first)["Payload"] == b"1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who a process belongs to")
@pytest.mark.parametrize("ends", ["timeout", "exit", "kill"])
def test_a_child_in_a_session_of_its_own_ends_with_its_function(tmp_path: Path, ends: str) -> None:
    child, other, go = Gate(tmp_path, "child"), Gate(tmp_path, "other"), Gate(tmp_path, "go")
    with LocalLambda() as aws:
        add_steps(aws, timeout=2 if ends == "timeout" else 30)
        add_steps(aws, "neighbour")
        client = boto3_client(aws)
        neighbour = steps(["child", other.path, True], ["answer", "1"])
        invoke(client, neighbour, name="neighbour", InvocationType="Event")
        spared = psutil.Process(int(other.read()))
        last = {"timeout": ["hang"], "exit": ["exit", 1], "kill": ["kill"]}[ends]
        does = steps(["child", child.path, True], ["await", go.path], last)
        invoke(client, does, InvocationType="Event")
        started = psutil.Process(int(child.read()))
        go.open()
        _, alive = psutil.wait_procs([started], timeout=30)
        assert not alive
        assert spared.is_running()
        client.close()
    _, alive = psutil.wait_procs([spared], timeout=30)
    assert not alive


def test_an_idle_process_that_was_killed_is_replaced(gate: Gate) -> None:
    with LocalLambda() as aws:
        add_steps(aws)
        client = boto3_client(aws)
        for number in range(3):
            told = Gate(Path(gate.path).parent, str(number))
            payload = steps(["tell", told.path], ["end"])
            invoke(client, payload, InvocationType="Event")
            function = psutil.Process(int(told.read()))
            function.kill()
            function.wait(20)
        assert stream(client, payload=steps(["end"])) == [{"InvokeComplete": {}}]
        client.close()


def test_an_invocation_that_a_killed_process_never_took_gets_a_fresh_one() -> None:
    """A stopped process stands for one that `kill -9` is about to end: it is there, and reads nothing."""
    with LocalLambda() as aws, ThreadPoolExecutor(1) as caller:
        add_steps(aws)
        client = boto3_client(aws)
        invoke(client, steps(["end"]))
        function = psutil.Process(aws.process_ids()[0])
        handed_over = threading.Event()
        aws.subscribe(lambda event: handed_over.set() if _is_start(event) else None)
        while not aws._running.service._pools["steps"].workers[0].waits:
            os.sched_yield()
        suspend(function)
        answer = caller.submit(invoke, client, steps(["write", "fresh"], ["end"]))
        assert handed_over.wait(20)
        function.kill()
        assert answer.result(20)["Payload"] == b"fresh"
        assert function.pid not in aws.process_ids()
        client.close()


def suspend(process: psutil.Process) -> None:
    """Stop a process; until the signal has reached it, it could still read."""
    process.suspend()
    while process.status() != psutil.STATUS_STOPPED:
        os.sched_yield()


def _is_start(event: Event) -> bool:
    return isinstance(event, LogWritten) and event.line.startswith("START ")


def test_a_function_has_no_standard_input_and_dies_of_an_interrupt(aws: LocalLambda, client: Any) -> None:
    script = "import signal, sys; print(repr(sys.stdin.read()), signal.getsignal(signal.SIGINT).__name__)"
    aws.add_function("reader", command=[sys.executable, "-c", script], code=FUNCTIONS)
    invoke(client, name="reader")
    assert "'' default_int_handler" in aws.logs("reader")


@pytest.mark.parametrize("name", ["json", "logging", "queue", "select", "struct", "types"])
def test_a_file_of_the_functions_that_is_called_like_one_of_pythons_changes_nothing(
    tmp_path: Path, name: str
) -> None:
    """As on Lambda, where the runtime is imported first; what AWS's has imported stays Python's."""
    source = (
        f"import {name}\nfrom streamify_server import streaming_handler\n"
        f"@streaming_handler\ndef handler(event, context):\n    yield getattr({name}, 'value', 'of Python')\n"
    )
    (tmp_path / "app.py").write_text(source)
    (tmp_path / f"{name}.py").write_text("value = 'of the function'")
    expected = "of Python" if name in ("json", "logging", "types") else "of the function"
    with LocalLambda() as aws, StreamClient(**aws.client_kwargs) as client:
        aws.add_function("fn", handler="app.handler", code=tmp_path, timeout=30)
        assert client.stream("fn", {}, verified="require").text() == expected
