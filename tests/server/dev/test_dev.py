"""`streamify dev` as a process, as it is used."""

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from support.local import ONE_ATTEMPT, Gate

APP = """
import os
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    print("serving", os.environ.get("COLOUR"))
    yield "one "
    if event.get("gate"):
        open(event["gate"]).close()
    yield "VERSION"
"""


class Dev:
    """A running `streamify dev`, with everything that it has printed."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-c", "from streamify_client.cli import main; main()", "dev", *arguments]
        ports = ["--port", "0", "--url-port", "0", "--inspector-port", "0"]
        self.process = subprocess.Popen(
            [*command, *([] if "--port" in arguments else ports)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.printed = self.api = self.url = self.inspector = ""

    def until(self, pattern: str) -> re.Match[str]:
        """Read on until what was printed since the last call has this in it."""
        assert self.process.stdout
        fresh = ""
        for line in self.process.stdout:
            self.printed += line
            fresh += line
            if match := re.search(pattern, fresh):
                return match
        raise AssertionError(f"It ended before {pattern!r}:\n{self.printed}\n{self.end()[1]}")

    def ready(self) -> "Dev":
        """Wait until it serves; take the endpoints that it prints."""
        self.api = self.until(r"Lambda API +(\S+)")[1]
        self.url = self.until(r"Function URL +(\S+)")[1]
        self.inspector = self.until(r"Inspector +(\S+)")[1]
        self.until("Ctrl-C ends it")
        return self

    def call(self, body: bytes | None = None) -> str:
        with urllib.request.urlopen(self.url, body, timeout=30) as response:
            return str(response.read().decode())

    def client(self) -> Any:
        """A boto3 client that never tries twice."""
        return boto3.client(
            "lambda",
            endpoint_url=self.api,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=ONE_ATTEMPT,
        )

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; return the exit status and what went to stderr."""
        children = []
        if self.process.poll() is None:
            children = psutil.Process(self.process.pid).children(recursive=True)
            self.process.send_signal(number)
        rest, errors = self.process.communicate(timeout=30)
        self.printed += rest or ""
        psutil.wait_procs(children, timeout=10)
        assert not [child for child in children if child.is_running()]
        return self.process.returncode, errors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def dev(folder: Path) -> Iterator[Callable[..., Dev]]:
    started: list[Dev] = []

    def start(*arguments: str) -> Dev:
        started.append(Dev(folder, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_the_function_is_served_on_both_endpoints_and_each_invocation_is_a_line(
    dev: Callable[..., Dev],
) -> None:
    running = dev("app.handler", "--env", "COLOUR=red").ready()
    assert running.call() == "one VERSION"
    running.until(r"│ serving red\n(.*\n)*ok +app  GET /  first byte .* 11 bytes in 2 chunks .* streamed\n")
    client = running.client()
    assert client.invoke(FunctionName="app")["Payload"].read() == b"one VERSION"
    client.close()
    running.until(r"ok +app .* buffered\n")
    assert "RequestId" not in running.printed


def test_the_inspector_is_served_under_the_url_that_was_printed(dev: Callable[..., Dev]) -> None:
    running = dev("app.handler").ready()
    with urllib.request.urlopen(running.inspector, timeout=30) as response:
        assert b"Stream inspector" in response.read()


def test_a_change_reloads_and_what_runs_ends_on_the_old_code(
    dev: Callable[..., Dev], folder: Path, tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    running = dev("app.handler").ready()
    client = running.client()
    payload = b'{"gate": "%b"}' % gate.path.encode()
    events = iter(client.invoke_with_response_stream(FunctionName="app", Payload=payload)["EventStream"])
    assert next(events)["PayloadChunk"]["Payload"] == b"one "
    assert running.call() == "one VERSION"
    (folder / "app.py").write_text(APP.replace("VERSION", "second"))
    running.until(r"Reloaded: app.py changed")
    assert running.call() == "one second"
    gate.open()
    assert next(events)["PayloadChunk"]["Payload"] == b"VERSION"
    list(events)
    client.close()


def test_a_broken_module_is_reported_at_once_and_mended_by_the_next_change(
    dev: Callable[..., Dev], folder: Path
) -> None:
    running = dev("app.handler").ready()
    (folder / "app.py").write_text("import nowhere\n")
    running.until(r"does not load[^$]*line 1[^$]*ModuleNotFoundError: No module named 'nowhere'\n")
    running.until(r"loaded again at the next change")
    (folder / "app.py").write_text(APP)
    running.until(r"Reloaded: app.py changed")
    assert running.call() == "one VERSION"
    assert "Traceback" not in running.end()[1]


def test_a_module_that_is_broken_at_the_start_is_waited_for(dev: Callable[..., Dev], folder: Path) -> None:
    (folder / "app.py").write_text("def (\n")
    running = dev("app.handler").ready()
    running.until("SyntaxError: invalid syntax")
    (folder / "app.py").write_text(APP)
    running.until(r"Reloaded: app.py changed")
    assert running.call() == "one VERSION"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly_and_leaves_nothing_running(
    dev: Callable[..., Dev], tmp_path: Path, number: int
) -> None:
    gate = Gate(tmp_path)
    running = dev("app.handler").ready()
    client = running.client()
    payload = b'{"gate": "%b"}' % gate.path.encode()
    stream = client.invoke_with_response_stream(FunctionName="app", Payload=payload)["EventStream"]
    running.until("serving")
    assert running.end(number) == (0, "")
    stream.close()
    client.close()


def test_it_ends_when_nobody_reads_its_output_any_more(dev: Callable[..., Dev]) -> None:
    running = dev("app.handler").ready()
    assert running.process.stdout
    running.process.stdout.close()
    running.process.stdout = None
    running.call()
    assert running.process.wait(30) == 0
    assert running.process.stderr
    assert running.process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["app"], 2, "'app' is not module.function (such as app.handler)"),
        (["app."], 2, "is not module.function"),
        (["app.handler", "--code", "nowhere"], 2, "nowhere"),
        (["app.handler", "--env", "COLOUR"], 2, "'COLOUR' is not NAME=VALUE."),
        (["app.handler", "--port", "70000"], 2, "70000"),
        (["ap.handler"], 1, "The handler ap.handler cannot be loaded: there is no module 'ap' in "),
        (["app.handle"], 1, "the module 'app' has no 'handle'; did you mean app.handler?"),
        (["app.os"], 1, "app.os is not a function, but of type module"),
        (["app.handler", "--timeout", "1801"], 2, "1801.0 is not in the range 0<x<=1800"),
        (["app.handler", "--timeout", "0"], 2, "0.0 is not in the range 0<x<=1800"),
        (["app.handler", "--name", "a b"], 1, "A function's name has 1 to 64 letters"),
        (["app.handler", "--env-file", "no.env"], 2, "no.env cannot be read: No such file or directory."),
        (["no.toml"], 2, "no.toml cannot be read: No such file or directory."),
        (
            ["a=app.handler", "a=app.handler"],
            2,
            "Two functions are named 'a': name one of them by",
        ),
        (["app.handler", "x=app.handler", "--name", "a"], 2, "--name is for one function"),
        (["app.handler", "--host", "192.0.2.1"], 1, "192.0.2.1 is not an address of this machine"),
        (
            ["app.handler", "--host", "nowhere.invalid"],
            1,
            "nowhere.invalid is not an address of this machine",
        ),
        (["app.handler", "--pass-origin", "app.example"], 2, 'An origin is "https://host"'),
        ([], 2, "Missing argument 'HANDLER...'"),
    ],
)
def test_what_cannot_be_served_is_a_sentence(
    dev: Callable[..., Dev], arguments: list[str], status: int, sentence: str
) -> None:
    running = dev(*arguments)
    output, errors = running.process.communicate(timeout=30)
    assert (running.process.returncode, output) == (status, "")
    assert sentence in " ".join(re.sub(r"[│╭╰╮╯─]", "", errors).split())
    assert "Traceback" not in errors


