"""The commands behind `streamify`, on click; each is loaded when it is called."""

import importlib
import os

import click

_ELSEWHERE = {
    "demo": ("streamify_server.dev.cli", "demo"),
    "dev": ("streamify_server.dev.cli", "dev"),
    "doctor": ("streamify_client.commands.doctor", "doctor"),
    "invoke": ("streamify_client.commands.invoke", "invoke"),
}


class _LazyGroup(click.Group):
    """A group whose commands may live in modules that are imported only when a command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, name = _ELSEWHERE[cmd_name]
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="streamify")
def streamify() -> None:
    """Read streamed responses of AWS Lambda functions, and run streaming functions on this machine."""
    if os.environ.get("NO_COLOR"):  # https://no-color.org
        click.get_current_context().color = False
