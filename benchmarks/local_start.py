"""The time to LocalLambda's first response, compared with starting only the function's process.

python benchmarks/local_start.py [rounds]
"""

import http.client
import statistics
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from socket import create_server

from streamify_server.local import LocalLambda
from streamify_server.local.functions import make_function
from streamify_server.local.sandbox.environment import process_environment

EXAMPLES = Path(__file__).parent.parent / "examples"
PAYLOAD = b'{"name": "Ada"}'


def alone() -> float:
    """Return the seconds until a function's process, started directly, asks for its first invocation."""
    function = make_function(
        name="hello",
        arn="",
        handler="hello.handler",
        code=EXAMPLES,
        command=None,
        environment={},
        opt=None,
        timeout=3,
    )
    with create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        environment = process_environment(function, runtime_api=address, region="us-east-1", log_stream="")
        began = time.perf_counter()
        process = subprocess.Popen(function.command, env=environment, cwd=function.code)
        listening.accept()[0].close()
        took = time.perf_counter() - began
    process.kill()
    process.wait()
    return took


def whole() -> tuple[float, float]:
    """Return the seconds from creating a LocalLambda to a first response, and from there to a second."""
    began = time.perf_counter()
    with LocalLambda() as aws:
        aws.add_function("hello", handler="hello.handler", code=EXAMPLES)
        with closing(http.client.HTTPConnection(aws.endpoint_url.removeprefix("http://"))) as caller:
            answer(caller)
            first = time.perf_counter()
            answer(caller)
            second = time.perf_counter()
    return first - began, second - first


def answer(caller: http.client.HTTPConnection) -> None:
    path = "/2021-11-15/functions/hello/response-streaming-invocations"
    caller.request("POST", path, PAYLOAD)
    assert b"Hello Ada" in caller.getresponse().read().replace(b"\n", b"")


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 10
    whole()  # fills the bytecode caches
    taken = [
        (alone(), *whole()) for _ in range(rounds)
    ]  # in turns, so that other load on the machine affects all alike
    by_itself, first, second = (statistics.median(column) for column in zip(*taken, strict=True))
    show("the function's process alone, to its first /next", by_itself, by_itself)
    show("LocalLambda(), add_function, first answer", first, by_itself)
    show("the next answer, warm", second, by_itself)


def show(what: str, seconds: float, base: float) -> None:
    print(f"{what:50} {seconds * 1000:7.1f} ms{seconds / base:7.2f}")


if __name__ == "__main__":
    main()
