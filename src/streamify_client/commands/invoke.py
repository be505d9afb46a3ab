"""The arguments of `streamify invoke`; `_invoke` does the work."""

import sys
from typing import Any

import click

SECONDS = click.FloatRange(min=0, min_open=True)
VIEWS = ("raw", "text", "lines", "json", "sse")


def _view_options(command: Any) -> Any:
    helps = {
        "raw": "Write the body's bytes as they arrive (the default).",
        "text": "Write the body as UTF-8 text; other bytes are an error.",
        "lines": "Write the body line by line.",
        "json": "Write each value of a JSON Lines body.",
        "sse": "Write each server-sent event as a line of JSON.",
    }
    for view in reversed(VIEWS):
        option = click.option(f"--{view}", "view", flag_value=view, help=helps[view])
        command = option(command)
    return command


def _headers(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Any:
    pairs = [value.partition(":") for value in values]
    for value, (_, colon, _) in zip(values, pairs, strict=True):
        if not colon:
            raise click.BadParameter(f"a header is NAME: VALUE, not {value!r}.")
    return [(name.strip(), value.strip()) for name, _, value in pairs] or None


@click.command(context_settings={"max_content_width": 100})
@click.argument("function", metavar="FN|URL")
@click.option(
    "-p",
    "--payload",
    metavar="JSON|@FILE|-",
    help="The event: JSON text, @FILE for a file, - for standard input.",
)
@click.option("--qualifier", help="The version or alias to invoke.")
@click.option("--log-tail", is_flag=True, help="Write the end of the function's log to standard error.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Write the body to this file. The file appears when the body is complete.",
)
@_view_options
@click.option("-i", "--include", is_flag=True, help="Write status and headers before the body.")
@click.option(
    "--timeout",
    type=SECONDS,
    metavar="SECONDS",
    help="Seconds to wait for data: --first-byte-timeout and --idle-timeout in one.",
)
@click.option(
    "--connect-timeout", type=SECONDS, metavar="SECONDS", help="Seconds to wait for the connection."
)
@click.option(
    "--first-byte-timeout",
    type=SECONDS,
    metavar="SECONDS",
    help="Seconds to wait for the function's first bytes.",
)
@click.option(
    "--idle-timeout", type=SECONDS, metavar="SECONDS", help="Seconds to wait for more bytes after the first."
)
@click.option(
    "--total-timeout", type=SECONDS, metavar="SECONDS", help="Seconds that the whole call may take."
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    help="How often to invoke again after an invocation that may have run.",
)
@click.option(
    "--resumes",
    type=click.IntRange(min=0),
    help="How often to go on behind the last checkpoint after a cut; each is an invocation.",
)
@click.option(
    "--continues",
    type=click.IntRange(min=1),
    help="How many parts one stream may have, each an invocation; 100 by default.",
)
@click.option(
    "--verified",
    type=click.Choice(["auto", "require", "off"]),
    help="Whether to ask for a verified stream, and to accept nothing else.",
)
@click.option("-X", "--method", help="The HTTP method; for URLs only.")
@click.option(
    "-H",
    "--header",
    "headers",
    metavar="NAME: VALUE",
    multiple=True,
    callback=_headers,
    help="A request header; for URLs only. May be given several times.",
)
@click.option(
    "--auth", type=click.Choice(["auto", "iam", "none"]), help="Whether to sign the request; for URLs only."
)
@click.option("--endpoint-url", help="The URL of another Lambda API, such as LocalLambda's.")
@click.option("--region", "region_name", help="The AWS region.")
@click.option("--profile", help="The AWS profile.")
@click.option(
    "--ca-bundle",
    type=click.Path(exists=True, dir_okay=False),
    help="A file of CA certificates to trust for TLS.",
)
def invoke(**given: Any) -> None:
    """Invoke a function and write its response to standard output as it arrives.

    FN is the name or ARN of a function, URL a Function URL.

    \b
    Exit status:
      0    the whole response arrived
      1    the function failed, or the service refused the call
      2    wrong usage, missing credentials or packages
      18   the response was cut off or corrupt
      28   a time limit passed
      130  interrupted (143: terminated)
    """
    from .invoking import run

    view = given.pop("view") or "raw"
    if given["output"] and view != "raw":
        raise click.UsageError("--output writes the body's bytes as they are: leave out --text and the like.")
    sys.exit(run({**given, "view": view}))
