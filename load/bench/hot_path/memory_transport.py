"""Transports in memory: a client that sends one recorded request, and a constant model server."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import uvloop

from load.bench.gateways.payloads import MODELS, PLAIN

UPSTREAM_HOST = "model-server.invalid"
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class MemoryTransport(asyncio.Transport):
    """A transport whose writes go to a function; nothing is ever slow or lost."""

    def __init__(self, on_write: Callable[[bytes], None]) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000), "sockname": ("127.0.0.1", 8080)})
        self._on_write = on_write
        self._is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._on_write(bytes(data))

    def is_closing(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        self._is_closed = True

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class MemoryLoop(uvloop.Loop):
    """An event loop whose connections to the model server are in memory."""

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        if host != UPSTREAM_HOST:
            return await super().create_connection(protocol_factory, host, port, **options)
        protocol = protocol_factory()
        transport = MemoryTransport(lambda data: self._answer(protocol, data))
        protocol.connection_made(transport)
        return transport, protocol

    def _answer(self, protocol: asyncio.Protocol, request: bytes) -> None:
        answer = _MODELS if request.startswith(b"GET ") else _PLAIN
        self.call_soon(protocol.data_received, answer)


def _response(value: Any) -> bytes:
    body = json.dumps(value).encode()
    return _HEAD % len(body) + body


_MODELS, _PLAIN = _response(MODELS), _response(PLAIN)
