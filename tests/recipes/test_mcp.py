"""MCP servers on Function URLs, read by the official client."""

import httpx2
import pytest
from mcp import Client

from .conftest import Serve


@pytest.mark.parametrize("name", ["mcp_server", "fastmcp_server"])
async def test_the_official_client_calls_a_tool_and_hears_its_progress(serve: Serve, name: str) -> None:
    url = serve(name, MCP_ALLOWED_HOSTS="127.0.0.1:*")
    heard: list[float] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with Client(f"{url}mcp") as client:
        assert "count" in [tool.name for tool in (await client.list_tools()).tools]
        result = await client.call_tool("count", {"to": 3}, progress_callback=progress)
    assert result.content[0].text == "counted to 3"  # type: ignore[union-attr]
    assert heard == [1, 2, 3]


async def test_a_failing_tool_is_an_error_of_the_tool(serve: Serve) -> None:
    async with Client(serve("mcp_server", MCP_ALLOWED_HOSTS="127.0.0.1:*") + "mcp") as client:
        result = await client.call_tool("divide", {"dividend": 1, "divisor": 0})
    assert result.is_error


@pytest.mark.parametrize("name", ["mcp_server", "fastmcp_server"])
async def test_a_tool_that_stalls_is_an_error_of_the_tool(serve: Serve, name: str) -> None:
    url = serve(name, MCP_ALLOWED_HOSTS="127.0.0.1:*", TOOL_SECONDS="0.5")
    async with Client(f"{url}mcp") as client:
        result = await client.call_tool("count", {"to": 2, "pause": 3600})
    assert result.is_error


def test_a_host_that_is_not_allowed_is_refused(serve: Serve) -> None:
    url = serve("mcp_server", MCP_ALLOWED_HOSTS="abc.lambda-url.us-east-1.on.aws")
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {"accept": "application/json, text/event-stream"}
    answer = httpx2.post(f"{url}mcp", json=message, headers=headers, timeout=30)
    assert answer.status_code == 421
