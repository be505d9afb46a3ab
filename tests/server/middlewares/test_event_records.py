"""event_normalizer: what events of other services carry as text, decoded."""

import base64
import contextlib
import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_server import HttpError
from streamify_server.middlewares import event_normalizer
from support.answers import through


def b64(data: str | bytes) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def records(source: str, **record: Any) -> dict[str, Any]:
    return {"Records": [{"eventSource": source, **record}]}


def pipeline(parameters: Any) -> dict[str, Any]:
    configuration = {"FunctionName": "fn", "UserParameters": parameters}
    return {"CodePipeline.job": {"data": {"actionConfiguration": {"configuration": configuration}}}}


S3 = records("aws:s3", s3={"object": {"key": "This+is+gr%C3%BCn.jpg", "size": 1}})
S3_DECODED = records("aws:s3", s3={"object": {"key": "This is grün.jpg", "size": 1}})
JSON = '{"a": [1, null]}'
VALUE = {"a": [1, None]}
LOGS = {"messageType": "DATA_MESSAGE", "logEvents": [{"message": "x"}]}


def kafka(source: str, **record: Any) -> dict[str, Any]:
    return {"eventSource": source, "records": {"topic-0": [{"offset": 1, **record}], "topic-1": []}}


EVENTS: dict[str, tuple[Any, Any]] = {
    "SQS": (records("aws:sqs", body=JSON), records("aws:sqs", body=VALUE)),
    "SQS with text": (records("aws:sqs", body="id,name\n1,x"), records("aws:sqs", body="id,name\n1,x")),
    "SQS with a number": (records("aws:sqs", body="1"), records("aws:sqs", body="1")),
    "SQS with broken JSON": (records("aws:sqs", body="{no json"), records("aws:sqs", body="{no json")),
    "SQS with quotes": (records("aws:sqs", body='"a","b"'), records("aws:sqs", body='"a","b"')),
    "SQS that is parsed": (records("aws:sqs", body=VALUE), records("aws:sqs", body=VALUE)),
    "S3 in SQS": (records("aws:sqs", body=json.dumps(S3)), records("aws:sqs", body=S3_DECODED)),
    "S3 in SNS in SQS": (
        records("aws:sqs", body=json.dumps({"Type": "Notification", "Message": json.dumps(S3)})),
        records("aws:sqs", body={"Type": "Notification", "Message": S3_DECODED}),
    ),
    "text in SNS in SQS": (
        records("aws:sqs", body=json.dumps({"Type": "Notification", "Message": "text"})),
        records("aws:sqs", body={"Type": "Notification", "Message": "text"}),
    ),
    "SNS": (
        {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": JSON}}]},
        {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": VALUE}}]},
    ),
    "S3": (S3, S3_DECODED),
    "S3 Batch": ({"tasks": [{"s3Key": "a+b%2B.jpg"}]}, {"tasks": [{"s3Key": "a b+.jpg"}]}),
    "Kinesis": (
        records("aws:kinesis", kinesis={"data": b64(JSON), "partitionKey": "p"}),
        records("aws:kinesis", kinesis={"data": VALUE, "partitionKey": "p"}),
    ),
    "Kinesis with text": (
        records("aws:kinesis", kinesis={"data": b64("{no json")}),
        records("aws:kinesis", kinesis={"data": "{no json"}),
    ),
    "Kinesis with bytes": (
        records("aws:kinesis", kinesis={"data": b64(b"\xff\0")}),
        records("aws:kinesis", kinesis={"data": b"\xff\0"}),
    ),
    "Firehose": (
        {"deliveryStreamArn": "arn", "records": [{"recordId": "1", "data": b64("grün")}]},
        {"deliveryStreamArn": "arn", "records": [{"recordId": "1", "data": "grün"}]},
    ),
    "ActiveMQ": (
        {"eventSource": "aws:amq", "messages": [{"data": b64(JSON)}]},
        {"eventSource": "aws:amq", "messages": [{"data": VALUE}]},
    ),
    "RabbitMQ": (
        {"eventSource": "aws:rmq", "rmqMessagesByQueue": {"q::/": [{"data": b64(JSON)}]}},
        {"eventSource": "aws:rmq", "rmqMessagesByQueue": {"q::/": [{"data": VALUE}]}},
    ),
    "Kafka": (
        kafka("aws:kafka", key=b64("k"), value=b64(JSON)),
        kafka("aws:kafka", key="k", value=VALUE),
    ),
    "Kafka without key and value": (kafka("SelfManagedKafka", key=None), kafka("SelfManagedKafka", key=None)),
    "CloudWatch Logs": (
        {"awslogs": {"data": b64(gzip.compress(json.dumps(LOGS).encode()))}},
        {"awslogs": {"data": LOGS}},
    ),
    "CodePipeline": (pipeline(JSON), pipeline(VALUE)),
    "Config": (
        {"configRuleId": "r", "invokingEvent": JSON, "ruleParameters": '{"b": 1}'},
        {"configRuleId": "r", "invokingEvent": VALUE, "ruleParameters": {"b": 1}},
    ),
}
UNCHANGED: list[Any] = [
    {},
    None,
    "text",
    [1],
    {"Records": []},
    {"Records": [None]},
    {"Records": [3, "x"]},
    {"Records": "none"},
    {"Records": [{"eventSource": "aws:new", "body": JSON}]},
    {"Records": [{"eventSource": "__proto__"}]},
    {"Records": [{"eventSource": ["aws:sqs"], "body": JSON}]},
    {"Records": [{"eventSource": "aws:codecommit", "codecommit": {"references": []}}]},
    {"Records": [{"eventSource": "aws:ses", "ses": {"mail": {}}}]},
    {"Records": [{"eventSource": "aws:s3"}, {"eventSource": "aws:s3", "s3": None}]},
    {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {"Keys": None}}]},
    {"eventSource": "aws:docdb", "events": [{"event": {"fullDocument": "{}"}}]},
    {"eventSource": "aws:kafka", "records": None},
    {"awslogs": {}},
    {"CodePipeline.job": {}},
    {"requestContext": {}, "body": JSON},
]


