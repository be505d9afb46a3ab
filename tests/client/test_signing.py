"""Signatures: what is signed, with what, and what never is."""

import hashlib
import ssl
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme

from streamify_client import ConfigurationError, StreamClient
from support.clients import CREDENTIALS, around_boto
from support.http_peers import plain, signature_of, tunnels_to
from support.wire_server import Request, WireServer

LAMBDA = "https://abc123.lambda-url.eu-west-1.on.aws"
KEYS: dict[str, Any] = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "secret"}


@pytest.fixture
def lambda_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """All HTTPS hosts, behind a proxy that plays them; gives the CA bundle, and what the hosts were asked."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("*.lambda-url.eu-west-1.on.aws", "d111.cloudfront.net").configure_cert(context)
    bundle = tmp_path / "hosts.pem"
    authority.cert_pem.write_to_path(str(bundle))
    seen: list[Request] = []
    with WireServer(tunnels_to(context, plain(b"ok"), seen)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        yield str(bundle), seen


def test_a_call_of_a_function_url_is_signed(lambda_hosts: Any) -> None:
    bundle, seen = lambda_hosts
    with StreamClient(**KEYS, aws_session_token="token", verify=bundle) as client:
        url = LAMBDA + "/a%20b/ü?x=1+2&flag&t=12:30"
        assert client.stream(url, {"a": 1}, query={"q": "ä"}, headers={"x-mine": "1"}).text() == "ok"
    request = seen[0]
    actual, expected = signature_of(request, "secret")
    assert actual == expected
    assert request.headers["x-amz-security-token"] == "token"
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(b'{"a":1}').hexdigest()
    signed = request.headers["authorization"]
    assert "AKIAIOSFODNN7EXAMPLE/" in signed
    assert "/eu-west-1/lambda/aws4_request" in signed
    for name in ("host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"):
        assert name in signed.partition("SignedHeaders=")[2].partition(",")[0].split(";")


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("https://d111.cloudfront.net", {}),  # another host
        (LAMBDA, {"auth": "none"}),
        (LAMBDA, {"headers": {"Authorization": "Bearer mine"}}),
        (LAMBDA + "?X-Amz-Signature=abc", {}),  # signed already
    ],
)
def test_what_is_not_to_be_signed_is_not_signed(lambda_hosts: Any, url: str, options: Any) -> None:
    bundle, seen = lambda_hosts
    with StreamClient(**KEYS, verify=bundle) as client:
        client.stream(url, {"a": 1}, **options).read()
    assert "AWS4-HMAC" not in str(seen[0].headers)
    assert "x-amz-security-token" not in seen[0].headers


def test_a_function_url_is_called_unsigned_where_there_are_no_credentials(
    lambda_hosts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, seen = lambda_hosts
    no_credentials(monkeypatch)
    with StreamClient(verify=bundle) as client:
        assert client.stream(LAMBDA).text() == "ok"
        with pytest.raises(ConfigurationError, match="auth='iam' needs AWS credentials"):
            client.stream(LAMBDA, auth="iam").read()
    assert len(seen) == 1
    assert "authorization" not in seen[0].headers


def test_another_host_is_signed_for_when_asked() -> None:
    with WireServer(plain(b"ok")) as server, StreamClient(**CREDENTIALS) as client:
        assert client.stream(server.url, auth="iam").text() == "ok"
    actual, expected = signature_of(server.requests[0], "secret")
    assert actual == expected
    assert "/us-east-1/lambda/" in server.requests[0].headers["authorization"]


def test_a_boto3_client_or_session_lends_its_credentials() -> None:
    with WireServer(plain(b"ok")) as server:
        with around_boto(server.url, "standard") as client:
            client.stream(server.url, auth="iam").read()
        with StreamClient(session=boto3.Session(**CREDENTIALS)) as client:
            client.stream(server.url, auth="iam").read()
    for request in server.requests:
        actual, expected = signature_of(request, "secret")
        assert actual == expected


def test_signing_for_a_host_without_a_region_says_what_to_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with StreamClient(**KEYS) as client, pytest.raises(ConfigurationError, match="pass region_name="):
        client.stream("http://127.0.0.1:9", auth="iam").read()


def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
