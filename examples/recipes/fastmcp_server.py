"""An MCP server with FastMCP on a Function URL, stateless.

    pip install fastmcp 'streamify[asgi,dev]'
    streamify dev fastmcp_server.handler

Set MCP_ALLOWED_HOSTS to the host of the Function URL, as for mcp_server.py. A tool times out after
TOOL_SECONDS, which must be less than the function's timeout: a client that gets no answer waits forever.
"""

import asyncio
import os

from fastmcp import Context, FastMCP

from streamify_server.asgi import streaming_asgi

TOOL_SECONDS = float(os.environ.get("TOOL_SECONDS", "20"))
server: FastMCP = FastMCP("counter")


@server.tool(timeout=TOOL_SECONDS)
async def count(to: int, context: Context, pause: float = 0) -> str:
    """Count, with a pause in seconds after each number, and report the progress."""
    for number in range(1, to + 1):
        await context.report_progress(number, to)
        await asyncio.sleep(pause)
    return f"counted to {to}"


hosts = [host for host in os.environ.get("MCP_ALLOWED_HOSTS", "").split(",") if host]
handler = streaming_asgi(server.http_app(stateless_http=True, allowed_hosts=hosts))
