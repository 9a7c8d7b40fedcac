"""HTTP/1.1 connections to the upstreams, kept open between calls.

The protocol is httptools' (the parser that the server side uses too); a general client library
takes more than half of what a whole call may cost here (docs/decisions/0009).

Owns connecting, one exchange at a time on each connection, pausing an upstream that is faster than
its reader, and which connections may be used again.
"""

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast
from urllib.parse import urlsplit

import httptools

# More than that unread, and the upstream is asked to wait.
_HIGH, _LOW = 256 << 10, 64 << 10
# The most that comes on end with no part of a body: headers, interim answers, trailers and the
# like. What one read of the socket brings is always taken, so a little more may be.
_BARREN = 64 << 10
# Connections of one origin that wait for their next call.
_MOST_IDLE = 256
_PORTS = {"http": 80, "https": 443}


class ConnectFailed(Exception):
    """No connection came about: the request was surely not taken."""


class BrokenOff(Exception):
    """The connection ended, or made no sense, before the answer was whole."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where connections go to; `prefix` is the path below which everything lies."""

    host: str
    port: int
    secure: bool
    prefix: bytes
    authority: bytes

    @classmethod
    def of(cls, url: str) -> "Origin":
        parts = urlsplit(url)
        host, usual = parts.hostname or "", _PORTS[parts.scheme]
        port = parts.port or usual
        # A zone says by which of our own interfaces the host is reached: it is none of its names.
        name = f"[{host.partition('%')[0]}]" if ":" in host else host
        authority = name if port == usual else f"{name}:{port}"
        path = parts.path.rstrip("/").encode()
        return cls(host, port, parts.scheme == "https", path, authority.encode())


# Takes a part of a body; False where the reader's task has to see to something.
Take = Callable[[bytes], bool]


class Connection(asyncio.Protocol):
    """One connection. `send` a request, read the answer to its end, `send` the next."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._take: Take | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._barren = 0
        self._paused = False
        self._busy = False
        self._lost = False
        self._until_closed = False
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.answered = False
        self.complete = False
        self.idle_since = 0.0

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent."""
        return self.complete and not (self._busy or self._paused or self._closing)

    @property
    def read_out(self) -> bool:
        """Whether all of the body was read."""
        return self.complete and not self._body

    @property
    def _closing(self) -> bool:
        return self._lost or self._transport is None or self._transport.is_closing()

    async def send(self, request: bytes) -> None:
        """Send a request; return when status and headers are here. Raises BrokenOff."""
        if self._closing:
            raise BrokenOff
        self.answered = self.complete = self._until_closed = False
        self.status, self.headers = 0, {}
        self._body, self._size, self._barren = [], 0, 0
        self._busy = True
        cast(asyncio.Transport, self._transport).write(request)
        while not self.answered:
            await self._more()

    async def read(self) -> bytes:
        """The next part of the body, empty at its end. Raises BrokenOff."""
        while not self._body:
            if self.complete:
                return b""
            await self._more()
        return self._taken()

    async def flow(self, take: Take) -> None:
        """Give each part of the body to `take` as it comes; return where that says so, or at the
        body's end. Raises BrokenOff, and what `take` raises.

        The parts do not wake the task that waits here: for a stream of many small ones that is
        most of what each costs.
        """
        while self._body:
            if not take(self._taken()):
                return
        if not self.complete:
            self._take = take
            try:
                await self._more()
            finally:
                self._take = None

    async def read_whole(self, limit: int) -> bytes | None:
        """All of the body, None where it is more than `limit`. Raises BrokenOff."""
        whole: list[bytes] = []
        size = 0
        while True:
            if not self.complete and self._size < _LOW:
                await self._more()
            part = self._taken()
            size += len(part)
            if size > limit:
                return None
            whole.append(part)
            if self.complete:
                return b"".join(whole)

    def close(self) -> None:
        """End the connection, and with it what the upstream does for it.

        At once: an upstream that takes no more of a request must not keep the rest of it here.
        """
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self._busy:
            self.close()  # nobody asked for anything
            return
        self._barren += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._break_off()
        if self._barren > _BARREN and self._busy:
            self._break_off()
        if self._take is None or not self._body or self._is_taken(self._take):
            self._notify()

    def connection_lost(self, error: Exception | None) -> None:
        if self._until_closed and error is None and not self._lost:
            self.complete = True
        self._lost = True
        self._notify()

    def on_message_begin(self) -> None:
        if self.complete:
            raise BrokenOff  # more than was asked for; what is whole stays so

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.answered:  # else it is a trailer
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self.answered = True
            headers = self.headers
            self._until_closed = not (
                b"content-length" in headers or b"transfer-encoding" in headers
            )

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._size += len(body)
        self._barren = 0
        if self._size > _HIGH and not self._paused and not self._closing:
            self._paused = True
            cast(asyncio.Transport, self._transport).pause_reading()

    def on_message_complete(self) -> None:
        if not self.answered:
            self.headers = {}  # an interim answer, as 100 Continue
            return
        self.complete = True
        self._busy = False
        if not self._parser.should_keep_alive():
            self.close()

    def _is_taken(self, take: Take) -> bool:
        """Give what came to a reader that takes it at once; whether its task is to be woken."""
        try:
            if take(self._taken()) and not (self.complete or self._lost):
                return False
        except Exception as error:  # of whatever kind: it is the waiting task's
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(error)
        self._take = None
        return True

    def _taken(self) -> bytes:
        body = self._body
        whole = body[0] if len(body) == 1 else b"".join(body)
        self._body, self._size = [], 0
        if self._paused and not self._closing:
            self._paused = False
            cast(asyncio.Transport, self._transport).resume_reading()
        return whole

    async def _more(self) -> None:
        if self._lost and not self.complete:
            raise BrokenOff
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._lost and not self.complete and not self._body:
            raise BrokenOff

    def _break_off(self) -> None:
        self._lost = True
        self.close()

    def _notify(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Pool:
    """Open connections by origin. Few and fresh ones wait: of too many or too old, none is used."""

    def __init__(self, connect_timeout_s: float, idle_s: float) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._idle_s = idle_s
        self._idle: defaultdict[Origin, deque[Connection]] = defaultdict(deque)

    async def take(self, origin: Origin) -> Connection:
        """An idle connection or a new one. Raises ConnectFailed."""
        now = asyncio.get_running_loop().time()
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()
            if connection.reusable and now - connection.idle_since < self._idle_s:
                return connection
            connection.close()
        return await self._connect(origin)

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Keep it for the next call, or close it where it is not at an answer's end."""
        if not connection.reusable:
            connection.close()
            return
        now = connection.idle_since = asyncio.get_running_loop().time()
        idle = self._idle[origin]
        idle.append(connection)
        while len(idle) > _MOST_IDLE or now - idle[0].idle_since >= self._idle_s:
            idle.popleft().close()

    def close(self) -> None:
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()

    async def _connect(self, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    Connection,
                    origin.host,
                    origin.port,
                    ssl=self._tls if origin.secure else None,
                )
        except (OSError, TimeoutError, UnicodeError) as error:
            raise ConnectFailed from error
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Once: reading the certificates of all authorities takes tens of milliseconds.
        return ssl.create_default_context()


def request_bytes(
    method: bytes, origin: Origin, path: str, headers: Mapping[str, str], body: bytes
) -> bytes:
    """The request as it goes over the wire. Header values must hold no line ends."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
    return b"%b %b%b HTTP/1.1\r\nhost: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
        method,
        origin.prefix,
        path.encode(),
        origin.authority,
        lines,
        len(body),
        body,
    )
