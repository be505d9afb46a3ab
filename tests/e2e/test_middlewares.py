"""Middlewares in a function process behind a Function URL, asked by a real HTTP client and by boto3."""

import json
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from streamify_server.local import LocalLambda
from support.decoders import DECODERS
from support.local import Gate, boto3_client

APP = """
import json
from streamify_server import HttpError, HttpResponse, streaming_handler
from streamify_server.middlewares import *

def wait_at(gate):
    with open(gate) as pipe:
        pipe.read()

def events(event, context):
    def ticks():
        yield "data: first\\n\\n"
        wait_at(event["queryStringParameters"]["gate"])
        yield "data: second\\n\\n"
    return HttpResponse(200, {"content-type": "text/event-stream"}, ticks())

async def events_async(event, context):
    import asyncio
    async def ticks():
        yield "data: first\\n\\n"
        await asyncio.to_thread(wait_at, event["queryStringParameters"]["gate"])
        yield "data: second\\n\\n"
    return HttpResponse(200, {"content-type": "text/event-stream"}, ticks())

def late(event, context):
    def rows():
        yield "first"
        raise RuntimeError("late")
    return HttpResponse(200, body=rows())

def missing(event, context):
    raise HttpError(404, "No such report")

def broken(event, context):
    raise RuntimeError("the password is s3cret")

@streaming_handler(middlewares=[http_json_body_parser()])
def total(event, context):
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": str(sum(event["body"]))}

@streaming_handler(middlewares=[http_multipart_body_parser()])
def upload(event, context):
    for name, part in event["body"].items():
        yield f"{name}: "
        yield part.content if hasattr(part, "content") else part

def book(event, context):
    return {"statusCode": 200, "body": {"id": 1, "title": "T", "author": {"name": "Ada", "born": 1815}}}

router = http_router([
    ("GET", "/events", events), ("GET", "/events-async", events_async), ("GET", "/late", late),
    ("GET", "/missing", missing), ("GET", "/broken", broken), ("POST", "/total", total),
    ("POST", "/upload", upload), ("GET", "/books/{id}", book),
])
as_json = ("^application/json$", lambda response: json.dumps(response.body))
handler = streaming_handler(middlewares=[
    http_content_encoding(),
    http_cors(origins=["http://127.0.0.1:*"], disable_before_preflight_response=False),
    http_security_headers(),
    http_header_normalizer(),
    http_event_normalizer(),
    input_output_logger(omit_paths=["event.headers.x-secret"], max_bytes=20_000),
    http_response_serializer(serializers=[as_json], default_content_type="application/json"),
    http_partial_response(),
    error_logger(logger=lambda request: print("HEARD", repr(request.error), flush=True)),
    warmup(),
    http_error_handler(logger=False, fallback_message="Something went wrong"),
])(router)

@streaming_handler(middlewares=[
    http_content_encoding(), http_cors(origin="*"), http_security_headers(), warmup(),
    http_error_handler(logger=False),
])
def bare(event, context):
    yield "row 1, "
    yield "row 2"
    if event.get("fail"):
        raise RuntimeError("late")
"""


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLambda]:
    code = tmp_path_factory.mktemp("code")
    (code / "app.py").write_text(APP)
    with LocalLambda() as aws:
        aws.add_function("app", handler="app.handler", code=Path(code), timeout=30)
        aws.add_function("bare", handler="app.bare", code=Path(code), timeout=30)
        aws.add_function("api", handler="api.handler", code=EXAMPLES, timeout=30)
        yield aws


@pytest.fixture(scope="module")
def http(aws: LocalLambda) -> Iterator[httpx2.Client]:
    url = aws.function_url("app", invoke_mode="RESPONSE_STREAM")
    with httpx2.Client(base_url=url, timeout=30, headers={"accept-encoding": "identity"}) as client:
        yield client


@pytest.mark.parametrize("coding", DECODERS)
@pytest.mark.parametrize("path", ["/events", "/events-async"])
def test_a_browser_reads_an_event_before_the_next_is_produced(
    coding: str, path: str, http: httpx2.Client, tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    decode = DECODERS[coding]()
    with http.stream("GET", path, params={"gate": gate.path}, headers={"accept-encoding": coding}) as answer:
        assert answer.headers["content-encoding"] == coding
        chunks = answer.iter_raw()
        seen = b""
        while not seen.endswith(b"\n\n"):
            seen += decode(next(chunks))
        assert seen == b"data: first\n\n"
        gate.open()
        assert b"".join(map(decode, chunks)) == b"data: second\n\n"


def origin_of(http: httpx2.Client) -> str:
    return f"http://127.0.0.1:{http.base_url.port}"  # LocalLambda lets no other one in


def test_a_response_has_the_headers_of_every_middleware(http: httpx2.Client) -> None:
    answer = http.get("/books/7", headers={"origin": origin_of(http)})
    assert answer.headers["access-control-allow-origin"] == origin_of(http)
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["content-type"] == "application/json"
    assert {name.strip() for name in answer.headers["vary"].split(",")} >= {"Origin", "Accept-Encoding"}
    assert answer.json()["author"] == {"name": "Ada", "born": 1815}


def test_only_the_fields_asked_for_come(http: httpx2.Client) -> None:
    answer = http.get("/books/7", params={"fields": "id,author/name"})
    assert answer.json() == {"id": 1, "author": {"name": "Ada"}}


def test_a_preflight_is_answered(http: httpx2.Client) -> None:
    answer = http.options("/books/7", headers={"origin": origin_of(http)})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, origin_of(http))


