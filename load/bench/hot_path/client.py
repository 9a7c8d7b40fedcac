"""Clients in memory: each is one connection of the gateway's server protocol."""

import asyncio
import json

import uvicorn
from uvicorn.server import ServerState

from gateway.asgi.server_protocol import BoundedHttpProtocol
from load.bench.gateways.payloads import chat_request
from load.bench.hot_path.memory_transport import MemoryTransport

_TIMEOUT_S = 120.0


class MemoryClient:
    """A client that sends the recorded request and waits for the answer's last byte."""

    def __init__(self, config: uvicorn.Config, state: ServerState, request: bytes) -> None:
        self._request = request
        self._received = bytearray()
        self._answered: asyncio.Future[None] | None = None
        self.protocol = BoundedHttpProtocol(config, state, {})
        self.protocol.connection_made(MemoryTransport(self._on_write))

    def send(self) -> asyncio.Future[None]:
        """Send the request; the future ends with the answer."""
        self._received.clear()
        self._answered = asyncio.get_running_loop().create_future()
        self.protocol.data_received(self._request)
        return self._answered

    def close(self) -> None:
        """Close the connection."""
        self.protocol.connection_lost(None)

    def _on_write(self, data: bytes) -> None:
        self._received += data
        if self._answered is None or not self._received.endswith(b"}"):
            return
        if not self._received.startswith(b"HTTP/1.1 200"):
            self._answered.set_exception(RuntimeError(bytes(self._received[:600]).decode()))
        else:
            self._answered.set_result(None)
        self._answered = None


async def call_all(clients: list[MemoryClient]) -> None:
    """Send the request of each client and wait for all answers."""
    answers = [client.send() for client in clients]
    async with asyncio.timeout(_TIMEOUT_S):
        for answer in answers:
            await answer


def encode_chat(model: str, key: str) -> bytes:
    """Return a plain chat as bytes of HTTP/1.1."""
    body = json.dumps(chat_request(model, streamed=False), separators=(",", ":")).encode()
    return b"".join(
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n",
            b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body),
            b"authorization: Bearer %b\r\n\r\n" % key.encode(),
            body,
        )
    )
