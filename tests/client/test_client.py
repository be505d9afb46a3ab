"""StreamClient: what it takes, what it refuses before anything is sent, and what a refused request says."""

import base64
import json
import threading
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.validate import ParamValidator

from client.conftest import MakeClient
from streamify_client import (
    ConfigurationError,
    ConnectError,
    FunctionError,
    FunctionNotFoundError,
    InvocationError,
    StreamClient,
    StreamClosedError,
    StreamTimeoutError,
    ThrottledError,
    TruncatedStreamError,
)
from support.boto_models import WARNINGS_ARE_ERRORS, tenant
from support.callers import Caller
from support.clients import CREDENTIALS, boto_client, stream_client
from support.wire_server import Behaviour, Peer, WireServer, free_port, full_backlog, whole


def refusing(status: str, error_type: str, message: str, headers: dict[str, str] | None = None) -> Behaviour:
    return lambda peer: peer.refuse(status, error_type, message, headers)


# what is sent


def test_the_arguments_reach_the_wire(make_client: MakeClient) -> None:
    with WireServer(whole()) as server:
        make_client(server.url).stream(
            "fn",
            {"a": 1},
            qualifier="live",
            client_context={"env": {"x": "y"}},
            log_tail=True,
            **tenant,
        ).read()
    request = server.requests[0]
    assert request.target == "/2021-11-15/functions/fn/response-streaming-invocations?Qualifier=live"
    assert request.body == b'{"a":1}'
    assert request.headers["x-amz-log-type"] == "Tail"
    assert request.headers.get("x-amz-tenant-id") == tenant.get("tenant_id")
    context = json.loads(base64.b64decode(request.headers["x-amz-client-context"]))
    assert context == {"env": {"x": "y"}, "custom": {"streamify": "verified/1, continue/1"}}


def test_no_payload_and_no_offer_send_nothing(make_client: MakeClient) -> None:
    with WireServer(whole()) as server:
        make_client(server.url, verified="off").stream("fn").read()
    assert server.requests[0].body == b""
    assert "x-amz-client-context" not in server.requests[0].headers


def test_the_trace_context_of_an_active_span_is_passed_on(make_own_client: MakeClient) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider().get_tracer("test")
    with WireServer(whole()) as server:
        client = make_own_client(server.url)
        with tracer.start_as_current_span("caller") as span:
            client.stream("fn").read()
        client.stream("fn").read()
    contexts = [json.loads(base64.b64decode(r.headers["x-amz-client-context"])) for r in server.requests]
    assert f"{span.get_span_context().trace_id:032x}" in contexts[0]["custom"]["traceparent"]
    assert "traceparent" not in contexts[1]["custom"]


