"""What AWS's APIs are asked, and what their refusals become."""

import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber

from streamify_client.doctor._checks import check
from streamify_client.doctor._facts import Facts, Integration, Unread
from streamify_client.doctor._reads import Reads, _bare, _download
from streamify_client.doctor._target import parse_target
from support.boto_models import needs_transfer_mode
from support.wire_server import Peer, WireServer

KEYS: Any = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "secret", "region_name": "eu-west-1"}
STREAMING_URI = (
    "arn:aws:apigateway:eu-west-1:lambda:path/2021-11-15/functions/"
    "arn:aws:lambda:eu-west-1:123456789012:function:report/response-streaming-invocations"
)


class Session:
    """A boto3 session whose clients answer as a test says."""

    region_name = "eu-west-1"

    def __init__(self, *prepare: Callable[[Stubber, str], None]) -> None:
        self._prepare = prepare
        self.asked: list[str] = []

    def client(self, service: str, **options: Any) -> Any:
        make: Any = boto3.client
        client = make(service, **{**options, **KEYS})
        stubber = Stubber(client)
        for prepare in self._prepare:
            prepare(stubber, service)
        stubber.activate()
        self.asked.append(service)
        return client


def identity(stubber: Stubber, service: str) -> None:
    if service == "sts":
        answer = {"Arn": "arn:aws:iam::123456789012:user/ada", "Account": "123456789012", "UserId": "A"}
        stubber.add_response("get_caller_identity", answer)


def resources(*items: Mapping[str, Any]) -> Callable[[Stubber, str], None]:
    def prepare(stubber: Stubber, service: str) -> None:
        if service == "apigateway":
            stubber.add_response("get_resources", {"items": list(items)})

    return prepare


def method(path: str, **integration: Any) -> dict[str, Any]:
    methods = {"ANY": {"authorizationType": "AWS_IAM", "methodIntegration": integration}}
    return {"path": path, "resourceMethods": methods}


def read(session: Any, target: str, **options: Any) -> Facts:
    return Reads(session, options, None).facts(parse_target(target, None), download=False)


API = "https://a1.execute-api.eu-west-1.amazonaws.com/prod"


@pytest.mark.parametrize(
    ("path", "chosen"),
    [("/items", "/items"), ("/items/7", "/items/{id}"), ("/other/x/y", "/{proxy+}"), ("/", "/")],
)
def test_the_most_exact_resource_of_a_rest_api_is_taken(path: str, chosen: str) -> None:
    found = [method(each, type="MOCK") for each in ("/", "/{proxy+}", "/items", "/items/{id}")]
    facts = read(Session(identity, resources(*found)), API + path)
    assert isinstance(facts.integration, Integration)
    assert facts.integration.path == chosen


@needs_transfer_mode
def test_the_integration_is_read_as_it_is() -> None:
    item = method("/{proxy+}", type="AWS_PROXY", uri=STREAMING_URI, responseTransferMode="STREAM")
    facts = read(Session(identity, resources(item)), f"{API}/x")
    assert facts.integration == Integration(
        method="ANY",
        path="/{proxy+}",
        kind="AWS_PROXY",
        uri=STREAMING_URI,
        transfer_mode="STREAM",
        authorization="AWS_IAM",
    )


@needs_transfer_mode
def test_the_function_behind_a_rest_api_is_asked_about_too() -> None:
    item = method("/{proxy+}", type="AWS_PROXY", uri=STREAMING_URI, responseTransferMode="STREAM")

    def refuse(stubber: Stubber, service: str) -> None:
        if service == "lambda":
            stubber.add_client_error("get_function_configuration", "ResourceNotFoundException", "gone")

    facts = read(Session(identity, resources(item), refuse), f"{API}/x")
    assert facts.configuration == Unread("gone", absent=True)


@needs_transfer_mode
def test_all_pages_of_an_apis_resources_are_read() -> None:
    def pages(stubber: Stubber, service: str) -> None:
        if service == "apigateway" and (page := next(left, None)):
            stubber.add_response("get_resources", page)

    wanted = method("/other", type="AWS_PROXY", uri=STREAMING_URI, responseTransferMode="STREAM")
    first: dict[str, Any] = {"items": [method("/items", type="MOCK")], "position": "next"}
    left = iter([first, {"items": [wanted]}])
    facts = read(Session(identity, pages), f"{API}/other")
    assert isinstance(facts.integration, Integration)
    assert facts.integration.path == "/other"


