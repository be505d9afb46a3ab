"""Amazon Bedrock's `converse_stream`, forwarded as text or as server-sent events.

    pip install 'streamify[client]'
    streamify invoke chat --payload '{"prompt": "hi"}'      # handler bedrock.text
    new EventSource(url + "?prompt=hi")                     # handler bedrock.events

MODEL_ID selects the model. SILENCE is the number of seconds for which Bedrock may send nothing; the
function's timeout must be longer. Bedrock's stream is closed however this one ends.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from streamify_server import HttpError, HttpResponse, sse, streaming_handler
from streamify_server.middlewares import http_error_handler

SILENCE = float(os.environ.get("SILENCE", "20"))
MODEL_ID = os.environ.get("MODEL_ID", "amazon.nova-lite-v1:0")
# By default, boto3 would repeat the request, which is billed again, if the model is slow to start.
bedrock = boto3.client(
    "bedrock-runtime", config=Config(read_timeout=SILENCE, retries={"total_max_attempts": 1})
)


@streaming_handler(content_type="text/plain; charset=utf-8")
def text(event: dict[str, Any], context: Any) -> Iterator[str]:
    """Stream the answer's text; an error from Bedrock becomes the stream's error."""
    with closing(Answer(event["prompt"], context)) as answer:
        for name, data in answer:
            if name == "delta":
                yield data["text"]


@streaming_handler(middlewares=[http_error_handler()])
def events(event: dict[str, Any], context: Any) -> HttpResponse:
    """Stream events named delta, done and error; if Bedrock rejects the request, return an error status."""
    prompt = (event.get("queryStringParameters") or {}).get("prompt")
    if not prompt:
        raise HttpError(400, "prompt is missing: ?prompt=...")
    try:
        answer = Answer(prompt, context)
    except ClientError as refused:
        status = refused.response["ResponseMetadata"]["HTTPStatusCode"]
        code = 429 if status == 429 else 502
        raise HttpError(code, "The model cannot be asked now.", expose=True) from refused
    return HttpResponse(200, {"cache-control": "no-store"}, sse(Told(answer)))


class Answer:
    """Bedrock's answer to a prompt, as pairs of event name and data. Raises if the answer is incomplete."""

    def __init__(self, prompt: str, context: Any) -> None:
        message = {"role": "user", "content": [{"text": prompt}]}
        self.happened = bedrock.converse_stream(modelId=MODEL_ID, messages=[message])["stream"]
        self.context = context

    def __iter__(self) -> Iterator[tuple[str, dict[str, str]]]:
        done = False
        for each in self.happened:
            if "contentBlockDelta" in each:
                yield "delta", {"text": each["contentBlockDelta"]["delta"].get("text", "")}
            elif "messageStop" in each:
                done = True
                yield "done", {"reason": each["messageStop"]["stopReason"]}
            # Stop while there is time for one more pause and two seconds to report the error to the reader.
            if not done and self.context.get_remaining_time_in_millis() / 1000 < SILENCE + 2:
                raise TimeoutError("The function's time is up.")
        if not done:
            raise EOFError("The answer ended without messageStop.")  # boto3 does not raise

    def close(self) -> None:
        self.happened.close()


class Told:
    """Converts an answer to server-sent events. Closing it, even unread, closes Bedrock's stream."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            for name, data in self.answer:
                yield {"event": name, "data": data}
        except Exception:
            yield {"event": "error", "data": {"message": "The model stopped in the middle of its answer."}}
            raise  # for readers of verified streams, and for the log

    def close(self) -> None:
        self.answer.close()