def test_the_trace_context_is_passed_on_by_an_older_opentelemetry_too(
    make_own_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no provider is set, a tracer of an older API forgets the context that it is given."""
    from opentelemetry import trace

    monkeypatch.setattr(trace.NoOpTracer, "start_span", lambda *args, **options: trace.INVALID_SPAN)
    test_the_trace_context_of_an_active_span_is_passed_on(make_own_client)


# what is refused at once


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_boto3_that_does_not_know_tenants_is_to_be_updated(
    asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = ParamValidator.validate

    def without_tenants(self: ParamValidator, params: Any, shape: Any) -> Any:
        shape.members.pop("TenantId", None)
        return create(self, params, shape)

    monkeypatch.setattr(ParamValidator, "validate", without_tenants)
    caller = Caller("async name" if asynchronous else "name", "http://127.0.0.1:9")
    with caller, pytest.raises(ConfigurationError, match=r"does not know tenant_id: update boto3\."):
        caller.read(tenant_id="t-1")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"function": ""}, "function"),
        ({"function": None}, "function"),
        ({"payload": "{"}, "payload is not JSON"),
        ({"payload": object()}, "of type object"),
        ({"encoding": "utf-9"}, "utf-9"),
        ({"encoding": "base64"}, "base64"),
        ({"errors": "shrug"}, "shrug"),
        ({"idle_timeout": 0}, "idle_timeout"),
        ({"idle_timeout": -1}, "idle_timeout"),
        ({"total_timeout": float("nan")}, "total_timeout"),
        ({"connect_timeout": "1"}, "connect_timeout"),
        ({"retries": -1}, "retries"),
        ({"retries": True}, "retries"),
        ({"verified": "maybe"}, "verified"),
        ({"time_out": 5}, "no option 'time_out'; did you mean 'timeout'"),
        ({"qualifer": "live"}, "did you mean 'qualifier'"),
        ({"paylod": {}}, "did you mean 'payload'"),
        ({"xyz": 1}, "no option 'xyz'; there are connect_timeout, "),
        ({"client_context": "{"}, "client_context"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_sent(
    make_own_client: MakeClient, arguments: dict[str, Any], says: str
) -> None:
    with WireServer(whole()) as server:
        client = make_own_client(server.url)
        with pytest.raises(ConfigurationError, match=says):
            client.stream(**{"function": "fn", **arguments})
        assert not server.requests


def test_unknown_options_of_a_client_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no option 'read_timeout'"):
        StreamClient(region_name="us-east-1", read_timeout=3)  # type: ignore[call-arg]


def test_a_client_that_is_passed_in_takes_no_arguments_of_boto3() -> None:
    boto = boto_client("http://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="cannot take region_name"):
        StreamClient(boto, region_name="us-east-1")
    boto.close()


def test_a_missing_region_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ConfigurationError, match="No AWS region is set: pass region_name="):
        StreamClient().stream("fn")


def test_missing_credentials_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with (
        WireServer(whole()) as server,
        StreamClient(region_name="eu-west-1", endpoint_url=server.url) as client,
    ):
        with pytest.raises(ConfigurationError, match="credentials are missing") as caught:
            client.stream("fn").read()
        assert not server.requests
    assert caught.value.function == "fn"


def test_a_session_makes_the_client() -> None:
    session = boto3.Session(**CREDENTIALS)
    with WireServer(whole(b"a")) as server, StreamClient(session=session, endpoint_url=server.url) as client:
        assert client.stream("fn").text() == "a"


def test_the_users_config_goes_first() -> None:
    config = Config(user_agent_extra="mine/1.0", tcp_keepalive=False)
    with WireServer(whole()) as server, stream_client(server.url, config=config) as client:
        client.stream("fn").read()
    assert "mine/1.0" in server.requests[0].headers["user-agent"]


# what the service refuses


def test_an_unknown_function_is_named(make_client: MakeClient) -> None:
    message = "Function not found: arn:aws:lambda:us-east-1:123456789012:function:nope"
    behaviour = refusing("404 Not Found", "ResourceNotFoundException", message)
    with WireServer(behaviour) as server, pytest.raises(FunctionNotFoundError) as caught:
        make_client(server.url).stream("nope", qualifier="v2").read()
    error = caught.value
    assert (error.code, error.status_code, error.may_have_run) == ("ResourceNotFoundException", 404, False)
    assert error.request_id == "req-1"
    for part in ("'nope'", "'v2'", "us-east-1", "123456789012"):
        assert part in str(error)


@pytest.mark.parametrize(
    ("status", "code", "ran"),
    [
        ("403 Forbidden", "AccessDeniedException", False),
        ("400 Bad Request", "InvalidParameterValueException", False),
        ("500 Internal Server Error", "ServiceException", True),
        ("502 Bad Gateway", "EC2UnexpectedException", True),
    ],
)
def test_a_refused_request_is_made_once_and_says_why(
    make_client: MakeClient, status: str, code: str, ran: bool
) -> None:
    with WireServer(refusing(status, code, "because")) as server:
        with pytest.raises(InvocationError, match=f"{code}: because") as caught:
            make_client(server.url).stream("fn").read()
        assert len(server.requests) == 1
    assert (caught.value.status_code, caught.value.may_have_run) == (int(status[:3]), ran)


def test_a_payload_that_is_too_large_says_how_large_it_was(
    make_own_client: MakeClient,
) -> None:
    behaviour = refusing("413 Payload Too Large", "RequestTooLargeException", "too large")
    with WireServer(behaviour) as server, pytest.raises(InvocationError, match="1,002 bytes"):
        make_own_client(server.url).stream("fn", ["x" * 998]).read()


def test_a_throttle_is_waited_out(make_client: MakeClient) -> None:
    throttle = refusing("429 Too Many Requests", "TooManyRequestsException", "later", {"retry-after": "0"})
    with WireServer(throttle, throttle, whole(b"a")) as server:
        stream = make_client(server.url).stream("fn")
        assert stream.read() == b"a"
        assert len(server.requests) == 3
    assert stream.result.attempts.count == 3
    assert all(reason.startswith("ThrottledError") for reason in stream.result.attempts.reasons)


def test_a_throttle_that_lasts_is_an_error(make_client: MakeClient) -> None:
    throttle = refusing("429 Too Many Requests", "TooManyRequestsException", "later", {"retry-after": "0"})
    with WireServer(throttle) as server, pytest.raises(ThrottledError) as caught:
        make_client(server.url).stream("fn").read()
    assert len(server.requests) == 3
    assert (caught.value.attempts, caught.value.retry_after, caught.value.may_have_run) == (3, 0.0, False)


def test_a_service_that_wants_a_long_pause_is_not_asked_again(make_own_client: MakeClient) -> None:
    throttle = refusing("429 Too Many Requests", "TooManyRequestsException", "later", {"retry-after": "3600"})
    with WireServer(throttle) as server, pytest.raises(ThrottledError) as caught:
        make_own_client(server.url).stream("fn").read()
    assert (len(server.requests), caught.value.retry_after) == (1, 3600.0)


# what never connects


def test_a_refused_connection_is_one_sentence(make_client: MakeClient) -> None:
    with pytest.raises(ConnectError, match="the connection was refused") as caught:
        make_client(f"http://127.0.0.1:{free_port()}").stream("fn").read()
    assert (caught.value.may_have_run, caught.value.attempts) == (False, 3)
    assert isinstance(caught.value, ConnectionError)


def test_a_name_that_cannot_be_resolved_is_one_sentence(make_client: MakeClient) -> None:
    with pytest.raises(ConnectError, match="cannot be resolved: check the region") as caught:
        make_client("http://lambda.nowhere.invalid").stream("fn").read()
    assert caught.value.attempts == 1


def test_a_connection_that_does_not_come_about_is_a_connect_timeout(make_client: MakeClient) -> None:
    with full_backlog() as url, pytest.raises(StreamTimeoutError) as caught:
        make_client(url, connect_timeout=0.2).stream("fn").read()
    assert (caught.value.phase, caught.value.may_have_run) == ("connect", False)


# more invocations, when asked


def lost(peer: Peer) -> None:
    peer.head()
    peer.fin()


def lost_after_a_chunk(peer: Peer) -> None:
    peer.head()
    peer.payload(b"some")
    peer.fin()


def test_retries_invoke_again_while_nothing_was_yielded(make_client: MakeClient) -> None:
    with WireServer(lost, whole(b"a")) as server:
        stream = make_client(server.url).stream("fn", retries=1)
        assert stream.read() == b"a"
        assert len(server.requests) == 2
    assert stream.result.attempts.count == 2


def test_without_retries_a_function_that_may_have_run_is_not_invoked_again(make_client: MakeClient) -> None:
    with WireServer(lost, whole(b"a")) as server:
        with pytest.raises(TruncatedStreamError):
            make_client(server.url).stream("fn").read()
        assert len(server.requests) == 1


def test_retries_do_not_repeat_what_was_yielded(make_client: MakeClient) -> None:
    with WireServer(lost_after_a_chunk, whole(b"a")) as server:
        with pytest.raises(TruncatedStreamError):
            make_client(server.url, retries=3).stream("fn").read()
        assert len(server.requests) == 1


def test_the_total_timeout_covers_all_attempts(make_own_client: MakeClient) -> None:
    throttle = refusing("429 Too Many Requests", "TooManyRequestsException", "later", {"retry-after": "5"})
    with WireServer(throttle) as server, pytest.raises(ThrottledError):
        make_own_client(server.url).stream("fn", total_timeout=2).read()
    assert len(server.requests) == 1


# a client that was passed in


def test_a_client_that_was_passed_in_keeps_its_own_ways() -> None:
    def broken(peer: Peer) -> None:
        peer.refuse("500 Internal Server Error", "ServiceException", "broken")

    with WireServer(broken) as server:
        boto = boto_client(server.url, "standard")
        with StreamClient(boto) as client:
            with pytest.raises(InvocationError):
                client.stream("fn").read()
            assert len(server.requests) == 1
            with pytest.raises(boto.exceptions.ServiceException):
                boto.invoke_with_response_stream(FunctionName="fn")
            assert len(server.requests) == 4
        boto.close()


def test_close_takes_our_hooks_away_and_leaves_the_client_open() -> None:
    with WireServer(whole(b"a")) as server:
        boto = boto_client(server.url)
        before = emitter_size(boto)
        first, second = StreamClient(boto), StreamClient(boto)
        first.close()
        assert second.stream("fn").read() == b"a"
        second.close()
        second.close()
        assert emitter_size(boto) == before
        boto.invoke_with_response_stream(FunctionName="fn")["EventStream"].close()
        boto.close()


def test_a_forgotten_client_takes_its_hooks_along() -> None:
    boto = boto_client("http://127.0.0.1:9")
    before = emitter_size(boto)
    StreamClient(boto)
    assert emitter_size(boto) == before
    boto.close()


def emitter_size(boto: Any) -> int:
    events = boto.meta.events._emitter
    return sum(
        len(list(events._handlers.prefix_search(f"{name}.lambda.InvokeWithResponseStream")))
        for name in ("needs-retry", "before-call", "after-call", "before-send")
    )


def test_many_threads_share_a_client(make_client: MakeClient) -> None:
    def echo(peer: Peer) -> None:
        whole(peer.request.body)(peer)

    with WireServer(echo) as server:
        client = make_client(server.url)
        texts: dict[int, str] = {}
        threads = [
            threading.Thread(target=lambda n=n: texts.__setitem__(n, client.stream("fn", [n]).text()))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert texts == {n: f"[{n}]" for n in range(8)}


# doubles, and what goes wrong around a client


class Double:
    """What some tests use for a boto3 client."""

    def __init__(self, events: Any) -> None:
        self.events = events

    def invoke_with_response_stream(self, **_: Any) -> dict[str, Any]:
        headers = {"X-Amzn-RequestId": "r", "X-Amzn-Remapped-Content-Type": "text/csv"}
        metadata = {"HTTPHeaders": headers}
        return {"StatusCode": 200, "ResponseMetadata": metadata, "EventStream": self.events}


PAYLOAD: dict[str, Any] = {"PayloadChunk": {"Payload": b"a"}}
COMPLETE: dict[str, Any] = {"InvokeComplete": {}}


def test_a_double_that_gives_events_works_too() -> None:
    with StreamClient(Double([PAYLOAD, COMPLETE])).stream("fn") as stream:
        assert (stream.content_type, stream.request_id) == ("text/csv", "r")
        assert stream.text() == "a"


def test_a_mock_works_too() -> None:
    from unittest.mock import MagicMock

    boto = MagicMock()
    boto.invoke_with_response_stream.return_value = {"EventStream": [PAYLOAD, COMPLETE]}
    assert StreamClient(boto).stream("fn", {"a": 1}, verified="off").text() == "a"
    boto.invoke_with_response_stream.assert_called_once_with(FunctionName="fn", Payload=b'{"a":1}')


def test_a_double_is_held_to_the_same_rules() -> None:
    with pytest.raises(TruncatedStreamError):
        StreamClient(Double([PAYLOAD])).stream("fn").read()
    failed = {"InvokeComplete": {"ErrorCode": "X", "ErrorDetails": "why"}}
    with pytest.raises(FunctionError, match="why"):
        StreamClient(Double([PAYLOAD, failed])).stream("fn").read()

    def breaks() -> Any:
        yield PAYLOAD
        raise OSError("gone")

    with pytest.raises(TruncatedStreamError):
        StreamClient(Double(breaks())).stream("fn").read()


def test_boto3_through_a_wrapper_that_hides_its_events_works_too() -> None:
    class Wrapper:
        def __init__(self, boto: Any) -> None:
            self._boto = boto

        def invoke_with_response_stream(self, **arguments: Any) -> Any:
            return self._boto.invoke_with_response_stream(**arguments)

    with WireServer(whole(b"a", b"b")) as server:
        boto = boto_client(server.url)
        assert list(StreamClient(Wrapper(boto)).stream("fn").iter_bytes()) == [b"a", b"b"]
        boto.close()


def test_a_botocore_that_hides_its_pool_still_streams() -> None:
    """Without a way to watch the connection, all holds but the limit of one call and cancelling early."""
    with WireServer(whole(b"a")) as server:
        boto = boto_client(server.url)
        session = boto._endpoint.http_session
        boto._endpoint.http_session = type("Hidden", (), {"send": session.send, "close": session.close})()
        with StreamClient(boto) as client:
            assert [client.stream("fn", idle_timeout=5).text() for _ in range(2)] == ["a", "a"]
        assert server.connections == 1
        session.close()


SCRIPT = """
import sys
from streamify_client import StreamClient
client = StreamClient(region_name="us-east-1", endpoint_url=sys.argv[1], aws_access_key_id="a",
                      aws_secret_access_key="b")
stream = client.stream("fn").open()
print(next(iter(stream.iter_text())))
"""


def test_an_interpreter_that_exits_in_mid_stream_is_quiet_and_quick() -> None:
    import subprocess
    import sys

    def hangs(peer: Peer) -> None:
        peer.head()
        peer.payload(b"some")
        assert peer.wait_gone()

    with WireServer(hangs) as server:
        done = subprocess.run(
            [sys.executable, *WARNINGS_ARE_ERRORS, "-c", SCRIPT, server.url],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert server.wait_closed()
    assert (done.returncode, done.stdout, done.stderr) == (0, "some\n", "")


def test_a_closed_client_says_so(make_client: MakeClient) -> None:
    """Without its hooks a client that was passed in would retry."""
    with WireServer(whole(b"a")) as server:
        client = make_client(server.url)
        client.close()
        with pytest.raises(StreamClosedError, match="client is closed"):
            client.stream("fn").open()
        assert not server.requests


def test_an_option_that_is_spelled_wrong_is_guessed() -> None:
    with pytest.raises(ConfigurationError, match="no option 'region'; did you mean 'region_name'"):
        StreamClient(region="eu-west-1")  # type: ignore[call-arg]


def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="client of boto3, not 'eu-west-1'; options go by name"):
        StreamClient("eu-west-1")


def test_a_client_of_another_service_or_library_is_refused() -> None:
    boto = boto3.client("sts", **CREDENTIALS)
    with pytest.raises(ConfigurationError, match="client for the service sts, not for lambda"):
        StreamClient(boto)
    boto.close()
