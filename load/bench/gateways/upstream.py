"""The upstream of streamed calls: 64 chunks, 20 ms apart, for any request.

All bytes are prepared before the first call. Run as `python -m load.bench.gateways.upstream PORT`.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any, cast

import httptools
import uvloop

from load.bench.gateways.payloads import CHUNKS, MODELS, PAUSE_S, chunk, usage_chunk

_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def _http_chunk(data: bytes) -> bytes:
    """Return a server-sent event as an HTTP chunk."""
    event = b"data: " + data + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(event), event)


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


_CHUNKS = {
    counted: [_http_chunk(_json(chunk(number, counted))) for number in range(1, CHUNKS + 1)]
    for counted in (False, True)
}
_USAGE = _http_chunk(_json(usage_chunk()))
_END = _http_chunk(b"[DONE]") + b"0\r\n\r\n"


class _Connection(asyncio.Protocol):
    """One connection of a gateway; httptools calls the `on_` methods."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._target = self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def on_message_begin(self) -> None:
        self._target = self._body = b""

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        if self._parser.get_method() == b"POST":
            self._start_stream()
        elif self._target == b"/v1/models":
            self._write(_response(b"200 OK", _json(MODELS)))
        else:
            self._write(_response(b"404 Not Found", b"{}"))

    def _start_stream(self) -> None:
        options = json.loads(self._body).get("stream_options") or {}
        chunks = _CHUNKS[bool(options.get("continuous_usage_stats"))]
        end = (_USAGE if options.get("include_usage") else b"") + _END
        self._write(_STREAM + chunks[0])
        self._schedule(chunks, 1, end, self._loop.time() + PAUSE_S)

    def _schedule(self, chunks: list[bytes], number: int, end: bytes, due_at: float) -> None:
        self._timer = self._loop.call_at(due_at, self._send, chunks, number, end, due_at)

    def _send(self, chunks: list[bytes], number: int, end: bytes, due_at: float) -> None:
        if number + 1 < len(chunks):
            self._write(chunks[number])
            # Relative to the due time, so that delays of a busy machine do not add up.
            self._schedule(chunks, number + 1, end, due_at + PAUSE_S)
        else:
            self._write(chunks[number] + end)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _response(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
