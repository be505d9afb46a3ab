"""As much of S3 as an upload needs, on 127.0.0.1: objects, multipart uploads, conditional writes."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class S3Server:
    """Keeps whole objects in `objects` and uploads that are neither completed nor aborted in `uploads`."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"s3": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class Handler(BaseHTTPRequestHandler):
    s3: S3Server
    protocol_version = "HTTP/1.1"  # which answers Expect: 100-continue

    def do_HEAD(self) -> None:
        body = self.s3.objects.get(self.key)
        self.answer(404 if body is None else 200, length=len(body or b""))

    def do_GET(self) -> None:
        self.answer(200, f'<ListBucketResult xmlns="{NAMESPACE}"><KeyCount>0</KeyCount></ListBucketResult>')

    def do_PUT(self) -> None:
        body = self.body()
        if "uploadId" in self.query:
            self.s3.uploads[self.key][int(self.query["partNumber"][0])] = body
        elif not self.refused():
            self.s3.objects[self.key] = body
        self.answer(412 if self.refused() and "uploadId" not in self.query else 200)

    def do_POST(self) -> None:
        self.body()
        if "uploads" in self.query:
            self.s3.uploads[self.key] = {}
            start = f'<InitiateMultipartUploadResult xmlns="{NAMESPACE}"><UploadId>1</UploadId>'
            self.answer(200, start + "</InitiateMultipartUploadResult>")
        elif self.refused():
            self.answer(412)
        else:
            parts = self.s3.uploads.pop(self.key)
            self.s3.objects[self.key] = b"".join(parts[number] for number in sorted(parts))
            self.answer(200, f'<CompleteMultipartUploadResult xmlns="{NAMESPACE}"/>')

    def do_DELETE(self) -> None:
        self.s3.uploads.pop(self.key, None)
        self.answer(204)

    @property
    def key(self) -> str:
        return urlsplit(self.path).path.lstrip("/")

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def refused(self) -> bool:
        return self.headers.get("If-None-Match") == "*" and self.key in self.s3.objects

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, text: str = "", length: int | None = None) -> None:
        code = "<Error><Code>PreconditionFailed</Code><Message>it exists</Message></Error>"
        body = (code if status == 412 else text).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("ETag", '"etag"')
        self.send_header("Last-Modified", "Mon, 23 Nov 2026 05:00:00 GMT")
        self.send_header("Connection", "close")  # so that none is left
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""