@pytest.mark.parametrize(("event", "decoded"), EVENTS.values(), ids=EVENTS)
def test_what_an_event_carries_is_decoded_and_the_event_stays_as_it_was(event: Any, decoded: Any) -> None:
    original = json.dumps(event)
    assert through(event_normalizer(), event) == decoded
    assert json.dumps(event) == original


@pytest.mark.parametrize("event", UNCHANGED)
def test_any_other_event_stays_as_it_is(event: Any) -> None:
    assert through(event_normalizer(), event) == event


def test_every_record_of_a_batch_is_decoded() -> None:
    event = {"Records": [{"eventSource": "aws:sqs", "body": body} for body in ("[1]", "x", "[2]")]}
    assert [record["body"] for record in through(event_normalizer(), event)["Records"]] == [[1], "x", [2]]


def test_values_of_dynamodb_are_plain_and_exact() -> None:
    image = {
        "null": {"NULL": True},
        "true": {"BOOL": True},
        "int": {"N": "19007199254740991"},
        "negative": {"N": "-1"},
        "decimal": {"N": "-9007199254740998.25"},
        "huge": {"N": "1e125"},
        "binary": {"B": "AAE="},
        "text": {"S": ""},
        "list": {"L": [{"N": "1"}, {"M": {"a": {"S": "b"}}}]},
        "numbers": {"NS": ["1", "2.5"]},
        "texts": {"SS": ["a"]},
    }
    event = records("aws:dynamodb", dynamodb={"Keys": {"id": {"S": "1"}}, "NewImage": image})
    [record] = through(event_normalizer(), event)["Records"]
    assert record["dynamodb"] == {
        "Keys": {"id": "1"},
        "NewImage": {
            "null": None,
            "true": True,
            "int": 19007199254740991,
            "negative": -1,
            "decimal": Decimal("-9007199254740998.25"),
            "huge": Decimal("1e125"),
            "binary": "AAE=",
            "text": "",
            "list": [1, {"a": "b"}],
            "numbers": {1, Decimal("2.5")},
            "texts": {"a"},
        },
    }


def nested_map(depth: int) -> Any:
    value: Any = {"S": "x"}
    for _ in range(depth):
        value = {"M": {"a": value}}
    return value


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (records("aws:dynamodb", dynamodb={"Keys": {"a": {"J": "1"}}}), 422),
        (records("aws:dynamodb", dynamodb={"Keys": {"a": "text"}}), 422),
        (records("aws:dynamodb", dynamodb={"Keys": {"a": {}}}), 422),
        (records("aws:dynamodb", dynamodb={"Keys": {"a": {"N": "one"}}}), 422),
        (records("aws:dynamodb", dynamodb={"Keys": {"a": {"N": "Infinity"}}}), 422),
        (records("aws:dynamodb", dynamodb={"Keys": {"a": {"N": "1_0"}}}), 422),
        (records("aws:dynamodb", dynamodb={"Keys": {"a": {"N": [0, [1], "F"]}}}), 422),
        (records("aws:dynamodb", dynamodb={"Keys": {"a": {"SS": [{}]}}}), 422),
        (records("aws:dynamodb", dynamodb={"Keys": {"a": {"NS": [["1"]]}}}), 422),
        (records("aws:dynamodb", dynamodb={"Keys": {"a": {"S": 1}}}), 422),
        (records("aws:dynamodb", dynamodb={"Keys": {"a": nested_map(900)}}), 422),
        (records("aws:dynamodb", dynamodb={"Keys": {"a": {"L": 3}}}), 422),
        (records("aws:dynamodb", dynamodb={"Keys": {"a": {"NS": None}}}), 422),
        (records("aws:kinesis", kinesis={"data": "%%%"}), 422),
        (records("aws:kinesis", kinesis={"data": 3}), 422),
        ({"awslogs": {"data": b64("not gzip")}}, 422),
        ({"awslogs": {"data": b64(gzip.compress(bytes(11 * 1024 * 1024)))}}, 413),
    ],
)
def test_a_record_that_cannot_be_decoded_is_refused(event: Any, status: int) -> None:
    with pytest.raises(HttpError) as refused:
        through(event_normalizer(), event)
    assert refused.value.status_code == status


def test_events_within_events_end_somewhere() -> None:
    event: Any = S3
    for _ in range(300):
        event = records("aws:sqs", body=event)
    assert through(event_normalizer(), event)["Records"][0]["body"]["Records"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["Records", "body", "dynamodb", "Keys", "a"]), inner)
            | st.dictionaries(st.sampled_from(["S", "N", "M", "L", "SS", "NS", "B"]), inner, max_size=1)
        ),
        max_leaves=20,
    ),
    st.sampled_from(["aws:sqs", "aws:dynamodb", "aws:kinesis", "aws:s3", "aws:kafka"]),
)
@settings(max_examples=200)
def test_any_event_is_decoded_or_refused(value: Any, source: str) -> None:
    event = {"Records": [value, {"eventSource": source}], "eventSource": source, "awslogs": value}
    with contextlib.suppress(HttpError):
        through(event_normalizer(), event)
    with contextlib.suppress(HttpError):
        through(event_normalizer(), records("aws:dynamodb", dynamodb={"Keys": {"a": value}}))