def test_a_module_that_does_not_load_ends_it_when_it_cannot_reload(
    dev: Callable[..., Dev], folder: Path
) -> None:
    (folder / "app.py").write_text("raise RuntimeError('no database')\n")
    running = dev("app.handler", "--no-reload")
    _, errors = running.process.communicate(timeout=30)
    assert running.process.returncode == 1
    assert "The handler app.handler cannot be loaded: the module 'app' does not load." in errors
    assert "RuntimeError: no database" in errors
    assert "streamify_server" not in errors


@pytest.mark.parametrize("option", ["--port", "--url-port", "--inspector-port"])
def test_a_taken_port_is_a_sentence_that_names_the_option(dev: Callable[..., Dev], option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        ports = {"--port": "0", "--url-port": "0", "--inspector-port": "0", option: str(number)}
        running = dev("app.handler", *[part for pair in ports.items() for part in pair])
        _, errors = running.process.communicate(timeout=30)
    assert running.process.returncode == 1
    assert f"Port {number} is taken" in errors
    assert f"choose another with {option} (0 takes a free one)" in errors


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("watchfiles", "Reloading needs watchfiles: pip install 'streamify[dev]', or use --no-reload."),
    ],
)
def test_a_missing_package_is_a_sentence(folder: Path, missing: str, sentence: str) -> None:
    script = f"import sys; sys.modules[{missing!r}] = None; from streamify_client.cli import main; main()"
    ports = ["--port", "0", "--url-port", "0", "--inspector-port", "0"]
    done = subprocess.run(
        [sys.executable, "-c", script, "dev", "app.handler", *ports],
        cwd=folder, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: {sentence}\n"


def test_the_lines_to_paste_work(dev: Callable[..., Dev], tmp_path: Path) -> None:
    running = dev("app.handler").ready()
    shell = re.search(r"^  (streamify invoke .*)$", running.printed, re.M)
    code = re.search(r"^  import boto3\n(?:  .*\n)+", running.printed, re.M)
    assert shell
    assert code
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["/bin/sh", "-c", shell[1]], capture_output=True, text=True, timeout=30, env=environment
    )
    assert (done.stdout, done.stderr, done.returncode) == ("one VERSION", "", 0)
    python = [sys.executable, "-c", textwrap.dedent(code[0])]
    done = subprocess.run(python, capture_output=True, text=True, timeout=30, check=True, env=environment)
    assert "b'one '" in done.stdout
    assert "InvokeComplete" in done.stdout


