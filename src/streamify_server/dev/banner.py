"""The text that is printed at the start: the URLs of the functions, and how to call them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent

_BOTO3 = """\
import boto3
client = boto3.client(
    "lambda",
{arguments}
)
for event in client.invoke_with_response_stream(FunctionName="{name}", Payload=b"{{}}")["EventStream"]:
    print(event)"""

Style = Callable[[str, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A function and its URL."""

    name: str
    handler: str
    url: str


def banner(
    functions: Sequence[Served],
    *,
    client: Mapping[str, str],
    inspector: str,
    watched: str,
    reachable: str,
    style: Style,
) -> str:
    """Return the endpoints, and code to paste that calls the first function through each of them.

    Args:
        functions: The functions.
        client: Arguments for a boto3 client.
        inspector: The inspector's URL.
        watched: The watched directories, as text; empty if nothing is watched.
        reachable: The address that the server listens on, if other machines can reach it.
        style: Colours text: (text, colour).
    """
    first = functions[0]
    arguments = "\n".join(f'    {name}="{value}",' for name, value in client.items())
    return "\n".join(
        [
            *_heading(functions, watched, style),
            "",
            *_places(functions, client["endpoint_url"], inspector, style),
            "",
            *([_warning(reachable, style), ""] if reachable else []),
            f"  curl -N {first.url} -d '{{}}'",
            f"  streamify invoke {first.url} -p '{{}}'",
            "",
            indent(_BOTO3.format(arguments=arguments, name=first.name), "  "),
            "",
            "Ctrl-C ends it.",
        ]
    )


def _heading(functions: Sequence[Served], watched: str, style: Style) -> list[str]:
    reloaded = f", reloaded when Python files under {watched} change" if watched else ""
    if len(functions) == 1:
        return [f"{functions[0].handler} is the function {style(functions[0].name, 'cyan')}{reloaded}."]
    return [f"{len(functions)} functions{reloaded}."]


def _places(functions: Sequence[Served], endpoint: str, inspector: str, style: Style) -> list[str]:
    if len(functions) == 1:
        places = [
            ("Lambda API", endpoint, ""),
            ("Function URL", functions[0].url, ""),
            ("Inspector", inspector, ""),
        ]
    else:
        urls = [(function.name, function.url, f"  {function.handler}") for function in functions]
        places = [("Lambda API", endpoint, ""), *urls, ("Inspector", inspector, "")]
    width = max(12, *(len(name) for name, _, _ in places)) + 2
    return [f"  {name:<{width}}{style(place, 'cyan')}{more}" for name, place, more in places]


def _warning(reachable: str, style: Style) -> str:
    told = (
        f"It listens on {reachable}: anyone who can reach this machine can invoke the functions.\n"
        "A Host header must be an IP address, a name without a dot or one in .internal."
    )
    return style(told, "yellow")
