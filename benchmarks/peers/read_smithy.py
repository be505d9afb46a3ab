"""Reads streams with aws-sdk-lambda (Python 3.12 or newer); its input and output are those of read.mjs."""

import asyncio
import codecs
import json
import sys
import time
from typing import Any

from aws_sdk_lambda.client import AsyncLambdaClient
from aws_sdk_lambda.config import AsyncLambdaConfig
from aws_sdk_lambda.models import (
    InvokeWithResponseStreamInput,
    InvokeWithResponseStreamResponseEventPayloadChunk,
)
from smithy_aws_core.identity import StaticCredentialsResolver


async def make_client(endpoint: str) -> AsyncLambdaClient:
    config = await AsyncLambdaConfig.resolve(
        endpoint_uri=endpoint,
        region="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        aws_credentials_identity_resolver=StaticCredentialsResolver(),
    )
    return AsyncLambdaClient(config)


async def read(client: AsyncLambdaClient, name: str, view: str) -> int:
    size, decode = 0, codecs.getincrementaldecoder("utf-8")().decode
    asked = InvokeWithResponseStreamInput(function_name=name, payload=b'{"prompt": "hi"}')
    stream = await client.invoke_with_response_stream(asked)
    async for event in stream.output_stream:
        if isinstance(event, InvokeWithResponseStreamResponseEventPayloadChunk):
            payload = event.value.payload or b""
            size += len(decode(payload)) if view == "text" else len(payload)
    return size


async def main() -> None:
    client: Any = None
    for line in sys.stdin:
        question = json.loads(line)
        client = client or await make_client(question["endpoint"])
        before = time.process_time()
        size = 0
        for _ in range(question["times"]):
            size += await read(client, question["function"], question["view"])
        print(json.dumps({"size": size, "cpu": time.process_time() - before}), flush=True)


asyncio.run(main())
