"""Streams beside OpenTelemetry's own instrumentations: prints the spans that are exported.

python instrumented.py ENDPOINT FUNCTION_URL    reads a stream each way, and makes a call of its own
python instrumented.py --handler                handles one event by name and one over HTTP
"""

import asyncio
import json
import os
import sys
import time
from importlib import import_module

from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor
from opentelemetry.instrumentation.botocore import AiobotocoreInstrumentor, BotocoreInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()


def instrument() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    for instrumentor in (
        BotocoreInstrumentor,
        AiobotocoreInstrumentor,
        URLLib3Instrumentor,
        AioHttpClientInstrumentor,
    ):
        instrumentor().instrument()


def read(endpoint: str, url: str) -> None:
    import boto3

    from streamify_client import AsyncStreamClient, StreamClient

    boto = boto3.client("lambda", endpoint_url=endpoint, region_name="us-east-1")
    with StreamClient(boto) as client:
        client.stream("tokens").read()
        client.stream(url).read()
        with suppress_instrumentation():
            client.stream("tokens").read()
    boto.list_functions()
    boto.close()

    async def read_async() -> None:
        async with AsyncStreamClient(endpoint_url=endpoint, region_name="us-east-1") as client:
            await client.stream("tokens").read()
            await client.stream(url).read()

    asyncio.run(read_async())


def handle() -> None:
    from awslambdaric.lambda_context import LambdaContext

    sys.path.insert(0, os.path.dirname(__file__))
    os.environ |= {"_HANDLER": "instrumented_app.handler", "AWS_LAMBDA_FUNCTION_NAME": "fn"}
    AwsLambdaInstrumentor().instrument()
    app = import_module("instrumented_app")

    arn = "arn:aws:lambda:us-east-1:123456789012:function:fn"
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    until = int((time.time() + 60) * 1000)
    named = {"w3c": {"traceparent": traceparent}}
    app.handler({}, LambdaContext("by-name", named, None, until, arn))
    event = {
        "version": "2.0",
        "headers": {"traceparent": traceparent},
        "requestContext": {
            "http": {"method": "GET", "path": "/"},
            "domainName": "x.lambda-url.us-east-1.on.aws",
        },
    }
    app.handler(event, LambdaContext("by-url", None, None, until, arn))


instrument()
if sys.argv[1] == "--handler":
    handle()
else:
    read(*sys.argv[1:])
for span in exporter.get_finished_spans():
    print(json.dumps(json.loads(span.to_json())))
