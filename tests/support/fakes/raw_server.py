"""A server on a raw socket whose responses and disconnects are scripted byte by byte.

Owns taking whole requests apart from each other and handing each to the script. What is answered
need be no HTTP at all: a test sends what an upstream should not. A gateway's probes for the models
that a server has are answered with 404 and not counted as requests.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Script = Callable[["Exchange"], Awaitable[None]]
_MOST_AT_ONCE = 64 << 10
# What a gateway asks its model servers by itself, to learn which models they have.
_PROBES = (b"GET /v2/health/ready ", b"GET /v1/models ")
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


@dataclass
class RawServer:
    """The server's URL, its script and the requests received."""

    script: Script
    url: str = ""
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    sent: int = 0


class Exchange:
    """One request and its connection."""

    def __init__(self, server: RawServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._writer = writer
        self.request = request
        self.number = len(server.requests)

    async def send(self, *parts: bytes) -> None:
        """Send each part separately, so that the other side reads between them."""
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()
            self._server.sent += len(part)
            await asyncio.sleep(0)

    async def flood(self, part: bytes, most: int) -> None:
        """Send the part repeatedly as fast as it is read. Raises ConnectionError on disconnect."""
        whole = part * max(1, _MOST_AT_ONCE // len(part))
        for _ in range(-(-most // len(whole))):
            await self.send(whole)

    def close(self) -> None:
        """Close the connection; sent data still arrives."""
        self._writer.close()

    def reset(self) -> None:
        """Reset the connection, like a crashed machine."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    @property
    def left(self) -> bool:
        return self._writer.is_closing()


def answering(*parts: bytes, close: bool = False) -> Script:
    """A script that responds to every request with these bytes."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(*parts)
        if close:
            exchange.close()

    return script


def in_turn(scripts: Iterable[Script]) -> Script:
    """A script with a different response for each request."""
    following = iter(scripts)

    async def script(exchange: Exchange) -> None:
        await next(following)(exchange)

    return script


@asynccontextmanager
async def run_raw_server(
    script: Script | None = None, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serve until the block ends."""
    raw = RawServer(script or answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await _serve(raw, reader, writer)

    server = await asyncio.start_server(connected, host, 0, ssl=tls, backlog=2048)
    raw.port = server.sockets[0].getsockname()[1]
    name = f"[{host}]" if ":" in host else host
    raw.url = f"{'https' if tls else 'http'}://{name}:{raw.port}"
    try:
        yield raw
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(
    raw: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    raw.connections += 1
    raw.open += 1
    try:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                request = await _request(reader)
                if request.startswith(_PROBES):
                    writer.write(_NOT_FOUND)
                    continue
                raw.requests.append(request)
                await raw.script(Exchange(raw, request, writer))
    except asyncio.CancelledError:
        pass  # the test is over; asyncio's own callback would report it as an error
    finally:
        raw.open -= 1
        if not writer.is_closing():
            writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    _, _, rest = head.lower().partition(b"content-length:")
    length = int(rest.split(b"\r\n", 1)[0] or 0)
    return head + await reader.readexactly(length)
