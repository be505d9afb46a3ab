"""An MCP server on a Function URL, with stateless streamable HTTP, so that any process can serve any request.

    pip install mcp 'streamify[asgi,dev]'
    streamify dev mcp_server.handler
    async with Client(url + "mcp") as client: await client.call_tool("count", {"to": 3})

The server checks the Host header, as a protection against DNS rebinding. Set MCP_ALLOWED_HOSTS to the host of
the Function URL ("abc.lambda-url.us-east-1.on.aws"; separate several with commas).

A tool times out after TOOL_SECONDS, which must be less than the function's timeout, since a client that gets
no answer may wait forever.
"""

import asyncio
import os

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from streamify_server.asgi import streaming_asgi

TOOL_SECONDS = float(os.environ.get("TOOL_SECONDS", "20"))
server = MCPServer("counter")


@server.tool()
async def count(to: int, context: Context, pause: float = 0) -> str:
    """Count, with a pause in seconds after each number, and report the progress."""
    async with asyncio.timeout(TOOL_SECONDS):
        for number in range(1, to + 1):
            await context.report_progress(number, to)
            await asyncio.sleep(pause)
    return f"counted to {to}"


@server.tool()
async def divide(dividend: float, divisor: float) -> float:
    """Divide one number by another."""
    return dividend / divisor


hosts = [host for host in os.environ.get("MCP_ALLOWED_HOSTS", "").split(",") if host]
app = server.streamable_http_app(
    stateless_http=True, transport_security=TransportSecuritySettings(allowed_hosts=hosts)
)
handler = streaming_asgi(app)
