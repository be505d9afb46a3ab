"""The commands of the server half: `streamify demo`."""

import click


@click.command()
def demo() -> None:
    """Stream a text and a data set through a local Lambda."""
    from .demo import run_demo

    run_demo()
