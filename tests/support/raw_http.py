"""Raw HTTP: bytes that client libraries do not send to a gateway's socket, and the responses."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of a response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error object, which must be of the documented shape."""
        said = json.loads(self.body)
        assert set(said["error"]) == {"message", "type", "param", "code"}
        return dict(said["error"])


@dataclass
class Wire:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *parts: bytes, pause_s: float = 0.0) -> None:
        """Send each part separately; a closed connection is not an error."""
        with suppress(ConnectionError):
            for part in parts:
                self.writer.write(part)
                await self.writer.drain()
                await asyncio.sleep(pause_s)

    async def answer(self) -> Answer | None:
        """The next response, or None if the connection was closed without one."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._answer()
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def closed(self) -> bool:
        """Whether the server closes the connection without further data."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    async def _answer(self) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head.rstrip().split("\r\n")
        pairs = (one.split(": ", 1) for one in lines)
        headers = {name.lower(): value for name, value in pairs}
        if headers.get("transfer-encoding") == "chunked":
            body = await self._chunks()
        else:
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(line.split()[1]), headers, body)

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)
        return body


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    """Open a connection until the block ends."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


async def is_unharmed(url: str) -> bool:
    """Whether another client is served normally."""
    async with wire_to(url) as wire:
        await wire.send(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = await wire.answer()
    return answer is not None and (answer.status, answer.body) == (200, b'{"status":"ok"}')
