"""Requests signed by botocore, and what is wrong with others."""

import hashlib
import http.client
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from streamify_server.local import LocalLambda

KEYS = ("AKIALOCALLAMBDA00000", "local/lambda/accepts/any/signature/of/yours")
Change = Callable[[AWSRequest], None]


def nothing(request: AWSRequest) -> None:
    pass


def send(
    url: str,
    change: Change = nothing,
    *,
    keys: tuple[str, str] = KEYS,
    service: str = "lambda",
    region: str = "us-east-1",
    content_hash: str | None = None,
) -> tuple[int, bytes]:
    sent = {"x-steps": '{"steps": [["event"]]}', "content-type": "text/plain"}
    if content_hash:
        sent["x-amz-content-sha256"] = content_hash
    request = AWSRequest("POST", url, sent, b"body")
    SigV4Auth(Credentials(*keys), service, region).add_auth(request)
    change(request)
    prepared: Any = request.prepare()
    parts = urlsplit(prepared.url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("POST", f"{parts.path}?{parts.query}", prepared.body, dict(prepared.headers.items()))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.fixture(scope="module")
def url(aws: LocalLambda) -> str:
    return aws.function_url("steps", auth_type="AWS_IAM", invoke_mode="RESPONSE_STREAM")


@pytest.mark.parametrize("target", ["", "a%20path/x?b=2&a=1", "%C3%A9/?q=%C3%A9%20x&q"])
def test_a_signed_request_is_let_in_and_its_caller_named(url: str, target: str) -> None:
    status, body = send(url + target)
    assert status == 200
    assert b'"accessKey": "AKIALOCALLAMBDA00000"' in body
    assert b'"accountId": "123456789012"' in body


@pytest.mark.parametrize("digest", ["UNSIGNED-PAYLOAD", hashlib.sha256(b"body").hexdigest()])
def test_a_content_hash_may_be_announced(url: str, digest: str) -> None:
    assert send(url, content_hash=digest)[0] == 200


def header(name: str, value: str) -> Change:
    def change(request: AWSRequest) -> None:
        del request.headers[name]
        request.headers[name] = value

    return change


def body(request: AWSRequest) -> None:
    request.data = b"another"


def path(request: AWSRequest) -> None:
    request.url = f"{request.url}more"


BAD: dict[str, tuple[Change, dict[str, Any], str]] = {
    "no signature": (header("Authorization", ""), {}, "Missing Authentication Token"),
    "another body": (body, {}, "does not match"),
    "another path": (path, {}, "does not match"),
    "another header": (header("content-type", "text/html"), {}, "does not match"),
    "another secret": (nothing, {"keys": ("AKIALOCALLAMBDA00000", "wrong")}, "does not match"),
    "an unknown key": (
        nothing,
        {"keys": ("AKIAUNKNOWN", "x")},
        "security token",
    ),
    "another region": (nothing, {"region": "eu-west-1"}, "scoped to the region us-east-1"),
    "another service": (nothing, {"service": "s3"}, "the service lambda"),
    "no date": (header("X-Amz-Date", "yesterday"), {}, "no valid X-Amz-Date"),
    "an old date": (
        header("X-Amz-Date", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 301))),
        {},
        "expired|not that of",
    ),
    "another day": (header("X-Amz-Date", "20200101T000000Z"), {}, "not that of X-Amz-Date"),
    "a wrong content hash": (
        nothing,
        {"content_hash": "0" * 64},
        "not that of the body",
    ),
}


@pytest.mark.parametrize(("change", "options", "words"), BAD.values(), ids=BAD.keys())
def test_other_requests_are_refused_with_the_reason(
    url: str, change: Change, options: dict[str, Any], words: str
) -> None:
    status, answer = send(url, change, **options)
    assert status == 403
    assert re.search(words, answer.decode())
