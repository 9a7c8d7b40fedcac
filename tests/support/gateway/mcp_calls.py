"""Requests to `/mcp` as JSON-RPC over a test's HTTP client, and the official client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from infra.lazy_import import LazyModule
from tests.support.builders import Gateway

if TYPE_CHECKING:
    import httpx2
    import mcp
    import mcp.client.streamable_http as transports
else:
    httpx2, mcp = LazyModule("httpx2"), LazyModule("mcp")
    transports = LazyModule("mcp.client.streamable_http")

PROTOCOL = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": "2025-06-18",
}


async def post(
    gateway: Gateway, method: str, params: Any = None, headers: Any = None
) -> httpx.Response:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
    return await gateway.http.post("/mcp", json=body, headers={**PROTOCOL, **(headers or {})})


async def list_tools(gateway: Gateway, headers: Any = None) -> dict[str, dict[str, Any]]:
    """The tools by name."""
    answer = await post(gateway, "tools/list", headers=headers)
    assert answer.status_code == 200, answer.text
    return {tool["name"]: tool for tool in answer.json()["result"]["tools"]}


async def call(
    gateway: Gateway, name: str, arguments: Any = None, headers: Any = None
) -> dict[str, Any]:
    """The result of a tool."""
    params = {"name": name, "arguments": arguments or {}}
    answer = await post(gateway, "tools/call", params, headers)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    return result


@asynccontextmanager
async def official_client(
    gateway: Gateway, mode: str = "auto", **headers: str
) -> AsyncIterator["mcp.Client"]:
    """The official client, over the newest protocol or that with a handshake (`legacy`)."""
    given = {"authorization": f"Bearer {gateway.key.secret}", **headers}
    async with httpx2.AsyncClient(headers=given, timeout=60) as http:
        transport = transports.streamable_http_client(f"{gateway.url}/mcp", http_client=http)
        async with mcp.Client(transport, mode=mode) as client:
            yield client
