"""One connection of the load: sends a call, times its answer and says whether it is whole."""

import asyncio
import time
from typing import Protocol, cast

import httptools


class Owner(Protocol):
    """Whoever is told of a connection's calls."""

    def free(self, connection: "Connection") -> None:
        """It is open and has no call."""

    def answered(self, seconds: float) -> None:
        """A call has its whole answer."""

    def failed(self, why: str) -> None:
        """A call has none, and gets none."""


class Connection(asyncio.Protocol):
    """One call at a time; httptools calls the `on_` methods."""

    def __init__(self, request: bytes, streamed: bool, owner: Owner) -> None:
        self._request, self._streamed, self._owner = request, streamed, owner
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._lost = asyncio.get_running_loop().create_future()
        self._parts: list[bytes] = []
        self._due: float | None = None

    async def hold(self, port: int) -> bool:
        """Connect and return when the connection has ended; False where none was made."""
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self, "127.0.0.1", port)
        except OSError:
            return False
        await self._lost
        return True

    def call(self, due: float) -> None:
        """Send the call; its time counts from when it was due."""
        self._due = due
        self._parts = []
        if self._transport is not None:
            self._transport.write(self._request)

    def close(self) -> None:
        """Give the connection up; a call that is on it has failed."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._owner.free(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._due is not None:
            self._owner.failed(f"connection lost: {error}")
        self._lost.set_result(None)

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        if self._due is None:
            return
        seconds = time.perf_counter() - self._due
        self._due = None
        answer = b"".join(self._parts)
        if self._whole(answer):
            self._owner.answered(seconds)
        else:
            status = self._parser.get_status_code()
            self._owner.failed(f"{status} {answer[-300:].decode(errors='replace')}")
        if self._parser.should_keep_alive():
            self._owner.free(self)
        else:
            self.close()

    def _whole(self, answer: bytes) -> bool:
        ended = not self._streamed or answer.endswith(b"data: [DONE]\n\n")
        return self._parser.get_status_code() == 200 and ended and b'"completion_tokens"' in answer
