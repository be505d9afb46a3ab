"""What is printed at the start: where the function is, and how to call it."""

from collections.abc import Callable
from textwrap import indent
from typing import TYPE_CHECKING

from streamify_server.local import LocalLambda

if TYPE_CHECKING:
    from .server import DevOptions

_BOTO3 = """\
import boto3
client = boto3.client(
    "lambda",
{arguments}
)
for event in client.invoke_with_response_stream(FunctionName="{name}", Payload=b"{{}}")["EventStream"]:
    print(event)"""


def banner(
    options: "DevOptions", aws: LocalLambda, url: str, inspector: str, style: Callable[[str, str], str]
) -> str:
    """The endpoints, and code to paste that calls the function through each of them."""
    arguments = "\n".join(f'    {name}="{value}",' for name, value in aws.client_kwargs.items())
    places = {"Lambda API": aws.endpoint_url, "Function URL": url, "Inspector": inspector}
    watched = f", reloaded when Python files under {options.code.resolve()} change" if options.reload else ""
    return "\n".join(
        [
            f"{options.handler} is the function {style(options.function, 'cyan')}{watched}.",
            "",
            *(f"  {name:<14}{style(place, 'cyan')}" for name, place in places.items()),
            "",
            f"  curl -N {url} -d '{{}}'",
            f"  streamify invoke {url} -p '{{}}'",
            "",
            indent(_BOTO3.format(arguments=arguments, name=options.function), "  "),
            "",
            "Ctrl-C ends it.",
        ]
    )