def test_a_boto3_that_does_not_know_the_transfer_mode_is_not_taken_for_buffered() -> None:
    class Old(Session):
        def client(self, service: str, **options: Any) -> Any:
            client = super().client(service, **options)
            if service == "apigateway":
                model = client.meta.service_model
                shape = model.shape_for("Integration")
                shape.members.pop("responseTransferMode", None)
                model.shape_for = lambda name: shape
            return client

    item = method("/{proxy+}", type="AWS_PROXY", uri=STREAMING_URI)
    facts = read(Old(identity, resources(item)), f"{API}/x")
    assert isinstance(facts.integration, Integration)
    assert facts.integration.transfer_mode is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("fn", "fn"),
        ("fn:prod", "fn"),
        ("function:fn", "function:fn"),
        ("123456789012:function:fn:$LATEST", "123456789012:function:fn"),
        ("123456789012:fn", "123456789012:fn"),
        (
            "arn:aws:lambda:eu-west-1:123456789012:function:fn:1",
            "arn:aws:lambda:eu-west-1:123456789012:function:fn",
        ),
    ],
)
def test_a_function_without_its_qualifier(given: str, expected: str) -> None:
    assert _bare(given) == expected


def test_an_endpoint_that_is_no_url_is_one_sentence() -> None:
    facts = read(boto3.Session(**KEYS), "report", endpoint_url="nonsense")
    (finding,) = check(facts)
    assert (finding.level, finding.seen) == ("FAIL", "Boto3 cannot ask (Invalid endpoint: nonsense).")


def test_a_path_without_a_method_is_absent() -> None:
    facts = read(Session(identity, resources(method("/items", type="MOCK"))), f"{API}/other")
    assert isinstance(facts.integration, Unread)
    assert facts.integration.absent


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("AccessDeniedException", Unread("needs lambda:GetFunctionConfiguration")),
        ("ResourceNotFoundException", Unread("said", absent=True)),
        (
            "ExpiredTokenException",
            Unread(
                "the credentials are not accepted (ExpiredTokenException: said)",
                cure="Renew them: aws sso login, or new keys.",
            ),
        ),
        (
            "ServiceException",
            Unread("lambda:GetFunctionConfiguration was answered with ServiceException: said"),
        ),
    ],
)
def test_a_refusal_says_what_it_is(code: str, expected: Unread) -> None:
    def refuse(stubber: Stubber, service: str) -> None:
        if service == "lambda":
            stubber.add_client_error("get_function_configuration", code, "said")

    reads = Reads(Session(identity, refuse), {}, "eu-west-1")
    assert reads._configuration("report") == expected


def test_after_missing_credentials_nothing_else_is_asked() -> None:
    class Bare(Session):
        def client(self, service: str, **options: Any) -> Any:
            self.asked.append(service)
            raise NoCredentialsError

    session = Bare()
    facts = read(session, "report")
    assert isinstance(facts.identity, Unread)
    assert facts.identity.fatal
    assert session.asked == ["sts"]


def test_a_network_that_is_not_there_is_fatal() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    session = boto3.Session(**KEYS)
    facts = read(session, "report", endpoint_url=f"http://127.0.0.1:{port}")
    assert isinstance(facts.identity, Unread)
    assert facts.identity.fatal
    assert "cannot be reached" in facts.identity.reason


def test_without_a_region_nothing_is_asked() -> None:
    session = boto3.Session(aws_access_key_id="AKIA", aws_secret_access_key="secret")
    if session.region_name:  # the machine's own configuration has one
        pytest.skip("this machine has a default region")
    facts = read(session, "report")
    assert isinstance(facts.region, Unread)


def test_a_package_that_is_not_a_zip_file_is_unknown() -> None:
    def behave(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope")

    with WireServer(behave) as server:
        found = _download(server.url, "app.handler", None)
    assert isinstance(found, Unread)
    assert "cannot be read" in found.reason
