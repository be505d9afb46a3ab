"""Decode the encoded data in events of queues, topics, streams and logs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from streamify_server.errors import HttpError

from ._options import check_options

if TYPE_CHECKING:
    from streamify_server.middleware import Request

_LONGEST_NUMBER = 200  # characters; DynamoDB's have at most 38 digits
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,4})?", re.ASCII)
_DEPTH = 8  # levels of events nested in messages of events
_RECORDS = ("Records", "records", "messages", "tasks", "events")
_OF_KEYS = {"configRuleId": "aws:config", "awslogs": "aws:cloudwatch", "CodePipeline.job": "aws:codepipeline"}
_CONFIGURATION = ("CodePipeline.job", "data", "actionConfiguration", "configuration", "UserParameters")


class event_normalizer:
    """Decodes the data in events of other AWS services.

    That is JSON in messages, base64, compressed logs, DynamoDB's typed values and the keys of S3 objects.

    It supports SQS, SNS, SNS through SQS, Kinesis, Firehose, Kafka, ActiveMQ, RabbitMQ, S3, S3 Batch,
    DynamoDB, CloudWatch Logs, CodePipeline and Config. Text that is not JSON and other events are left
    unchanged. DynamoDB's numbers become int or `decimal.Decimal`, which are exact.

    Args:
        max_decompressed_bytes: The largest decompressed batch of CloudWatch Logs; larger ones raise a 413.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import event_normalizer
        >>> @streaming_handler(middlewares=[event_normalizer()])
        ... def handler(event, context):
        ...     for record in event["Records"]:
        ...         yield f"{record['body']['order']}\\n"
        >>> handler({"Records": [{"eventSource": "aws:sqs", "body": '{"order": 7}'}]}, None)
        b'7\\n'
    """

    def __init__(self, *, max_decompressed_bytes: int = 10 * 1024 * 1024) -> None:
        check_options(locals())
        self._max_decompressed_bytes = max_decompressed_bytes

    def before(self, request: Request) -> None:
        """Decode the event."""
        try:
            request.event = self._normalized(request.event, _DEPTH)
        except RecursionError as error:
            raise HttpError(422, "The event is nested too deeply") from error

    def _normalized(self, event: Any, depth: int) -> Any:
        if not isinstance(event, Mapping) or not depth:
            return event
        source = event.get("eventSource") or ("aws:lambda:events" if "deliveryStreamArn" in event else None)
        for key in _RECORDS:
            records = event.get(key)
            if isinstance(records, list):
                source = source or _source_of(records)
                return {**event, key: [self._decoded(source, record, depth) for record in records]}
        source = source or next((name for key, name in _OF_KEYS.items() if key in event), None)
        return self._decoded(source, event, depth)

    def _decoded(self, source: Any, value: Any, depth: int) -> Any:
        def nested(text: Any) -> Any:
            return self._normalized(_parsed(text), depth - 1)

        def queued(text: Any) -> Any:
            body = _parsed(text)
            if isinstance(body, Mapping) and body.get("Type") == "Notification":
                return _changed(body, ("Message",), nested)
            return self._normalized(body, depth - 1)

        changes: dict[str, dict[tuple[str, ...], Callable[[Any], Any]]] = {
            **_CHANGES,
            "aws:cloudwatch": {("awslogs", "data"): self._unpacked},
            "aws:sns": {("Sns", "Message"): nested},
            "aws:sqs": {("body",): queued},
        }
        for path, change in changes.get(source if isinstance(source, str) else "", {}).items():
            value = _changed(value, path, change)
        return value

    def _unpacked(self, data: Any) -> Any:
        import zlib

        decompressor = zlib.decompressobj(wbits=31)
        try:
            unpacked = decompressor.decompress(_bytes(data), self._max_decompressed_bytes + 1)
        except zlib.error as error:
            raise HttpError(422, "The logs of the event are not valid gzip") from error
        if len(unpacked) > self._max_decompressed_bytes:
            raise HttpError(413, f"The logs of the event have more than {self._max_decompressed_bytes} bytes")
        return _parsed(unpacked.decode(errors="replace"))


def _source_of(records: list[Any]) -> Any:
    first = records[0] if records and isinstance(records[0], Mapping) else {}
    return (
        first.get("eventSource") or first.get("EventSource") or ("aws:s3:batch" if "s3Key" in first else None)
    )


def _changed(value: Any, path: tuple[str, ...], change: Callable[[Any], Any]) -> Any:
    """Return a copy in which the values at the path are changed; `*` matches every member or item."""
    if not path:
        return change(value)
    key, *rest = path
    if isinstance(value, Mapping):
        return {
            name: _changed(member, tuple(rest), change) if key in (name, "*") else member
            for name, member in value.items()
        }
    if isinstance(value, list) and key == "*":
        return [_changed(item, tuple(rest), change) for item in value]
    return value


def _parsed(text: Any) -> Any:
    """Return the value of a JSON text, or the text itself if it is not JSON."""
    if not isinstance(text, str) or text[:1] not in ("{", "[", '"'):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _bytes(data: Any) -> bytes:
    import base64

    try:
        return base64.b64decode(data, validate=True)
    except (ValueError, TypeError) as error:
        raise HttpError(422, "A record of the event is not valid base64") from error


def _from_base64(data: Any) -> Any:
    if data is None:
        return None
    decoded = _bytes(data)
    try:
        return _parsed(decoded.decode())
    except UnicodeDecodeError:
        return decoded


def _object_key(key: Any) -> Any:
    from urllib.parse import unquote_plus

    return unquote_plus(key) if isinstance(key, str) else key


def _image(image: Any) -> Any:
    """Return the attributes of a DynamoDB item as plain values."""
    if not isinstance(image, Mapping):
        return image
    return {name: _attribute(value) for name, value in image.items()}


def _attribute(typed: Any) -> Any:
    kind: Any
    value: Any
    kind, value = next(iter(typed.items()), ("", None)) if isinstance(typed, Mapping) else ("", None)
    if kind in ("S", "B", "N") and isinstance(value, str):
        return _number(value) if kind == "N" else value
    if kind == "M":
        return _image(value)
    if kind == "L" and isinstance(value, list):
        return [_attribute(item) for item in value]
    if kind in ("SS", "BS", "NS") and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return set(map(_number, value)) if kind == "NS" else set(value)
    if kind in ("BOOL", "NULL"):
        return bool(value) if kind == "BOOL" else None
    raise HttpError(422, f"DynamoDB has no attributes of the type {str(kind)[:10]!r} with such a value")


def _number(text: str) -> Any:
    from decimal import Decimal

    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise HttpError(422, "A number of DynamoDB is not one")
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() and number.adjusted() < 38 else number


_CHANGES: dict[str, dict[tuple[str, ...], Callable[[Any], Any]]] = {
    "aws:amq": {("data",): _from_base64},
    "aws:codepipeline": {_CONFIGURATION: _parsed},
    "aws:config": {("invokingEvent",): _parsed, ("ruleParameters",): _parsed},
    "aws:dynamodb": {("dynamodb", image): _image for image in ("Keys", "NewImage", "OldImage")},
    "aws:kafka": {("records", "*", "*", part): _from_base64 for part in ("key", "value")},
    "aws:kinesis": {("kinesis", "data"): _from_base64},
    "aws:lambda:events": {("data",): _from_base64},
    "aws:rmq": {("rmqMessagesByQueue", "*", "*", "data"): _from_base64},
    "aws:s3": {("s3", "object", "key"): _object_key},
    "aws:s3:batch": {("s3Key",): _object_key},
}
_CHANGES["SelfManagedKafka"] = _CHANGES["aws:kafka"]
