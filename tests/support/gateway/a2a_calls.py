"""The official client of the Agent2Agent protocol, and requests as JSON-RPC."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from gateway.agents.requests.chains import CHAIN_HEADER
from infra.lazy_import import LazyModule
from tests.support.builders import Gateway

if TYPE_CHECKING:
    import a2a.client as clients
    from a2a.types import a2a_pb2 as types
else:
    clients, types = LazyModule("a2a.client"), LazyModule("a2a.types.a2a_pb2")

PATH, VERSION = "/a2a", {"a2a-version": "1.0"}


@asynccontextmanager
async def official_client(
    gateway: Gateway, agent: str | None = None, streaming: bool = False, chain: str = ""
) -> AsyncIterator["clients.Client"]:
    """The client, made from the card at its address."""
    base = f"{gateway.url}/a2a/agents/{agent}" if agent else gateway.url
    given = {"authorization": f"Bearer {gateway.key.secret}", CHAIN_HEADER: chain}
    async with httpx.AsyncClient(headers=given, timeout=60) as http:
        config = clients.ClientConfig(streaming=streaming, httpx_client=http)
        yield await clients.create_client(base, config)


def message(text: str, name: str, task: str = "") -> "types.SendMessageRequest":
    part = types.Part(text=text)
    sent = types.Message(message_id=name, role="ROLE_USER", parts=[part], task_id=task)
    return types.SendMessageRequest(message=sent)


async def send(client: "clients.Client", text: str, name: str, task: str = "") -> Any:
    """The task of the only response to a message."""
    (response,) = [one async for one in client.send_message(message(text, name, task))]
    return response.task


async def rpc(
    gateway: Gateway, method: str, params: Any = None, path: str = PATH, **headers: str
) -> dict[str, Any]:
    """The JSON-RPC response to a request."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
    answer = await gateway.http.post(path, json=body, headers={**VERSION, **headers})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def params(text: Any, name: str, **fields: Any) -> dict[str, Any]:
    """The parameters of SendMessage for a text, or for data."""
    part = {"text": text} if isinstance(text, str) else {"data": text}
    return {"message": {"messageId": name, "role": "ROLE_USER", "parts": [part], **fields}}
