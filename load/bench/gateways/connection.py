"""One connection of the load generator: sends a call, times its answer and checks that it is
complete."""

import asyncio
import time
from typing import Protocol, cast

import httptools


class CallListener(Protocol):
    """Receives the events of a connection."""

    def on_idle(self, connection: "Connection") -> None:
        """Called when the connection is open and has no call."""

    def on_answer(self, seconds: float) -> None:
        """Called when a call was answered completely."""

    def on_failure(self, reason: str) -> None:
        """Called when a call failed."""


class Connection(asyncio.Protocol):
    """An HTTP connection with one call at a time; httptools calls the `on_` methods."""

    def __init__(self, request: bytes, streamed: bool, listener: CallListener) -> None:
        self._request, self._streamed, self._listener = request, streamed, listener
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._lost = asyncio.get_running_loop().create_future()
        self._parts: list[bytes] = []
        self._due_at: float | None = None

    async def run_until_closed(self, port: int) -> bool:
        """Connect and wait until the connection is closed. Returns False if it cannot connect."""
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self, "127.0.0.1", port)
        except OSError:
            return False
        await self._lost
        return True

    def call(self, due_at: float) -> None:
        """Send the call; its latency counts from `due_at`."""
        self._due_at = due_at
        self._parts = []
        if self._transport is not None:
            self._transport.write(self._request)

    def close(self) -> None:
        """Close the connection; a call in flight fails."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._listener.on_idle(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._due_at is not None:
            self._listener.on_failure(f"connection lost: {error}")
        self._lost.set_result(None)

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        if self._due_at is None:
            return
        seconds = time.perf_counter() - self._due_at
        self._due_at = None
        answer = b"".join(self._parts)
        if self._is_complete(answer):
            self._listener.on_answer(seconds)
        else:
            status = self._parser.get_status_code()
            self._listener.on_failure(f"{status} {answer[-300:].decode(errors='replace')}")
        if self._parser.should_keep_alive():
            self._listener.on_idle(self)
        else:
            self.close()

    def _is_complete(self, answer: bytes) -> bool:
        ended = not self._streamed or answer.endswith(b"data: [DONE]\n\n")
        return self._parser.get_status_code() == 200 and ended and b'"completion_tokens"' in answer
