"""The address `/mcp`: keys, bounds and methods, before anything is parsed."""

import asyncio
import json

import httpx
import pytest

from gateway.api import mcp as route
from tests.support.builders import Gateway
from tests.support.gateway.faults import memory_within
from tests.support.gateway.mcp_calls import PROTOCOL, list_tools, post
from tests.support.heavy import NEEDS_MCP
from tests.support.nightly import nightly
from tests.support.raw_http import wire_to

pytestmark = NEEDS_MCP


async def test_request_without_a_key_is_refused_before_its_body_is_read(gateway: Gateway) -> None:
    head = b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"
    async with wire_to(gateway.url) as wire:
        await wire.send(head)
        answer = await wire.answer()
    assert answer is not None
    assert answer.status == 401
    assert answer.error["code"] == "missing_api_key"


async def test_key_is_accepted_in_x_api_key(gateway: Gateway) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {**PROTOCOL, "x-api-key": gateway.key.secret}
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        assert (await client.post("/mcp", json=body, headers=headers)).status_code == 200


async def test_revoked_or_malformed_key_is_refused(gateway: Gateway) -> None:
    answer = await post(gateway, "tools/list", headers={"authorization": "Bearer maas_x"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_there_are_no_sessions_and_no_server_events(gateway: Gateway, method: str) -> None:
    answer = await gateway.http.request(method, "/mcp", headers=PROTOCOL)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_page_of_another_host_is_refused(gateway: Gateway) -> None:
    answer = await post(gateway, "tools/list", headers={"origin": "https://evil.example"})
    assert answer.json()["error"]["code"] == "origin_not_allowed"
    own = await post(gateway, "tools/list", headers={"origin": gateway.url})
    assert own.status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"jsonrpc":"2.0"}', b"[" * 100_000])
async def test_body_that_is_no_request_is_an_error_of_the_protocol(
    gateway: Gateway, body: bytes
) -> None:
    answer = await gateway.http.post("/mcp", content=body, headers=PROTOCOL)
    assert answer.status_code == 400
    assert "error" in answer.json()
    assert list(await list_tools(gateway))


async def test_large_body_is_refused_without_growing_memory(gateway: Gateway) -> None:
    await list_tools(gateway)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "x" * (10 << 20)}).encode()
    async with memory_within(60):
        for _ in range(3):
            answer = await gateway.http.post("/mcp", content=body, headers=PROTOCOL)
            assert answer.json()["error"]["code"] == "request_too_large"


@nightly
async def test_many_sessions_that_never_close_keep_nothing(gateway: Gateway) -> None:
    """Each client begins a session and leaves; a session is nothing but its handshake."""
    params = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    before = len(asyncio.all_tasks())
    for _ in range(100):
        answer = await post(gateway, "initialize", params)
        assert "mcp-session-id" not in answer.headers
    assert answer.json()["result"]["serverInfo"]["name"] == "maas"
    assert len(asyncio.all_tasks()) <= before + 2


@pytest.mark.parametrize(
    ("bound", "status"), [("MAX_RUNNING", 503), ("MAX_RUNNING_OF_ACCOUNT", 429)]
)
async def test_requests_beyond_a_bound_are_refused(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, bound: str, status: int
) -> None:
    monkeypatch.setattr(route, bound, 0)
    answer = await post(gateway, "tools/list")
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "1")
