"""The client's side of a call: one HTTP exchange, as plain ASGI.

Owns reading the body within its limits, sending the answer, and noticing at once that the client
has left or takes nothing more. Does not own what is sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType

from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Send

from gateway.errors import BodyIncomplete, BodyTooLarge, EncodingUnsupported, UpstreamTimeout
from gateway.flow import Completion

_UNWATCHED_S = 0.02
# A larger answer is sent in pieces of that size: what a client does not take piles up nowhere.
_PIECE = 256 << 10


class ClientGone(Exception):
    """The client closed the connection, or took no byte for too long."""


class Copy:
    """What was written to a client, while it is not more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._limit:
            self._parts.append(data)
        else:
            self._parts.clear()

    def whole(self) -> bytes | None:
        """All of it, or None where it was too much to keep."""
        return b"".join(self._parts) if self._size <= self._limit else None


class Client:
    """One request's connection. `gone` is true once the client has left.

    `shown` are headers that every answer carries. `guard` must be done before the first byte
    leaves. With `stays` the answer is wanted also when nobody waits for it: that the client
    leaves ends nothing. `copy`, where there is one, takes what is written. `patience_s` is how
    long a client may take no byte.
    """

    def __init__(self, headers: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        self._headers = headers
        self._receive = receive
        self._send = send
        self.gone = False
        self.writing = False
        self.stays = False
        self.patience_s = 60.0
        self.shown: dict[str, str] = {}
        self.guard: Callable[[], Awaitable[None]] | None = None
        self.copy: Copy | None = None

    @property
    def left(self) -> bool:
        """Whether the call has lost whom it is for."""
        return self.gone and not self.stays

    async def body(self, limit: int, seconds: float) -> bytes:
        """The whole body.

        Raises BodyTooLarge, BodyIncomplete, EncodingUnsupported, ClientGone.
        """
        if self._headers.get(b"content-encoding", b"identity") != b"identity":
            raise EncodingUnsupported("Compressed request bodies are not accepted.")
        announced = self._headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced[:20]) > limit:
            raise _too_large(limit)
        try:
            async with asyncio.timeout(seconds):
                return await self._read(limit)
        except TimeoutError:
            raise BodyIncomplete("The body did not arrive in time.") from None

    def attended(self, seconds: float) -> "Attended":
        """A block that ends with ClientGone or UpstreamTimeout; see Attended."""
        return Attended(self, seconds)

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers."""
        if self.guard is not None:
            await self.guard()
        pairs = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in (*self.shown.items(), *headers.items())
        ]
        event: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": status,
            "headers": pairs,
        }
        self.writing = True
        await self._send(event)
        self.writing = False

    async def write(self, data: bytes) -> None:
        """Send a part of the answer; waits while the client is slow."""
        if self.copy is not None:
            self.copy.add(data)
        if self.gone:
            return
        self.writing = True
        if self.stays:
            await self._send_in_time(_part(data, more=True))
        else:
            await self._send(_part(data, more=True))
        self.writing = False

    async def finish(self, completion: Completion, tail: bytes) -> None:
        """Send what is left of the answer: all of it, or the end of a stream.

        A client that does not take it in time is let go: it was there to be had.
        """
        if self.gone:
            return
        if not completion.started:
            length = {"content-length": str(len(tail))}
            await self.start(completion.status, {**completion.headers, **length})
        if not completion.started and len(tail) <= _PIECE:
            await self._send(_part(tail, more=False))
            return
        for start in range(0, len(tail) or 1, _PIECE):
            end = start + _PIECE
            if not await self._send_in_time(_part(tail[start:end], more=end < len(tail))):
                return

    async def until_gone(self) -> None:
        """Return when the client has closed the connection. Call it after `body`."""
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self.gone = True

    async def _send_in_time(self, event: HTTPResponseBodyEvent) -> bool:
        """Whether the client took it, or what there was before it."""
        try:
            async with asyncio.timeout(self.patience_s):
                await self._send(event)
        except TimeoutError:
            self.gone = True
        return not self.gone

    async def _read(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                raise ClientGone
            if message["type"] != "http.request":
                continue
            part = message["body"]
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
            if not message["more_body"]:
                return b"".join(parts)


class Attended:
    """A block that lasts while the client is there and something moves.

    One timer serves both ends: it fires when nothing moved for the given seconds, and at once
    when the client leaves, which cancels what the block waits for (so also the generation). As
    asyncio.timeout does, but for `extend`: that only notes the time, and costs a stream nothing
    for each chunk.
    """

    def __init__(self, client: Client, seconds: float) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + seconds
        self._expired = False
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Attended":
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is answered within a task")
        self._task = task
        self._cancelling = task.cancelling()
        # Most calls of small models are over before a task for watching would be worth it.
        first = self._until if self._client.stays else self._loop.time() + _UNWATCHED_S
        self._timer = self._loop.call_at(min(first, self._until), self._look)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if not self._expired or self._task.uncancel() > self._cancelling:
            return
        if kind is None or not issubclass(kind, asyncio.CancelledError):
            return
        if self._client.writing:
            self._client.gone = True
        if self._client.left:
            raise ClientGone from None
        raise UpstreamTimeout("The model did not answer in time. The call is not billed.") from None

    def extend(self, seconds: float) -> None:
        """Something moved: wait so long from now on."""
        self._until = self._loop.time() + seconds

    def _look(self) -> None:
        """Whether time is over; from the first look on, the client is watched."""
        if self._client.stays and self._client.writing:
            self.extend(self._client.patience_s)  # that has an end of its own
        elif self._client.left or self._loop.time() >= self._until:
            self._expired = True
            self._task.cancel()
            return
        if self._watch is None and not self._client.stays:
            self._watch = self._loop.create_task(self._until_gone())
        self._timer = self._loop.call_at(self._until, self._look)

    async def _until_gone(self) -> None:
        await self._client.until_gone()
        self._timer.cancel()
        if not self._expired:
            self._look()


def _part(data: bytes, more: bool) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": data, "more_body": more}


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit} bytes.")
