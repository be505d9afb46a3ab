"""A coverage-guided run over every parser, by atheris (libFuzzer): `make fuzz SECONDS=60`.

    python tests/fuzz/run.py [--seconds 10] [--runs N] [property ...]

Each property has a process of its own, because libFuzzer ends the process that it runs in. It begins with the
committed corpus; what it adds, and the input of a finding, go to build/fuzz/.
"""

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOUND = HERE.parent.parent / "build" / "fuzz"


def fuzz(name: str, arguments: list[str]) -> None:
    """Run one property; never returns."""
    import atheris

    sys.path.insert(0, str(HERE.parent))
    with atheris.instrument_imports(include=["streamify_client", "streamify_server"]):
        from fuzz.properties import PROPERTIES
    atheris.Setup([sys.argv[0], *arguments], PROPERTIES[name])
    atheris.Fuzz()


def arguments_for(name: str, seconds: int, runs: int) -> list[str]:
    """libFuzzer's own arguments."""
    new = FOUND / name
    new.mkdir(parents=True, exist_ok=True)
    limits = [
        f"-max_total_time={seconds}",
        f"-runs={runs}",
        "-max_len=1200",
        "-timeout=10",
        "-rss_limit_mb=1024",
    ]
    return [str(new), str(HERE / "corpus" / name), f"-artifact_prefix={FOUND}/{name}-", *limits]


def names() -> list[str]:
    """All properties: each has a folder in the corpus, as a test holds."""
    return sorted(folder.name for folder in (HERE / "corpus").iterdir())


def main() -> int:
    """Run the properties one after the other; the number of those that do not hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=10, help="for each property")
    parser.add_argument("--runs", type=int, default=-1, help="inputs for each property; -1: as time allows")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("properties", nargs="*")
    options = parser.parse_args()
    chosen = options.properties or names()
    if options.one:
        fuzz(chosen[0], arguments_for(chosen[0], options.seconds, options.runs))
    failed = []
    for name in chosen:
        limits = ["--seconds", str(options.seconds), "--runs", str(options.runs)]
        command = [sys.executable, __file__, "--one", *limits, name]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        failed += [name] * (ended.returncode != 0)
        print(
            f"{name:20}",
            ended.stderr.strip().splitlines()[-1] if not ended.returncode else "FAILED",
            flush=True,
        )
        if ended.returncode:
            print(ended.stdout[-2000:], ended.stderr[-4000:])
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
