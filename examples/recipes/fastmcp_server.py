"""An MCP server with FastMCP on a Function URL, stateless.

    streamify dev fastmcp_server.handler

Set MCP_ALLOWED_HOSTS to the host of the Function URL, as for mcp_server.py.
"""

import os

from fastmcp import Context, FastMCP

from streamify_server.asgi import streaming_asgi

server: FastMCP = FastMCP("counter")


@server.tool
async def count(to: int, context: Context) -> str:
    """Count, and tell the progress of it."""
    for number in range(1, to + 1):
        await context.report_progress(number, to)
    return f"counted to {to}"


hosts = [host for host in os.environ.get("MCP_ALLOWED_HOSTS", "").split(",") if host]
handler = streaming_asgi(server.http_app(stateless_http=True, allowed_hosts=hosts))
