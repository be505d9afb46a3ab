"""`streamify doctor`: arguments and output; `streamify_client.doctor` does the work."""

import json
import sys
from typing import Any

import click

from streamify_client.errors import StreamifyError

_COLOURS = {"ok": "green", "warn": "yellow", "FAIL": "red", "unknown": "cyan"}


@click.command(context_settings={"max_content_width": 100})
@click.argument("target", metavar="FN|URL")
@click.option("--function", help="The function behind a URL, where the URL does not say it.")
@click.option("--invoke", is_flag=True, help="Invoke the function too; without this nothing is invoked.")
@click.option("-p", "--payload", metavar="JSON", help="The event for a handler that does not use streamify.")
@click.option("--no-download", is_flag=True, help="Leave the function's package alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--endpoint-url", help="Another endpoint of the AWS APIs.")
@click.option("--region", "region_name", help="The AWS region.")
@click.option("--profile", "profile_name", help="The AWS profile.")
def doctor(target: str, *, as_json: bool, no_download: bool, **given: Any) -> None:
    """Find out what keeps a deployed function or URL from streaming, and what to do about it.

    FN is a function's name or ARN, and URL a Function URL or one of API Gateway. Nothing is changed, and
    nothing is invoked without --invoke.

    \b
    Exit status:
      0    no line says FAIL
      1    at least one does
      2    wrong usage, or missing packages
    """
    from streamify_client.doctor import examine

    if given["payload"] is not None and not given["invoke"]:
        raise click.UsageError("--payload goes with --invoke.")
    options = {name: value for name, value in given.items() if value is not None}
    try:
        report = examine(target, download=not no_download, **options)
    except StreamifyError as error:
        raise click.UsageError(error.message) from None
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
    else:
        for finding in report.findings:
            level = click.style(f"{finding.level:8}", fg=_COLOURS[finding.level])
            click.echo(f"{level}{finding.check}: {finding.seen}")
            if finding.cure:
                click.echo(f"        -> {finding.cure}")
        click.echo("Not checked:")
        for sentence in report.not_checked:
            click.echo(f"  {sentence}")
    sys.exit(1 if report.failed else 0)
