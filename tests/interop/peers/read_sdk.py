"""Reads one stream with aws-sdk-lambda (Python 3.12 or newer) and prints what it got as JSON."""

import asyncio
import json
import sys
from typing import Any

from aws_sdk_lambda.client import AsyncLambdaClient
from aws_sdk_lambda.config import AsyncLambdaConfig
from aws_sdk_lambda.models import (
    InvokeInput,
    InvokeWithResponseStreamInput,
    InvokeWithResponseStreamResponseEventInvokeComplete,
    InvokeWithResponseStreamResponseEventPayloadChunk,
)
from smithy_aws_core.identity import StaticCredentialsResolver


async def main(endpoint: str, function: str, payload: str) -> None:
    config = await AsyncLambdaConfig.resolve(
        endpoint_uri=endpoint,
        region="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        aws_credentials_identity_resolver=StaticCredentialsResolver(),
    )
    client: Any = AsyncLambdaClient(config)
    asked = InvokeWithResponseStreamInput(function_name=function, payload=payload.encode())
    stream = await client.invoke_with_response_stream(asked)
    body, ended = b"", False
    async for event in stream.output_stream:
        if isinstance(event, InvokeWithResponseStreamResponseEventPayloadChunk):
            body += event.value.payload or b""
        ended = isinstance(event, InvokeWithResponseStreamResponseEventInvokeComplete)
    answer = await client.invoke(InvokeInput(function_name=function, payload=payload.encode()))
    print(json.dumps({"body": body.decode(), "ended": ended, "whole": (answer.payload or b"").decode()}))
    await client.close()


asyncio.run(main(*sys.argv[1:]))
