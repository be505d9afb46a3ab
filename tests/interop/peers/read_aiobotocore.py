"""Reads one stream with aiobotocore and prints what it got as JSON."""

import asyncio
import json
import sys
from typing import Any

from aiobotocore.session import get_session


async def main(endpoint: str, function: str, payload: str) -> None:
    async with get_session().create_client(
        "lambda", endpoint_url=endpoint, region_name="us-east-1"
    ) as client:
        made: Any = client
        answer = await made.invoke_with_response_stream(FunctionName=function, Payload=payload.encode())
        events = [event async for event in answer["EventStream"]]
        whole = await (await made.invoke(FunctionName=function, Payload=payload.encode()))["Payload"].read()
    body = b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event)
    print(
        json.dumps({"body": body.decode(), "ended": "InvokeComplete" in events[-1], "whole": whole.decode()})
    )


asyncio.run(main(*sys.argv[1:]))
