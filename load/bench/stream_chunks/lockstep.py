"""An upstream and a client of streams in lockstep: each chunk is sent when the one before arrived.

So a relay between them gets exactly one chunk (or `together` chunks) with each read of its socket,
whatever the machine's speed.
"""

import asyncio
import json
import re
from typing import Any, cast

from load.bench.gateways.payloads import chat_request, chunk, usage_chunk

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_STREAM_NUMBER = re.compile(rb'"user":"(\d+)"')


def _http_chunk(value: dict[str, Any] | str) -> bytes:
    """Return a server-sent event as an HTTP chunk."""
    data = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    event = f"data: {data}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


class Upstream:
    """The streams of all connections by number; `counted` chunks report their usage."""

    def __init__(self, chunks: int, together: int, counted: bool) -> None:
        each = [_http_chunk(chunk(number, counted)) for number in range(1, 1 + min(chunks, 63))]
        every = [each[0], *(each[1 + number % (len(each) - 1)] for number in range(chunks - 1))]
        self._writes = [
            b"".join(every[start : start + together]) for start in range(0, chunks, together)
        ]
        self._writes[-1] += _http_chunk(usage_chunk()) + _http_chunk("[DONE]") + b"0\r\n\r\n"
        self._streams: dict[int, tuple[asyncio.Transport, int]] = {}

    def begin(self, number: int, transport: asyncio.Transport) -> None:
        """Send the head and the first chunks of a stream."""
        transport.write(_HEAD + self._writes[0])
        self._streams[number] = (transport, 1)

    def send_next(self, number: int) -> None:
        """Send the next chunks of a stream; nothing after the last ones."""
        transport, sent = self._streams[number]
        if sent < len(self._writes):
            transport.write(self._writes[sent])
            self._streams[number] = (transport, sent + 1)


class UpstreamConnection(asyncio.Protocol):
    """One connection of a relay to the upstream."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        number = _STREAM_NUMBER.search(self._received)
        if number is not None:
            self._received = b""
            self._upstream.begin(int(number[1]), self._transport)


class Client(asyncio.Protocol):
    """One connection of a client, which reads `streams` streams one after the other."""

    def __init__(self, upstream: Upstream, number: int, streams: int) -> None:
        self._upstream = upstream
        self._number = number
        self._left = streams
        body = {**chat_request("bench", streamed=True), "user": str(number)}
        encoded = json.dumps(body, separators=(",", ":")).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-length: %d\r\n\r\n"
        self._request = head % len(encoded) + encoded
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not data.endswith(b"0\r\n\r\n"):
            if b"data: " in data:
                self._upstream.send_next(self._number)
            return
        self._left -= 1
        if self._left:
            self._transport.write(self._request)
        else:
            self._transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError("the relay closed a connection"))
