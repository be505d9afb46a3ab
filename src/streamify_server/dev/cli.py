"""The commands of the server package: `streamify demo` and `streamify dev`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from .functions import DevFunction

_PORT = click.IntRange(0, 65535)


@click.command()
def demo() -> None:
    """Stream a text and a data set through a local Lambda."""
    from .demo import run_demo

    run_demo()


def _variables(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise click.BadParameter(f"{name!r} is not NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _env_files(
    context: click.Context, parameter: click.Parameter, values: tuple[Path, ...]
) -> dict[str, str]:
    from .functions import read_env_file

    variables: dict[str, str] = {}
    for path in values:
        try:
            variables |= read_env_file(path)
        except ModuleNotFoundError as missing:
            raise click.ClickException(str(missing)) from None
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return variables


def _origins(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    from streamify_server.local.fronts.cors import checked_origins

    try:
        return checked_origins(values)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("functions", metavar="HANDLER...", nargs=-1, required=True)
@click.option(
    "--code",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="The directory of the code; the current one if not given.",
)
@click.option("--name", default="", help="The function's name; that of the handler's module if not given.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on; 0.0.0.0 lets containers and other machines in.",
)
@click.option(
    "--port",
    type=_PORT,
    default=8700,
    show_default=True,
    help="The port of the Lambda API; 0 takes any free one.",
)
@click.option(
    "--url-port",
    type=_PORT,
    default=8701,
    show_default=True,
    help="The port of the first function's URL; the others follow.",
)
@click.option(
    "--inspector-port", type=_PORT, default=8702, show_default=True, help="The port of the stream inspector."
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
    help="A variable of the functions.",
)
@click.option(
    "--env-file",
    "env_file",
    type=click.Path(path_type=Path),
    multiple=True,
    callback=_env_files,
    help="A file of NAME=VALUE lines; --env wins over it.",
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
    help="The invoke mode of the Function URLs.",
)
@click.option(
    "--pass-origin",
    "pass_origins",
    metavar="ORIGIN",
    multiple=True,
    callback=_origins,
    help="Let pages of this origin (https://host, or * for any) call; the function answers CORS.",
)
@click.option("--payloads/--no-payloads", default=True, help="Whether the inspector shows payloads and text.")
@click.option("--reload/--no-reload", default=True, help="Whether to reload when Python files change.")
def dev(functions: tuple[str, ...], **options: Any) -> None:
    """Serve functions on a local Lambda API, each with a Function URL.

    HANDLER is module.function (app.handler), NAME=module.function, or a .toml file with [functions.NAME]
    tables. They are reloaded when their source changes, and the stream inspector shows their responses as
    they happen.
    """
    from .server import DevOptions, run_dev
    from .terminal import DevError, Terminal

    served = _functions(functions, options)
    plain = click.get_current_context().color is False  # other threads have no click context
    terminal = Terminal(click.echo, lambda text, colour: text if plain else click.style(text, fg=colour))
    try:
        run_dev(DevOptions(functions=served, **options), terminal)
    except DevError as error:
        raise click.ClickException(str(error)) from None


def _functions(arguments: tuple[str, ...], options: dict[str, Any]) -> "tuple[DevFunction, ...]":
    """Return the functions to serve; remove from the options those that apply to each function."""
    from .functions import DevFunction, functions_of

    environment = {**options.pop("env_file"), **options.pop("environment")}
    common = {name: options.pop(name) for name in ("code", "name", "timeout", "invoke_mode")}
    try:
        return functions_of(arguments, DevFunction(handler="", environment=environment, **common))
    except ModuleNotFoundError as missing:
        raise click.ClickException(str(missing)) from None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="HANDLER") from None