@pytest.mark.parametrize(
    ("method", "path", "content", "content_type", "status", "body"),
    [
        ("POST", "/total", b"[1, 2, 3]", "application/json", 200, "6"),
        ("POST", "/total", b"[1, 2", "application/json", 422, "The body is not valid JSON"),
        ("POST", "/total", b"a=1", "application/x-www-form-urlencoded", 415, "Unsupported Media Type"),
        ("GET", "/missing", None, None, 404, "No such report"),
        ("GET", "/broken", None, None, 500, "Something went wrong"),
        ("GET", "/nowhere", None, None, 404, "Not Found"),
        ("GET", "/total", None, None, 405, "Method Not Allowed"),
    ],
)
def test_requests_and_refusals(
    method: str,
    path: str,
    content: bytes | None,
    content_type: str | None,
    status: int,
    body: str,
    http: httpx2.Client,
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = http.request(method, path, content=content, headers=headers)
    assert (answer.status_code, answer.text) == (status, body)
    assert answer.headers["x-frame-options"] == "DENY"


def test_a_file_is_uploaded(http: httpx2.Client) -> None:
    picture = bytes(range(256))
    answer = http.post("/upload", data={"title": "x"}, files={"picture": ("p.png", picture, "image/png")})
    assert answer.content == b"title: xpicture: " + picture


def test_an_error_in_mid_stream_cuts_the_compressed_body_and_is_heard_of(
    aws: LocalLambda, http: httpx2.Client
) -> None:
    with http.stream("GET", "/late", headers={"accept-encoding": "gzip"}) as answer:
        received = b"".join(answer.iter_raw())
    decompressor = zlib.decompressobj(31)
    assert (decompressor.decompress(received), decompressor.eof) == (b"first", False)
    assert http.get("/missing").status_code == 404  # the process lives
    assert any(line.startswith("HEARD RuntimeError('late')") for line in aws.logs("app"))


def test_the_log_has_requests_and_responses_without_their_secrets(
    aws: LocalLambda, http: httpx2.Client
) -> None:
    http.get("/books/7", headers={"x-secret": "s3cret"})
    lines = [json.loads(line) for line in aws.logs("app") if line.startswith('{"')]
    assert any(line.get("response", {}).get("statusCode") == 200 for line in lines)
    assert "s3cret" not in json.dumps([line["event"] for line in lines if "event" in line])


def frames(aws: LocalLambda, event: Any) -> tuple[str, bytes]:
    with closing(boto3_client(aws)) as client:
        answer = client.invoke_with_response_stream(FunctionName="bare", Payload=json.dumps(event))
        with closing(answer["EventStream"]) as stream:
            body = b"".join(item["PayloadChunk"]["Payload"] for item in stream if "PayloadChunk" in item)
        return answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-remapped-content-type"], body


def test_a_bare_stream_stays_bare_under_http_middlewares(aws: LocalLambda) -> None:
    assert frames(aws, {}) == ("text/plain; charset=utf-8", b"row 1, row 2")
    assert frames(aws, {"fail": True}) == ("text/plain; charset=utf-8", b"row 1, row 2")
    assert frames(aws, {"source": "serverless-plugin-warmup"}) == ("text/plain; charset=utf-8", b"warmup")


@pytest.fixture(scope="module")
def api(aws: LocalLambda) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=aws.function_url("api", invoke_mode="RESPONSE_STREAM"), timeout=30) as client:
        yield client


def test_the_example_streams_compressed_lines(api: httpx2.Client) -> None:
    answer = api.get("/measurements/quito", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert [json.loads(line)["celsius"] for line in answer.text.splitlines()] == [14.5, 15.0, 13.0]


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"celsius": "hot"}, "/body/celsius", 'The value is not of type "number"'),
        ({}, "/body", '"celsius" is a required property'),
    ],
)
def test_the_example_checks_what_it_is_sent(body: Any, pointer: str, detail: str, api: httpx2.Client) -> None:
    assert api.post("/fahrenheit", json={"celsius": 100}).json() == {"fahrenheit": 212.0}
    answer = api.post("/fahrenheit", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["errors"] == [{"pointer": pointer, "detail": detail}]


def test_the_example_knows_no_other_city(api: httpx2.Client) -> None:
    answer = api.get("/measurements/atlantis")
    assert (answer.status_code, answer.text) == (404, "There is no city atlantis")
    assert answer.headers["access-control-allow-origin"] == "*"


HANGING = """
import asyncio
from streamify_server import streaming_handler
from streamify_server.middlewares import http_router

@streaming_handler
async def hanging(event, context):
    try:
        yield "first"
        await asyncio.Event().wait()
    finally:
        print("CLOSED", flush=True)

hanging.on_stream_end(lambda request: print("ENDED", flush=True))
handler = streaming_handler(deadline_margin=1)(http_router([("GET", "/", hanging)]))
"""


def test_the_deadline_closes_a_routed_producer(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HANGING)
    with LocalLambda() as aws:
        aws.add_function("app", handler="app.handler", code=tmp_path, timeout=2)
        body = httpx2.get(aws.function_url("app", invoke_mode="RESPONSE_STREAM"), timeout=30).content
        again = httpx2.get(aws.function_url("app", invoke_mode="RESPONSE_STREAM"), timeout=30).content
        assert (body, again) == (b"first", b"first")
        lines = [line for line in aws.logs("app") if line in ("CLOSED", "ENDED")]
        assert lines[:2] == ["CLOSED", "ENDED"]