JOBS = """
def nightly(event, context):
    print("working")
    return {"job": "nightly"}

def weekly(event, context):
    raise LookupError("no such week: " + event["week"])
"""


def test_several_functions_have_a_url_each_and_lines_that_say_whose_they_are(
    dev: Callable[..., Dev], folder: Path
) -> None:
    (folder / "jobs.py").write_text(JOBS)
    running = dev("app.handler", "jobs.nightly", "weeks=jobs.weekly", "--invoke-mode", "BUFFERED")
    urls = {name: running.until(rf"{name} +(http\S+)  (\S+)")[1] for name in ("app", "jobs", "weeks")}
    assert len(set(urls.values())) == 3
    running.until("Ctrl-C ends it")
    with urllib.request.urlopen(urls["jobs"], timeout=30) as response:
        assert response.read() == b'{"job":"nightly"}'
    running.until(r"jobs │ working\n(.*\n)*ok +jobs  GET /  ")
    (folder / "jobs.py").write_text(
        JOBS.replace("nightly", "rewritten").replace("def rewritten", "def nightly")
    )
    running.until(r"Reloaded: jobs.py changed")
    with urllib.request.urlopen(urls["jobs"], timeout=30) as response:
        assert response.read() == b'{"job":"rewritten"}'


def test_a_broken_module_of_several_functions_is_shown_once(dev: Callable[..., Dev], folder: Path) -> None:
    (folder / "jobs.py").write_text(JOBS)
    running = dev("jobs.nightly", "jobs.weekly")
    running.until("Ctrl-C ends it")
    for name in ("nowhere", "elsewhere"):
        (folder / "jobs.py").write_text(f"import {name}\n")
        running.until(rf"No module named '{name}'\nIt is loaded again at the next change.\n")
        running.until(r"The handler jobs.\w+ cannot be loaded either\.\n")
    assert running.printed.count("ModuleNotFoundError") == 2


def test_functions_are_read_from_a_file_with_values_of_their_own(
    dev: Callable[..., Dev], folder: Path
) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "app.py").write_text(APP.replace("VERSION", "from other"))
    (folder / "shared.env").write_text("# secrets\nexport COLOUR='blue'\n")
    (folder / "functions.toml").write_text("""
[functions.first]
handler = "app.handler"
timeout = 10

[functions.second]
handler = "app.handler"
code = "other"
env_file = "shared.env"
""")
    running = dev("functions.toml", "--env", "COLOUR=red")
    urls = [running.until(rf"{name} +(http\S+)")[1] for name in ("first", "second")]
    running.until("Ctrl-C ends it")
    for url, body, colour in zip(urls, (b"one VERSION", b"one from other"), ("red", "blue"), strict=True):
        with urllib.request.urlopen(url, timeout=30) as response:
            assert response.read() == body
        running.until(f"│ serving {colour}")
    (folder / "other" / "app.py").write_text(APP.replace("VERSION", "changed"))
    running.until(r"Reloaded: app.py changed")
    with urllib.request.urlopen(urls[1], timeout=30) as response:
        assert response.read() == b"one changed"


def test_a_variable_comes_from_the_last_that_names_it(dev: Callable[..., Dev], folder: Path) -> None:
    (folder / "a.env").write_text("COLOUR=red\n")
    (folder / "b.env").write_text("COLOUR=blue\n")
    running = dev("app.handler", "--env-file", "a.env", "--env-file", "b.env").ready()
    running.call()
    running.until("│ serving blue")


def test_an_error_is_shown_with_the_functions_own_frames_first(dev: Callable[..., Dev], folder: Path) -> None:
    (folder / "app.py").write_text(FAILS)
    running = dev("app.handler").ready()
    client = running.client()
    client.invoke(FunctionName="app")["Payload"].read()
    client.close()
    shown = running.until(r"(│ .*KeyError(?:.*\n)+?)error +app  no byte .* KeyError: 'name'\n")[1]
    assert shown.splitlines() == [
        "│ KeyError: 'name'",
        "│   app.py:8 in look",
        '│       return event["name"]',
        "│   app.py:5 in handler",
        "│       yield look(event)",
    ]


