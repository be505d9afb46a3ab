"""csv_rows and ndjson through LocalLambda, compared with the encoder alone and the bytes in 64 KiB chunks.

    python benchmarks/rows.py [rounds]

A million rows of about 40 bytes. The ratio to the sum of the two should be at most 1.5, and a verified stream
should have at most 5 % more bytes than a plain one. The caller reads a plain socket.
"""

import base64
import json
import socket
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from streamify_server.local import LocalLambda

HERE = Path(__file__).parent
ROWS = 1_000_000
VERIFIED = {"custom": {"streamify": "verified/1"}}


def seconds(endpoint: str, function: str, event: dict[str, int], context: object = None) -> tuple[float, int]:
    """Return the seconds for one response, and its size."""
    address = urlsplit(endpoint)
    payload = json.dumps(event)
    fields = [f"Host: {address.netloc}", f"Content-Length: {len(payload)}", "Connection: close"]
    if context is not None:
        fields.append(f"X-Amz-Client-Context: {base64.b64encode(json.dumps(context).encode()).decode()}")
    head = f"POST /2021-11-15/functions/{function}/response-streaming-invocations HTTP/1.1"
    with socket.create_connection((address.hostname or "", address.port or 80)) as caller:
        began = time.perf_counter()
        caller.sendall("\r\n".join((head, *fields, "", payload)).encode())
        size = 0
        while data := caller.recv(1 << 18):
            size += len(data)
        return time.perf_counter() - began, size


def main() -> None:
    """Measure in turns, and print the medians."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else 5
    with LocalLambda() as aws:
        for name in ("csv", "json", "encode_csv", "encode_json", "chunks"):
            aws.add_function(name, handler=f"rows.{name}", code=HERE / "functions", timeout=300)
        for form in ("csv", "json"):
            turns = []
            for number in range(rounds + 1):
                event = {"rows": ROWS if number else 1000}  # the first round warms up
                encoded, _ = seconds(aws.endpoint_url, f"encode_{form}", event)
                taken, size = seconds(aws.endpoint_url, form, event)
                sent, _ = seconds(aws.endpoint_url, "chunks", {"bytes": size})
                _, verified = seconds(aws.endpoint_url, form, event, VERIFIED)
                turns.append((taken, encoded, sent, taken / (encoded + sent), verified / size))
            taken, encoded, sent, ratio, more = map(statistics.median, zip(*turns[1:], strict=True))
            print(
                f"{form:5}{taken:7.2f} s, {ratio:.2f} of encoder ({encoded:.2f} s) and bytes ({sent:.2f} s)"
            )
            print(f"{'':5}verified: {100 * more - 100:.1f} % more bytes")


if __name__ == "__main__":
    main()
