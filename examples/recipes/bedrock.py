"""Amazon Bedrock's `converse_stream`, passed on as text or as server-sent events.

    streamify invoke bedrock --payload '{"prompt": "hi"}'              # bedrock.text
    new EventSource(url + "?prompt=hi")                                # bedrock.events

MODEL_ID names the model. The stream of Bedrock is closed whatever ends this one.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
from botocore.exceptions import ClientError

from streamify_server import HttpError, HttpResponse, sse, streaming_handler
from streamify_server.middlewares import http_error_handler

bedrock = boto3.client("bedrock-runtime")
MODEL_ID = os.environ.get("MODEL_ID", "amazon.nova-lite-v1:0")


@streaming_handler(content_type="text/plain; charset=utf-8")
def text(event: dict[str, Any], context: Any) -> Iterator[str]:
    """The answer's text; an error of Bedrock's is the stream's error."""
    with closing(answer(event["prompt"])) as happened:
        for each in happened:
            if "contentBlockDelta" in each:
                yield each["contentBlockDelta"]["delta"].get("text", "")


@streaming_handler(middlewares=[http_error_handler()])
def events(event: dict[str, Any], context: Any) -> HttpResponse:
    """Events named delta, done and error; a refusal before the first of them is an HTTP status."""
    prompt = (event.get("queryStringParameters") or {}).get("prompt")
    if not prompt:
        raise HttpError(400, "prompt is missing: ?prompt=...")
    try:
        happened = answer(prompt)
    except ClientError as refused:
        status = refused.response["ResponseMetadata"]["HTTPStatusCode"]
        code = 429 if status == 429 else 502
        raise HttpError(code, "The model cannot be asked now.", expose=True) from refused
    return HttpResponse(200, {"cache-control": "no-store"}, sse(Told(happened)))


def answer(prompt: str) -> Any:
    message = {"role": "user", "content": [{"text": prompt}]}
    return bedrock.converse_stream(modelId=MODEL_ID, messages=[message])["stream"]


class Told:
    """Bedrock's events as server-sent events. Closing it, also unread, closes Bedrock's stream."""

    def __init__(self, happened: Any) -> None:
        self.happened = happened

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            for each in self.happened:
                if "contentBlockDelta" in each:
                    delta = each["contentBlockDelta"]["delta"]
                    yield {"event": "delta", "data": {"text": delta.get("text", "")}}
                elif "messageStop" in each:
                    yield {"event": "done", "data": {"reason": each["messageStop"]["stopReason"]}}
        except Exception:
            yield {"event": "error", "data": {"message": "The model stopped in the middle of its answer."}}
            raise  # a verified reader and the log learn what it was

    def close(self) -> None:
        self.happened.close()
