"""A report written by several functions, with a stream writer."""

from typing import Any

from streamify_server import StreamWriter, streaming_handler

REGIONS = {"north": [3, 1], "south": [4, 1, 5]}


@streaming_handler
def handler(event: Any, context: Any, stream: StreamWriter) -> None:
    stream.start_http(200, {"content-type": "text/markdown; charset=utf-8"})
    stream.write("# Sales\n")
    for region, sales in REGIONS.items():
        write_region(stream, region, sales)


def write_region(stream: StreamWriter, region: str, sales: list[int]) -> None:
    stream.write(f"\n## {region.title()}\n\n")
    for amount in sales:
        stream.write(f"- {amount}\n")
