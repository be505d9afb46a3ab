"""Reads one stream with boto3, of whichever version is first on the path, and prints what it got as JSON."""

import json
import sys
from typing import Any

import boto3
from botocore.config import Config

endpoint, function, payload = sys.argv[1:]
config = Config(retries={"total_max_attempts": 1})
client: Any = boto3.client("lambda", endpoint_url=endpoint, region_name="us-east-1", config=config)
answer = client.invoke_with_response_stream(FunctionName=function, Payload=payload.encode(), LogType="Tail")
events = list(answer["EventStream"])
body = b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event)
whole = client.invoke(FunctionName=function, Payload=payload.encode())["Payload"].read()
print(json.dumps({"body": body.decode(), "ended": "InvokeComplete" in events[-1], "whole": whole.decode()}))
