"""The commands of the server half: `streamify demo` and `streamify dev`."""

from pathlib import Path
from typing import Any

import click


@click.command()
def demo() -> None:
    """Stream a text and a data set through a local Lambda."""
    from .demo import run_demo

    run_demo()


def _variables(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise click.BadParameter(f"{name!r} is no NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _handler(context: click.Context, parameter: click.Parameter, value: str) -> str:
    module, dot, name = value.rpartition(".")
    if not dot or not module.strip("./") or not name.isidentifier():
        raise click.BadParameter(f"{value!r} is no module.function, as app.handler is one.")
    return value


@click.command()
@click.argument("handler", callback=_handler)
@click.option(
    "--code",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="The directory of the code; the current one if not given.",
)
@click.option("--name", default="", help="The function's name; that of the handler's module if not given.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8700,
    show_default=True,
    help="Of the Lambda API; 0: any.",
)
@click.option(
    "--url-port", type=click.IntRange(0, 65535), default=8701, show_default=True, help="Of the Function URL."
)
@click.option(
    "--inspector-port",
    type=click.IntRange(0, 65535),
    default=8702,
    show_default=True,
    help="Of the stream inspector.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, 1800, min_open=True),
    default=900.0,
    show_default=True,
    help="Seconds until an invocation is ended.",
)
@click.option(
    "--env",
    "environment",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_variables,
    help="A variable of the function.",
)
@click.option(
    "--stream-errors",
    type=click.Choice(["observed", "documented"]),
    default="observed",
    show_default=True,
    help="How failed streams end: as captured on AWS, or as AWS documents it.",
)
@click.option(
    "--invoke-mode",
    type=click.Choice(["RESPONSE_STREAM", "BUFFERED"]),
    default="RESPONSE_STREAM",
    show_default=True,
    help="Of the Function URL.",
)
@click.option("--payloads/--no-payloads", default=True, help="Whether the inspector shows payloads and text.")
@click.option("--reload/--no-reload", default=True, help="Whether to reload when Python files change.")
def dev(handler: str, **options: Any) -> None:
    """Serve the function HANDLER (module.function) on a local Lambda API and a Function URL.

    It is reloaded when its source changes, and the stream inspector shows its responses as they happen.
    """
    from .dev import DevError, DevOptions, Terminal, run_dev

    terminal = Terminal(click.echo, lambda text, colour: click.style(text, fg=colour))
    try:
        run_dev(DevOptions(handler=handler, **options), terminal)
    except DevError as error:
        raise click.ClickException(str(error)) from None
