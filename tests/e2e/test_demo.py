"""`streamify demo` shows both halves, from the command line, without a terminal."""

import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streamify_client.cli", *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=100,
    )


def test_the_demo_streams_a_text_and_a_file_in_plain_lines_when_piped() -> None:
    done = run("demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ไทย: มนุษย์ทั้งหลายเกิดมามีอิสระ" in done.stdout
    assert "rows                      28,298\n" in done.stdout
    assert "bytes                  3,077,365\n" in done.stdout
    assert "\x1b" not in done.stdout


def test_the_demo_says_what_it_does_and_what_to_try_next_in_commands_that_work() -> None:
    done = run("demo")
    said = done.stdout.splitlines()
    assert said[0] == "Starting LocalLambda, a Lambda that streams, on this machine ..."
    command = shlex.split(next(line for line in said if " dev tokens.handler " in line))
    command[0] = sys.executable
    ports = ["--port", "0", "--url-port", "0", "--inspector-port", "0"]
    arguments = ["-m", "streamify_client.cli", *command[1:], *ports]
    serving = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, encoding="utf-8")
    try:
        assert serving.stdout
        url = next(line.split()[-1] for line in serving.stdout if "Function URL" in line)
        payload = shlex.split(next(line for line in said if "curl -N" in line))[-1]
        with urllib.request.urlopen(url, payload.encode(), timeout=60) as response:
            assert response.read(100)
    finally:
        serving.terminate()
        serving.communicate(timeout=60)


def test_make_demo_installs_only_what_the_demo_needs() -> None:
    recipe = subprocess.run(
        ["make", "-nB", "demo", "VENV=nowhere"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    installed = [line for line in recipe.splitlines() if "pip install" in line]
    assert len(installed) == 1
    assert installed[0].startswith(".venv-demo/bin/python")
    assert installed[0].endswith("-e '.[demo]'")


def test_an_unknown_command_is_one_sentence_and_exit_code_2() -> None:
    done = run("demonstrate")
    assert done.returncode == 2
    assert "No such command 'demonstrate'" in done.stderr
    assert "Traceback" not in done.stderr
