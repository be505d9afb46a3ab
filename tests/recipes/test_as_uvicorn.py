"""The same applications under uvicorn and on Lambda: one answer, down to its headers and cookies.

What differs on purpose is in `normalised` and in docs/asgi.md: the framing and the Date are the server's, and
a Function URL sends a body without Content-Length.
"""

import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from streamify_server.local import LocalLambda

FILLER = b"\n"  # an empty body would hang behind a Function URL
APPS = Path(__file__).parent / "apps"
SITES = ("fastapi_app", "django_site", "litestar_site", "quart_site", "blacksheep_site", "falcon_site")


@dataclass(frozen=True)
class Ask:
    """One request, as it goes over the wire."""

    target: str
    method: str = "GET"
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What can be compared of a response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


REQUESTS = [
    Ask("/items/plain"),
    Ask("/items/a%2Fb"),
    Ask("/items/100%25"),
    Ask("/items/%2525"),
    Ask("/items/gr%C3%B6%C3%9Fe"),
    Ask("/items/50%"),
    Ask("/items/{a}|b"),
    Ask("/items/a%20b+c"),
    Ask("/items/x?q=a+b&q=%26%3D&empty=&flag&gr%C3%B6%C3%9Fe=%F0%9F%99%82"),
    Ask("/items/x", method="HEAD"),
    Ask("/echo", "POST", bytes(range(256)), {"content-type": "application/octet-stream"}),
    Ask("/echo", "POST", "größe".encode(), {"content-type": "text/plain"}),
    Ask("/echo", "POST", b"", {"content-type": "text/plain"}),
    Ask("/cookies", headers={"cookie": "x=1; y=a b"}),
    Ask("/stream"),
    Ask("/empty"),
    Ask("/old"),
    Ask("/nothing/here"),
    Ask("/echo", "GET"),
    Ask("/fails"),
]
STATIC = [
    Ask("/"),
    Ask("/digits.txt"),
    Ask("/digits.txt", "HEAD"),
    Ask("/digits.txt", headers={"range": "bytes=10-19"}),
    Ask("/digits.txt", headers={"range": "bytes=-5"}),
    Ask("/digits.txt", headers={"range": "bytes=5000-"}),
    Ask("/digits.txt", headers={"if-modified-since": "Thu, 01 Jan 2032 00:00:00 GMT"}),
    Ask("/..%2fstarlette_app.py"),
    Ask("/missing"),
]
CASES = [
    *[(site, ask) for site in SITES for ask in REQUESTS],
    *[("starlette_app", ask) for ask in STATIC],
    ("fastapi_app", Ask("/stream", headers={"accept-encoding": "gzip"})),
    ("fastapi_app", Ask("/unchanged")),
    ("django_site", Ask("/unchanged")),
]


@pytest.fixture(scope="module")
def lambdas() -> Iterator[dict[str, str]]:
    """Each application behind a Function URL."""
    with LocalLambda() as aws:
        for name in (*SITES, "starlette_app"):
            aws.add_function(name, handler=f"{name}.handler", code=APPS, timeout=30, memory_size=512)
        yield {
            name: aws.function_url(name, invoke_mode="RESPONSE_STREAM", empty_body="end")
            for name in (*SITES, "starlette_app")
        }


@pytest.fixture(scope="module")
def uvicorns() -> Iterator[dict[str, str]]:
    """Each application under uvicorn, on a socket that listens already."""
    running: list[subprocess.Popen[bytes]] = []
    urls = {}
    for name in (*SITES, "starlette_app"):
        with closing(socket.create_server(("127.0.0.1", 0))) as listening:
            urls[name] = f"http://127.0.0.1:{listening.getsockname()[1]}/"
            fd = listening.fileno()
            command = [
                sys.executable,
                "-m",
                "uvicorn",
                "--fd",
                str(fd),
                "--log-level",
                "critical",
                f"{name}:app",
            ]
            running.append(subprocess.Popen(command, cwd=APPS, pass_fds=[fd]))
    yield urls
    for process in running:
        process.terminate()
    for process in running:
        process.wait(30)


def answered(url: str, ask: Ask) -> Answer:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as connection:
        connection.request(ask.method, ask.target, ask.body, ask.headers)
        response = connection.getresponse()
        headers = [(name, value.replace(parts.netloc, "HOST")) for name, value in response.getheaders()]
        return Answer(response.status, normalised(headers), response.read())


def normalised(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    server = {"date", "server", "connection", "transfer-encoding", "content-length"}
    kept = [(name.lower(), in_order(value) if name.lower() == "allow" else value) for name, value in headers]
    return sorted(
        (name, value) for name, value in kept if name not in server and not name.startswith("x-amzn-")
    )


def in_order(values: str) -> str:
    """A list that frameworks keep in a set."""
    return ", ".join(sorted(values.split(", ")))


@pytest.mark.parametrize(
    ("site", "ask"), CASES, ids=[f"{site} {ask.method} {ask.target} {ask.headers}" for site, ask in CASES]
)
def test_lambda_answers_as_uvicorn(
    lambdas: dict[str, str], uvicorns: dict[str, str], site: str, ask: Ask
) -> None:
    here, there = answered(lambdas[site], ask), answered(uvicorns[site], ask)
    if here.body == FILLER and not there.body:
        here = replace(here, body=b"")
    untyped = ("content-type", "application/octet-stream")
    if untyped in here.headers and not any(name == "content-type" for name, _ in there.headers):
        here = replace(here, headers=[pair for pair in here.headers if pair != untyped])
    assert here == there
