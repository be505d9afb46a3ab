"""A Runtime API client over a plain socket that does, step by step, what the event tells it to."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from http.client import HTTPConnection, HTTPResponse
from typing import Any

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime"
TRAILERS = "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"


def next_invocation() -> tuple[dict[str, str], Any]:
    connection = HTTPConnection(API)
    connection.request("GET", f"{PREFIX}/invocation/next")
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return {name.lower(): value for name, value in response.getheaders()}, json.loads(body)


def post(path: str, body: bytes, **headers: str) -> None:
    connection = HTTPConnection(API)
    connection.request("POST", f"{PREFIX}{path}", body, headers)
    connection.getresponse().read()
    connection.close()


class Response:
    """A streamed response on its way."""

    def __init__(self, request_id: str, content_type: str) -> None:
        host, port = API.split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = [
            f"POST {PREFIX}/invocation/{request_id}/response HTTP/1.1",
            f"Host: {API}",
            f"Content-Type: {content_type}",
            "Lambda-Runtime-Function-Response-Mode: streaming",
            "Transfer-Encoding: chunked",
            f"Trailer: {TRAILERS}",
        ]
        self.socket.sendall("\r\n".join([*head, "", ""]).encode())

    def write(self, data: bytes) -> None:
        self.socket.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self, error_type: str = "", error: str = "") -> int:
        trailers = ""
        if error_type:
            body = base64.b64encode(error.encode()).decode()
            trailers = f"Lambda-Runtime-Function-Error-Type: {error_type}\r\n"
            trailers += f"Lambda-Runtime-Function-Error-Body: {body}\r\n"
        self.socket.sendall(f"0\r\n{trailers}\r\n".encode())
        answer = HTTPResponse(self.socket)
        answer.begin()
        answer.read()
        self.socket.close()
        return answer.status


PRELUDE = "application/vnd.awslambda.http-integration-response"


def instructions(event: dict[str, Any]) -> dict[str, Any]:
    """What to do: the event, or a header of the HTTP request that it stands for."""
    if "requestContext" not in event:
        return event
    told = json.loads(event["headers"].get("x-steps", "{}"))
    return {"steps": told.get("steps", [["event"]]), "content_type": told.get("content_type", PRELUDE)}


def perform(headers: dict[str, str], received: dict[str, Any]) -> None:
    request_id = headers["lambda-runtime-aws-request-id"]
    event = instructions(received)
    response: Response | None = None
    for name, *arguments in event.get("steps", []):
        match name:
            case "write" | "fill":
                response = response or Response(request_id, event.get("content_type", "text/plain"))
                if name == "write":
                    response.write(arguments[0].encode())
                else:
                    fill(response, arguments[0])
            case "end" | "end_with":
                response = response or Response(request_id, event.get("content_type", "text/plain"))
                print("answered", response.end(*arguments))
                return
            case "event" | "headers" | "environment" | "answer":
                shown = {"event": received, "headers": headers, "environment": dict(os.environ)}
                body = json.dumps(shown[name]) if name in shown else arguments[0]
                post(f"/invocation/{request_id}/response", body.encode())
                return
            case "error":
                post(f"/invocation/{request_id}/error", arguments[0].encode())
                return
            case "cut":
                assert response
                response.socket.close()
                return
            case _:
                act(name, arguments)


def fill(response: Response, size: int) -> None:
    piece = b"x" * 65536
    for _ in range(size // len(piece)):
        response.write(piece)


def act(name: str, arguments: list[Any]) -> None:
    match name:
        case "await":
            with open(arguments[0]) as pipe:
                pipe.read()
        case "tell":
            with open(arguments[0], "w") as pipe:
                pipe.write(str(os.getpid()))
        case "print":
            print(*arguments, flush=True)
        case "exit":
            os._exit(arguments[0])
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            threading.Event().wait()
        case "child":
            sleeper = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
            subprocess.Popen([sys.executable, "-c", sleeper, arguments[0]], start_new_session=arguments[1])


def main() -> None:
    if error := os.environ.get("INIT_ERROR"):
        post("/init/error", error.encode(), **{"Lambda-Runtime-Function-Error-Type": "Function.Broken"})
        sys.exit(1)
    if status := os.environ.get("INIT_EXIT"):
        sys.exit(int(status))
    while True:
        perform(*next_invocation())


if __name__ == "__main__":
    main()
