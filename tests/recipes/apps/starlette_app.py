"""Starlette's static files: ranges, conditional requests, directories."""

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from streamify_server.asgi import streaming_asgi

FILES = Path(__file__).with_name("static")
for file in FILES.iterdir():
    os.utime(file, (1_700_000_000, 1_700_000_000))  # so that both servers send one etag

app = Starlette(routes=[Mount("/", StaticFiles(directory=FILES, html=True))])
handler = streaming_asgi(app)
