"""A minimal HTTP/1.1 client with keep-alive connection pools and backpressure.

It uses httptools, the parser of the server side: a general client library costs more than half of
the CPU time that a whole call may take here (docs/decisions/0009). One exchange at a time on each
connection; no pipelining.
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

# Unread bytes at which reading from the socket pauses, and below which `read_all` waits for more.
_HIGH_WATER, _LOW_WATER = 256 << 10, 64 << 10
# Bytes in a row without any body: headers, interim responses, trailers, chunk framing. Checked
# after each socket read, so slightly more may be accepted.
_MAX_OVERHEAD_BYTES = 64 << 10
# Idle connections kept per origin.
_MAX_IDLE = 256
_DEFAULT_PORTS = {"http": 80, "https": 443}


class ConnectFailed(Exception):
    """No connection could be opened, so the server has not received the request."""


class ConnectionBroken(Exception):
    """The connection was lost, or its data was invalid, before the response was complete."""


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Scheme, host and port of a server, with the path prefix of all its requests and the value of
    the Host header (`authority`). Compared by identity: its hash is computed for each call."""

    host: str
    port: int
    tls: bool
    prefix: bytes
    authority: bytes

    @classmethod
    def from_url(cls, url: str) -> "Origin":
        """Parse the base URL of a server to host, port, TLS and path prefix."""
        parts = urlsplit(url)
        host, default_port = parts.hostname or "", _DEFAULT_PORTS[parts.scheme]
        port = parts.port or default_port
        # An IPv6 zone id names a local interface and must not appear in the Host header.
        name = f"[{host.partition('%')[0]}]" if ":" in host else host
        authority = name if port == default_port else f"{name}:{port}"
        path = parts.path.rstrip("/").encode()
        return cls(host, port, parts.scheme == "https", path, authority.encode())


# Receives a chunk of a body. Returns False if the reading task must be woken.
BodyConsumer = Callable[[bytes], bool]


