"""`streamify invoke` as people run it: a process, its output, its exit status."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_server.local import LocalLambda
from support.http_peers import PLAIN, cut, in_one_piece, plain, refuses, says_nothing, stalls
from support.local import add_steps, steps
from support.tls import make_authority
from support.wire_server import Peer, WireServer, complete_frame, whole

COMMAND = [sys.executable, "-m", "streamify_client", "invoke"]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))},
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
    "PYTHONPATH": "src",
    "PYTHONWARNINGS": "error,ignore:datetime.datetime.utc:DeprecationWarning",  # of older botocores
}
CREDENTIALS: dict[str, Any] = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}
ROOT = Path(__file__).parent.parent.parent


def run(*arguments: str, input: bytes = b"", **variables: str) -> tuple[int, bytes, str]:
    """Run the command; return its exit status, its output, and what it said beside."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=input,
        capture_output=True,
        env={**ENVIRONMENT, **variables},
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    said = done.stderr.decode()
    assert "Traceback" not in said
    return done.returncode, done.stdout, said


def start(*arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(
        [*COMMAND, *arguments], env=ENVIRONMENT, cwd=ROOT, preexec_fn=_hear_signals, **options
    )


def _hear_signals() -> None:
    """Hear signals that the suite's own parent ignores, as nohup does."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


# output


def test_the_body_goes_to_standard_output_and_nothing_else_does() -> None:
    body = b"\xff\x00 any \r\n bytes"
    with WireServer(plain(body[:4], body[4:])) as server:
        assert run(server.url, "--payload", '{"a": 1}') == (0, body, "")
    assert server.requests[0].body == b'{"a": 1}'


def test_a_chunk_is_shown_before_the_next_is_sent() -> None:
    seen = threading.Event()

    def behave(peer: Peer) -> None:
        peer.head(PLAIN)
        peer.chunk(b"first")
        assert seen.wait(30)
        peer.end()

    with WireServer(behave) as server, start(server.url) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == b"first"
        seen.set()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("view", "body", "shown"),
    [
        ("--text", "grün\r\n".encode(), "grün\r\n".encode()),
        ("--lines", b"a\r\nb", b"a\nb\n"),
        ("--json", b'{"a": "\xc3\xbc"}\n\n[1,  2]\n', '{"a": "ü"}\n[1, 2]\n'.encode()),
        ("--sse", b"id: 7\ndata: hi\n\n", b'{"event": "message", "data": "hi", "id": "7", "retry": null}\n'),
    ],
)
def test_views(view: str, body: bytes, shown: bytes) -> None:
    with WireServer(in_one_piece(body)) as server:
        assert run(server.url, view) == (0, shown, "")


def test_include_shows_status_and_headers_first() -> None:
    headers = {"content-type": "text/plain", "set-cookie": "a=1"}
    with WireServer(plain(b"body", status="201 Created", headers=headers)) as server:
        status, shown, _ = run(server.url, "--include")
    head, _, body = shown.partition(b"\n\n")
    assert (status, body) == (0, b"body")
    assert head.split(b"\n")[0] == b"HTTP 201"
    assert {b"content-type: text/plain", b"set-cookie: a=1"} < set(head.split(b"\n"))


@pytest.mark.parametrize(("payload", "stdin"), [("-", b"[1]"), ("@{path}", b""), ("[1]", b"")])
def test_a_payload_is_an_argument_a_file_or_standard_input(
    tmp_path: Path, payload: str, stdin: bytes
) -> None:
    (tmp_path / "event.json").write_bytes(b"[1]")
    with WireServer(plain(b"ok")) as server:
        argument = payload.format(path=tmp_path / "event.json")
        assert run(server.url, "--payload", argument, input=stdin)[0] == 0
    assert server.requests[0].body == b"[1]"


def test_output_to_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.gz", tmp_path / "bad"
    with WireServer(plain(b"whole"), cut("fin")) as server:
        assert run(server.url, "--output", str(good)) == (0, b"", "")
        status, _, said = run(server.url, "-o", str(bad))
    assert good.read_bytes() == b"whole"  # as it came, whatever its name
    assert status == 18
    assert "connection was lost" in said
    assert [path.name for path in tmp_path.iterdir()] == ["good.gz"]


def test_requests_to_urls_can_be_shaped() -> None:
    with WireServer(plain(b"ok")) as server:
        arguments = ("-X", "PUT", "-H", "x-mine: a: b", "--auth", "none", "--payload", "{}")
        assert run(server.url, *arguments)[0] == 0
    request = server.requests[0]
    assert (request.method, request.headers["x-mine"]) == ("PUT", "a: b")


def test_a_ca_bundle_is_trusted(tmp_path: Path) -> None:
    context, bundle = make_authority(tmp_path)
    with WireServer(plain(b"ok"), context=context) as server:
        assert run(server.url, "--ca-bundle", bundle) == (0, b"ok", "")
        status, _, said = run(server.url)
    assert status == 1
    assert "No TLS connection" in said


# ends


@pytest.mark.parametrize(
    ("behaviour", "arguments", "status", "says"),
    [
        (cut("fin"), [], 18, "connection was lost"),
        (stalls, ["--idle-timeout", "0.2"], 28, "idle_timeout"),
        (stalls, ["--total-timeout", "1"], 28, "total_timeout"),
        (stalls, ["--timeout", "0.2"], 28, "idle_timeout"),
        (says_nothing, ["--timeout", "0.2"], 28, "first_byte_timeout"),
        (stalls, ["--timeout", "60", "--idle-timeout", "0.2"], 28, "idle_timeout"),
        (says_nothing, ["--first-byte-timeout", "0.2"], 28, "first_byte_timeout"),
        (plain(b"no rows\n\x1b[31m", status="404 Not Found"), [], 1, "404"),
        (refuses("403 Forbidden", "AccessDeniedException", b"{}"), [], 1, "AccessDenied"),
        (in_one_piece(b"\xff"), ["--text"], 1, "utf-8"),
    ],
)
def test_failures_have_an_exit_status_and_one_sentence(
    behaviour: Any, arguments: list[str], status: int, says: str
) -> None:
    with WireServer(behaviour) as server:
        ended, _, said = run(server.url, *arguments)
    assert ended == status
    assert said.startswith("streamify: ")
    assert says in said
    assert "\x1b" not in said


def test_what_came_before_a_cut_is_shown() -> None:
    with WireServer(cut("fin")) as server:
        assert run(server.url)[:2] == (18, b"some")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["http://127.0.0.1:9", "--no-such-option"],
        ["http://127.0.0.1:9", "--payload", "{"],
        ["http://127.0.0.1:9", "--payload", "@/nonexistent"],
        ["http://127.0.0.1:9", "--timeout", "0"],
        ["http://127.0.0.1:9", "--continues", "0"],
        ["http://127.0.0.1:9", "--resumes", "-1"],
        ["http://127.0.0.1:9", "--header", "no colon"],
        ["http://127.0.0.1:9", "--qualifier", "live"],
        ["http://127.0.0.1:9", "-o", "file", "--json"],
        ["fn"],  # no region
        ["fn", "--region", "us-east-1"],  # no credentials
        ["fn", "--profile", "nobody"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    status, shown, said = run(*arguments)
    assert (status, shown) == (2, b"")
    assert said


def test_an_interrupt_ends_quietly_with_130() -> None:
    with WireServer(stalls) as server, start(server.url) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4) == b"some"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""
        assert server.wait_closed()


def test_a_broken_pipe_ends_quietly() -> None:
    closed = threading.Event()

    def behave(peer: Peer) -> None:
        peer.head(PLAIN)
        peer.chunk(b"some")
        assert closed.wait(30)
        for _ in range(3):
            peer.chunk(b"x" * 100_000)
        peer.wait_gone()

    with WireServer(behave) as server, start(server.url) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4) == b"some"
        process.stdout.close()
        closed.set()
        assert process.wait(30) == 0
        assert process.stderr.read() == b""


def test_binary_does_not_go_to_a_terminal() -> None:
    ours, theirs = pty.openpty()
    with WireServer(plain(b"\x7fELF\0\0")) as server, start(server.url, stdout=theirs) as process:
        assert process.stderr is not None
        assert process.wait(30) == 2
        assert b"--output" in process.stderr.read()
    os.set_blocking(ours, False)
    with pytest.raises(BlockingIOError):
        os.read(ours, 100)
    os.close(ours)
    os.close(theirs)


# standard streams and signals


def redirected(
    redirection: str, *arguments: str, input: bytes = b"", **variables: str
) -> tuple[int, bytes, str]:
    """Run the command with a redirection of the shell's."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *arguments],
        input=input,
        capture_output=True,
        env={**ENVIRONMENT, **variables},
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("blocking", [True, False])
def test_everything_is_written_into_a_pipe_that_is_full_for_a_while(unbuffered: str, blocking: bool) -> None:
    body = bytes(range(256)) * 2000
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.set_blocking(writing, blocking)
    with WireServer(plain(body[:1000], body[1000:])) as server, open(reading, "rb") as pipe:
        process = subprocess.Popen([*COMMAND, server.url], env=environment, cwd=ROOT, stdout=writing)
        os.close(writing)
        assert pipe.read() == body
        assert process.wait(30) == 0


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_that_is_full_is_a_failure(unbuffered: str) -> None:
    with WireServer(plain(b"x" * 500_000)) as server:
        status, _, said = redirected(">/dev/full", server.url, PYTHONUNBUFFERED=unbuffered)
    assert status == 1
    assert said == "streamify: [Errno 28] No space left on device: 'standard output'\n"


def test_a_failure_with_standard_error_closed_leaves_standard_output_alone() -> None:
    with WireServer(cut("fin")) as server:
        assert redirected("2>&-", server.url) == (18, b"some", "")
    assert redirected("2>&-", "--no-such-option") == (2, b"", "")


def test_with_standard_output_closed_nothing_is_invoked() -> None:
    with WireServer(plain(b"ok")) as server:
        status, _, said = redirected(">&-", server.url)
    assert (status, said) == (2, "streamify: Standard output is closed: write to a file with --output.\n")
    assert server.requests == []


def test_with_all_standard_streams_closed_a_file_is_written(tmp_path: Path) -> None:
    body = b"the body" * 1000
    with WireServer(plain(body)) as server:
        assert redirected(">&- 2>&- <&-", server.url, "-o", str(tmp_path / "file")) == (0, b"", "")
    assert (tmp_path / "file").read_bytes() == body


def test_standard_input_is_needed_only_for_a_payload_from_there() -> None:
    with WireServer(plain(b"ok")) as server:
        assert redirected("<&-", server.url) == (0, b"ok", "")
        status, _, said = redirected("<&-", server.url, "--payload", "-")
    assert (status, len(server.requests)) == (2, 1)
    assert said == "streamify: --payload - reads standard input, which is closed.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_no_part_of_a_file(tmp_path: Path, number: signal.Signals) -> None:
    def begins(peer: Peer) -> None:
        peer.head(PLAIN)
        peer.chunk(b"x" * 100_000)
        peer.wait_gone()

    with WireServer(begins) as server, start(server.url, "-o", str(tmp_path / "file")) as process:
        assert process.stderr is not None
        deadline = time.monotonic() + 20
        while not any(part.stat().st_size for part in tmp_path.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(number)
        assert process.wait(30) == 128 + number
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_to_its_end_leaves_no_part(tmp_path: Path) -> None:
    script = 'ulimit -f 8; exec "$@"'  # files end after 8 blocks, as on a full disk
    with WireServer(plain(*[b"x" * 4000] * 100)) as server:
        command = ["sh", "-c", script, "sh", *COMMAND, server.url, "-o", str(tmp_path / "file")]
        done = subprocess.run(
            command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"streamify: ")
    assert b"File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_click_a_sentence_says_how_to_get_it() -> None:
    script = "import sys; sys.modules['click'] = None; from streamify_client.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=ENVIRONMENT,
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == b"streamify: the command line needs click: pip install 'streamify[cli]'\n"


# functions by name


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalLambda]:
    with LocalLambda(stream_errors="documented") as aws:
        add_steps(aws)
        yield aws


def invoke_local(aws: LocalLambda, *arguments: str) -> tuple[int, bytes, str]:
    endpoint = aws.client_kwargs["endpoint_url"]
    return run("steps", "--endpoint-url", endpoint, "--region", "us-east-1", *arguments, **CREDENTIALS)


def test_a_function_by_name(aws: LocalLambda) -> None:
    payload = steps(["write", "hello "], ["write", "world"], ["end"]).decode()
    status, shown, said = invoke_local(aws, "--payload", payload, "--log-tail")
    assert (status, shown) == (0, b"hello world")
    assert "REPORT RequestId" in said


def test_a_function_that_is_not_there(aws: LocalLambda) -> None:
    endpoint = aws.client_kwargs["endpoint_url"]
    status, _, said = run("nope", "--endpoint-url", endpoint, **CREDENTIALS)
    assert status == 1
    assert "There is no function 'nope'" in said


def test_a_function_that_fails_shows_its_stack_trace() -> None:
    details = {"errorType": "ValueError", "errorMessage": "no rows", "stackTrace": ["line 1", "line 2"]}
    fields = json.dumps({"ErrorCode": "Function.ValueError", "ErrorDetails": json.dumps(details)})
    with WireServer(whole(b"some", complete=fields.encode())) as server:
        status, shown, said = run("fn", "--endpoint-url", server.url, **CREDENTIALS)
    assert (status, shown) == (1, b"some")
    assert "ValueError: no rows" in said
    assert "  line 1\n  line 2\n" in said


def test_a_stream_without_its_final_event_ends_with_18() -> None:
    def behave(peer: Peer) -> None:
        peer.head()
        peer.chunk(complete_frame()[:-3])
        peer.end()

    with WireServer(behave) as server:
        assert run("fn", "--endpoint-url", server.url, **CREDENTIALS)[0] == 18


# the shell


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(shell: str) -> None:
    script = "import sys; sys.argv[0] = 'streamify'; from streamify_client.cli import main; main()"
    environment = {**ENVIRONMENT, "_STREAMIFY_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, timeout=60, check=True)
    assert b"_STREAMIFY_COMPLETE" in done.stdout


def test_options_are_completed() -> None:
    script = "import sys; sys.argv[0] = 'streamify'; from streamify_client.cli import main; main()"
    asked = {
        "_STREAMIFY_COMPLETE": "bash_complete",
        "COMP_WORDS": "streamify invoke --qual",
        "COMP_CWORD": "2",
    }
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env={**ENVIRONMENT, **asked}, cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert done.stdout == b"plain,--qualifier\n"
