"""Amazon Bedrock's `converse_stream`, passed on as text or as server-sent events.

    pip install 'streamify[client]'
    streamify invoke chat --payload '{"prompt": "hi"}'      # handler bedrock.text
    new EventSource(url + "?prompt=hi")                     # handler bedrock.events

MODEL_ID names the model. SILENCE is the number of seconds for which Bedrock may say nothing; the function's
timeout must be longer. The stream of Bedrock is closed whatever ends this one.
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
# boto3 would ask again, and be billed again, for a model that is slow to begin.
bedrock = boto3.client(
    "bedrock-runtime", config=Config(read_timeout=SILENCE, retries={"total_max_attempts": 1})
)


@streaming_handler(content_type="text/plain; charset=utf-8")
def text(event: dict[str, Any], context: Any) -> Iterator[str]:
    """The answer's text; an error of Bedrock's is the stream's error."""
    with closing(Answer(event["prompt"], context)) as answer:
        for name, data in answer:
            if name == "delta":
                yield data["text"]


@streaming_handler(middlewares=[http_error_handler()])
def events(event: dict[str, Any], context: Any) -> HttpResponse:
    """Events named delta, done and error; a refusal before the first of them is an HTTP status."""
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
    """What Bedrock says to a prompt, as names and data. It raises unless all of it came."""

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
            # One more silence, and then two seconds in which the reader can still be told.
            if not done and self.context.get_remaining_time_in_millis() / 1000 < SILENCE + 2:
                raise TimeoutError("The function's time is up.")
        if not done:
            raise EOFError("The answer ended without messageStop.")  # boto3 does not mind

    def close(self) -> None:
        self.happened.close()


class Told:
    """An answer as server-sent events. Closing it, also unread, closes Bedrock's stream."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            for name, data in self.answer:
                yield {"event": name, "data": data}
        except Exception:
            yield {"event": "error", "data": {"message": "The model stopped in the middle of its answer."}}
            raise  # a verified reader and the log learn what it was

    def close(self) -> None:
        self.answer.close()
