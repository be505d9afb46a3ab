"""`streamify invoke`: its arguments. What it does is in `_invoke`."""

import sys
from typing import Any

import click

SECONDS = click.FloatRange(min=0, min_open=True)
VIEWS = ("raw", "text", "lines", "json", "sse")


def _view_options(command: Any) -> Any:
    helps = {
        "raw": "The body's bytes, as they come (the default).",
        "text": "The body as UTF-8 text; anything else in it is an error.",
        "lines": "Line by line.",
        "json": "JSON Lines, value by value.",
        "sse": "Server-sent events, each as a line of JSON.",
    }
    for view in reversed(VIEWS):
        option = click.option(f"--{view}", "view", flag_value=view, help=helps[view])
        command = option(command)
    return command


def _headers(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Any:
    pairs = [value.partition(":") for value in values]
    for value, (_, colon, _) in zip(values, pairs, strict=True):
        if not colon:
            raise click.BadParameter(f"{value!r} is no NAME: VALUE.")
    return [(name.strip(), value.strip()) for name, _, value in pairs] or None


@click.command(context_settings={"max_content_width": 100})
@click.argument("function", metavar="FN|URL")
@click.option(
    "-p", "--payload", metavar="JSON|@FILE|-", help="The event: JSON, a file's, or standard input's."
)
@click.option("--qualifier", help="A version or an alias.")
@click.option("--log-tail", is_flag=True, help="Show the end of the function's log, on standard error.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Write to this file, which is whole or not there.",
)
@_view_options
@click.option("-i", "--include", is_flag=True, help="Show status and headers first.")
@click.option("--timeout", "total_timeout", type=SECONDS, help="Seconds for everything.")
@click.option("--connect-timeout", type=SECONDS, help="Seconds for the connection.")
@click.option("--first-byte-timeout", type=SECONDS, help="Seconds until the function's first bytes.")
@click.option("--idle-timeout", type=SECONDS, help="Seconds between two arrivals of bytes.")
@click.option(
    "--retries", type=click.IntRange(min=0), help="Further invocations after one that may have run."
)
@click.option("--verified", type=click.Choice(["auto", "require", "off"]), help="Ask for a verified stream.")
@click.option("-X", "--method", help="For a URL: the HTTP method.")
@click.option(
    "-H", "--header", "headers", metavar="NAME: VALUE", multiple=True, callback=_headers, help="For a URL."
)
@click.option("--auth", type=click.Choice(["auto", "iam", "none"]), help="For a URL: whether to sign.")
@click.option("--endpoint-url", help="Another endpoint of the Lambda API.")
@click.option("--region", "region_name", help="The AWS region.")
@click.option("--profile", help="The AWS profile.")
@click.option("--ca-bundle", type=click.Path(exists=True, dir_okay=False), help="Whom to trust for TLS.")
def invoke(**given: Any) -> None:
    """Invoke a function and stream its response to standard output.

    FN is a function's name or ARN, and URL a Function URL.

    \b
    Exit status:
      0    the whole response came
      1    the function failed, or the service refused
      2    wrong usage, missing credentials or packages
      18   the response was cut off or corrupt
      28   a time limit passed
      130  interrupted
    """
    from ._invoke import run

    view = given.pop("view") or "raw"
    if given["output"] and view != "raw":
        raise click.UsageError("--output writes the bytes as they are: leave the view out.")
    sys.exit(run({**given, "view": view}))