FAILS = """from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    yield look(event)

def look(event):
    return event["name"]
"""


def test_pages_of_an_origin_that_is_passed_on_are_answered_by_the_function(
    dev: Callable[..., Dev], folder: Path
) -> None:
    (folder / "app.py").write_text(CORS)
    running = dev("app.handler", "--pass-origin", "https://app.example").ready()
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}
    asked = urllib.request.Request(running.url, headers=preflight, method="OPTIONS")
    with urllib.request.urlopen(asked, timeout=30) as response:
        assert response.headers.get_all("access-control-allow-origin") == ["https://app.example"]
    other = urllib.request.Request(running.url, headers={"Origin": "https://other.example"})
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(other, timeout=30)
    assert b"--pass-origin" in refused.value.read()
    refused.value.close()


CORS = """
from streamify_server import HttpResponse, streaming_handler
from streamify_server.middlewares import http_cors

@streaming_handler(middlewares=[http_cors(origin="https://app.example")])
def handler(event, context):
    return HttpResponse(200, {}, body=["hello"])
"""


def test_it_can_be_reached_by_other_names_where_it_is_told_so(dev: Callable[..., Dev]) -> None:
    running = dev("app.handler", "--host", "0.0.0.0").ready()
    assert (
        "It listens on 0.0.0.0: anyone who can reach this machine can invoke the functions."
        in running.printed
    )
    asked = urllib.request.Request(running.url, headers={"Host": "host.docker.internal:8701"})
    with urllib.request.urlopen(asked, timeout=30) as response:
        assert response.read() == b"one VERSION"


def save_in_place(path: Path, text: str) -> None:
    path.write_text(text)


def save_by_replacing(path: Path, text: str) -> None:
    """As vim and most editors do: a new file takes the place of the old one."""
    swap = path.with_suffix(".py~")
    swap.write_text(text)
    os.utime(swap, (1_700_000_000, 1_700_000_000))
    swap.replace(path)


@pytest.mark.parametrize("save", [save_in_place, save_by_replacing])
def test_saves_of_the_same_size_within_a_second_never_serve_old_code(
    dev: Callable[..., Dev], folder: Path, save: Callable[[Path, str], None]
) -> None:
    running = dev("app.handler").ready()
    for number in range(10):
        # A bytecode cache that knows the file's second and its size takes these two for one.
        for text in (f"o{number}dcode", f"newcod{number}"):
            save(folder / "app.py", APP.replace("VERSION", text))
            os.utime(folder / "app.py", (1_700_000_000, 1_700_000_000))
            running.until(r"Reloaded: app.py changed")
            assert running.call() == f"one {text}"
    assert [path.name for path in folder.iterdir()] == ["app.py"]


def test_a_save_whose_import_hangs_says_so_and_the_next_save_counts_at_once(
    dev: Callable[..., Dev], folder: Path
) -> None:
    os.mkfifo(folder / "gate")
    running = dev("app.handler").ready()
    (folder / "app.py").write_text("import os\nopen('gate').read()\n" + APP)
    running.until(r"Reloaded: app.py changed")
    running.until(r"app.handler is still loading, at app.py, line 2; invocations wait for it. Save a file to")
    (folder / "app.py").write_text(APP.replace("VERSION", "mended"))
    running.until(r"Reloaded: app.py changed")
    assert running.call() == "one mended"


def test_an_import_that_hangs_at_the_start_does_not_keep_it_from_serving(
    dev: Callable[..., Dev], folder: Path
) -> None:
    os.mkfifo(folder / "gate")
    (folder / "app.py").write_text("import os\nopen('gate').read()\n" + APP)
    running = dev("app.handler").ready()
    running.until(r"app.handler is still loading, at app.py, line 2")
    (folder / "app.py").write_text(APP)
    running.until(r"Reloaded: app.py changed")
    assert running.call() == "one VERSION"


def test_without_reload_a_change_is_left_alone(dev: Callable[..., Dev], folder: Path) -> None:
    running = dev("app.handler", "--no-reload").ready()
    assert running.call() == "one VERSION"
    (folder / "app.py").write_text(APP.replace("VERSION", "second"))
    assert running.call() == "one VERSION"
    assert "reloaded" not in running.printed


def test_help_names_every_option() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from streamify_client.cli import main; main()", "dev", "--help"],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    for option in (
        "--port",
        "--url-port",
        "--timeout",
        "--stream-errors",
        "--no-payloads",
        "--no-reload",
        "--env",
    ):
        assert option in done.stdout
