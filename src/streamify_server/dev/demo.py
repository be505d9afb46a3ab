"""`streamify demo`: runs real examples with the client, the server and LocalLambda, in about five seconds."""

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamify_server.local import LocalLambda

if TYPE_CHECKING:
    from streamify_client import StreamClient

TOKEN_DELAY = 0.008  # seconds; 500 tokens take a few seconds


def run_demo() -> None:
    """Stream a multilingual text to the terminal, then a 3 MB data set into a file, through a LocalLambda."""
    try:
        import airportsdata  # noqa: F401
        import rich  # noqa: F401

        from streamify_client import StreamClient
    except ModuleNotFoundError as missing:
        raise click.ClickException(f"the demo needs {missing.name}: pip install 'streamify[demo]'") from None
    examples = _examples()
    click.echo("Starting LocalLambda, a Lambda that streams, on this machine ...")
    with LocalLambda() as aws, tempfile.TemporaryDirectory(prefix="streamify-demo-") as folder:
        aws.add_function("tokens", handler="tokens.handler", code=examples, timeout=60)
        aws.add_function("airports", handler="airports.handler", code=examples, timeout=60)
        click.echo(f"It serves two Python functions of {_short(examples)} at {aws.endpoint_url}.\n")
        client = StreamClient(**aws.client_kwargs)
        try:
            _stream_text(client)
            _stream_file(client, Path(folder) / "airports.csv")
        finally:
            client.close()
    _say_what_next(examples)


def _say_what_next(examples: Path) -> None:
    command = "streamify" if shutil.which("streamify") else _short(Path(sys.argv[0]))
    reload = "" if importlib.util.find_spec("watchfiles") else " --no-reload"
    click.secho("\nWhat to try next", bold=True)
    click.echo("  Serve the function yourself, with a URL and a page that shows each chunk as it leaves:")
    click.secho(f"    {command} dev tokens.handler --code {_short(examples)}{reload}", fg="cyan")
    click.echo("  Then, in another terminal, watch it stream:")
    click.secho("    curl -N http://127.0.0.1:8701/ -d '{\"delay\": 0.05}'", fg="cyan")
    if (examples.parent / "docs" / "server.md").is_file():
        click.echo("  Write a function: docs/server.md. Read one: docs/client.md. Deploy it: docs/deploy.md.")


def _short(path: Path) -> str:
    """Return a path as short as it can be typed in the current directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _stream_text(client: "StreamClient") -> None:
    click.secho("1. A text, token by token, as a language model sends it", bold=True)
    click.secho('for chunk in client.stream("tokens", {...}): print(chunk, end="")\n', fg="cyan")
    with client.stream("tokens", {"delay": TOKEN_DELAY}) as stream:
        for chunk in stream.iter_text():
            sys.stdout.write(chunk)
            sys.stdout.flush()
    result = stream.result
    click.echo(
        f"\n{result.chunks} chunks, {result.bytes_received:,} bytes, "
        f"first byte after {_seconds(result.time_to_first_byte)}, all after {_seconds(result.duration)}\n"
    )


def _stream_file(client: "StreamClient", path: Path) -> None:
    click.secho("2. A data set, written to a file as it arrives", bold=True)
    click.secho('client.stream_to_file("airports", None, "airports.csv", progress=True)\n', fg="cyan")
    result = client.stream_to_file("airports", None, path, progress=True)
    click.echo(f"rows                {_count_rows(path):>12,}")
    click.echo(f"bytes               {result.bytes_received:>12,}")
    click.echo(f"time to first byte  {_seconds(result.time_to_first_byte):>12}")
    click.echo(f"total time          {_seconds(result.duration):>12}")


def _count_rows(path: Path) -> int:
    import csv

    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


def _seconds(duration: float | None) -> str:
    return "-" if duration is None else f"{duration:.3f} s"


def _examples() -> Path:
    """Return the folder of the examples: inside the package in a wheel, at the root in a checkout."""
    for folder in _candidates():
        if (folder / "tokens.py").is_file():
            return folder
    raise click.ClickException("the demo's examples are not installed: reinstall streamify")


def _candidates() -> Iterator[Path]:
    package = Path(__file__).resolve().parents[1]
    yield package / "examples"
    yield package.parent.parent / "examples"
