"""`streamify demo` shows both halves, from the command line, without a terminal."""

import subprocess
import sys


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


def test_an_unknown_command_is_one_sentence_and_exit_code_2() -> None:
    done = run("demonstrate")
    assert done.returncode == 2
    assert "No such command 'demonstrate'" in done.stderr
    assert "Traceback" not in done.stderr