class Connection(asyncio.Protocol):
    """A client connection: `send` a request, read the response to its end, `send` the next."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._consumer: BodyConsumer | None = None
        self._chunks: list[bytes] = []
        self._buffered_bytes = 0
        self._overhead_bytes = 0
        self._paused = False
        self._in_exchange = False
        self._is_lost = False
        self._ends_at_close = False
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.headers_received = False
        self.is_complete = False
        self.idle_since = 0.0

    @property
    def is_reusable(self) -> bool:
        """Whether another request can be sent on this connection."""
        return self.is_complete and not (self._in_exchange or self._paused or self._is_closing)

    @property
    def is_body_consumed(self) -> bool:
        """Whether the whole body has been received and read."""
        return self.is_complete and not self._chunks

    @property
    def _is_closing(self) -> bool:
        """Whether the connection is lost, closing or not connected yet."""
        return self._is_lost or self._transport is None or self._transport.is_closing()

    async def send(self, request: bytes) -> None:
        """Send a request and wait for the status and headers of the response.

        Raises ConnectionBroken.
        """
        if self._is_closing:
            raise ConnectionBroken
        self.headers_received = self.is_complete = self._ends_at_close = False
        self.status, self.headers = 0, {}
        self._chunks, self._buffered_bytes, self._overhead_bytes = [], 0, 0
        self._in_exchange = True
        cast(asyncio.Transport, self._transport).write(request)
        while not self.headers_received:
            await self._wait_for_data()

    async def read(self) -> bytes:
        """Return the next chunk of the body, empty at its end. Raises ConnectionBroken."""
        while not self._chunks:
            if self.is_complete:
                return b""
            await self._wait_for_data()
        return self._take_body()

    async def feed_to(self, consume: BodyConsumer) -> None:
        """Pass each chunk of the body to `consume` until it returns False or the body ends.

        Raises ConnectionBroken, and what `consume` raises.

        Chunks do not wake the waiting task: for a stream of many small chunks, the wake-up is most
        of the CPU time of each.
        """
        while self._chunks:
            if not consume(self._take_body()):
                return
        if not self.is_complete:
            self._consumer = consume
            try:
                await self._wait_for_data()
            finally:
                self._consumer = None

    async def read_all(self, limit: int) -> bytes | None:
        """Read the whole body. Returns None if it is longer than `limit` bytes.

        Raises ConnectionBroken.
        """
        chunks: list[bytes] = []
        size = 0
        while True:
            if not self.is_complete and self._buffered_bytes < _LOW_WATER:
                await self._wait_for_data()
            chunk = self._take_body()
            size += len(chunk)
            if size > limit:
                return None
            chunks.append(chunk)
            if self.is_complete:
                return b"".join(chunks)

    def close(self) -> None:
        """Abort the connection, which also ends the upstream's work on the request.

        Unsent request data is dropped: a server that stops reading must not keep it in memory.
        """
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport; asyncio calls this when the connection is open."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes and wake the reading task; close if no request was sent."""
        if not self._in_exchange:
            self.close()  # data without a request
            return
        self._overhead_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._abort_exchange()
        if self._overhead_bytes > _MAX_OVERHEAD_BYTES and self._in_exchange:
            self._abort_exchange()
        if self._consumer is None or not self._chunks or self._deliver(self._consumer):
            self._notify()

    def connection_lost(self, error: Exception | None) -> None:
        """End the response; it is complete if its body ends at the close of the connection."""
        if self._ends_at_close and error is None and not self._is_lost:
            self.is_complete = True
        self._is_lost = True
        self._notify()

    def on_message_begin(self) -> None:
        """Raise ConnectionBroken if a second response begins after a complete one."""
        if self.is_complete:
            raise ConnectionBroken  # a second response; the complete first one stays valid

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a response header by its lower-case name; trailers are ignored."""
        if not self.headers_received:  # otherwise the field is a trailer
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Store the status; from 200 on, mark the headers as received."""
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self.headers_received = True
            headers = self.headers
            self._ends_at_close = not (
                b"content-length" in headers or b"transfer-encoding" in headers
            )

    def on_body(self, body: bytes) -> None:
        """Buffer a part of the body; pause reading above the high-water mark."""
        self._chunks.append(body)
        self._buffered_bytes += len(body)
        self._overhead_bytes = 0
        if self._buffered_bytes > _HIGH_WATER and not self._paused and not self._is_closing:
            self._paused = True
            cast(asyncio.Transport, self._transport).pause_reading()

    def on_message_complete(self) -> None:
        """Mark the response as complete, unless it is an interim one such as 100 Continue."""
        if not self.headers_received:
            self.headers = {}  # an interim response, such as 100 Continue
            return
        self.is_complete = True
        self._in_exchange = False
        if not self._parser.should_keep_alive():
            self.close()

    def _deliver(self, consume: BodyConsumer) -> bool:
        """Pass the buffered body to the consumer. Returns whether to wake the reading task."""
        try:
            if consume(self._take_body()) and not (self.is_complete or self._is_lost):
                return False
        except Exception as error:  # every kind: it is raised in the waiting task
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(error)
        self._consumer = None
        return True

    def _take_body(self) -> bytes:
        """Remove and return the buffered body, and resume reading if it was paused."""
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks, self._buffered_bytes = [], 0
        if self._paused and not self._is_closing:
            self._paused = False
            cast(asyncio.Transport, self._transport).resume_reading()
        return body

    async def _wait_for_data(self) -> None:
        """Wait for body data or the end of the response. Raises ConnectionBroken if it was cut."""
        if self._is_lost and not self.is_complete:
            raise ConnectionBroken
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._is_lost and not self.is_complete and not self._chunks:
            raise ConnectionBroken

    def _abort_exchange(self) -> None:
        """Mark the connection as lost and close it."""
        self._is_lost = True
        self.close()

    def _notify(self) -> None:
        """Wake the task in `_wait_for_data`, if any."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class ConnectionPool:
    """Keep-alive connections by origin, limited in number and idle time (seconds)."""

    def __init__(self, connect_timeout_s: float, idle_s: float) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._idle_s = idle_s
        self._idle: defaultdict[Origin, deque[Connection]] = defaultdict(deque)

    async def acquire(self, origin: Origin) -> Connection:
        """Return an idle connection or open a new one. Raises ConnectFailed."""
        now = asyncio.get_running_loop().time()
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()
            if connection.is_reusable and now - connection.idle_since < self._idle_s:
                return connection
            connection.close()
        return await self._connect(origin)

    def release(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection for the next call, or close it if its response was not fully read."""
        if not connection.is_reusable:
            connection.close()
            return
        now = connection.idle_since = asyncio.get_running_loop().time()
        idle = self._idle[origin]
        idle.append(connection)
        while len(idle) > _MAX_IDLE or now - idle[0].idle_since >= self._idle_s:
            idle.popleft().close()

    def close(self) -> None:
        """Close all idle connections."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()

    async def _connect(self, origin: Origin) -> Connection:
        """Open a connection within the connect timeout. Raises ConnectFailed."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    Connection,
                    origin.host,
                    origin.port,
                    ssl=self._tls if origin.tls else None,
                )
        except (OSError, TimeoutError, UnicodeError) as error:
            raise ConnectFailed from error
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The TLS context with the system's CA certificates."""
        # Cached: loading the CA certificates takes tens of milliseconds.
        return ssl.create_default_context()


def encode_request(
    method: bytes, origin: Origin, path: str, headers: Mapping[str, str], body: bytes
) -> bytes:
    """Encode an HTTP/1.1 request. Header values must not contain line breaks."""
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
