"""The client's side of a call: one HTTP exchange, as plain ASGI.

Owns reading the body within its limits, sending the answer, and noticing at once that the client
has left or takes nothing more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway.asgi.eager import Begun
from gateway.asgi.timeouts import Deadlines, Within
from gateway.call.errors import BodyIncomplete, BodyTooLarge, EncodingUnsupported, UpstreamTimeout
from gateway.call.values import Completion

if TYPE_CHECKING:  # the command line uses what imports this, and needs no web framework
    from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Send


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

    def __init__(
        self, headers: Mapping[bytes, bytes], receive: "Receive", send: "Send", deadlines: Deadlines
    ) -> None:
        self._headers = headers
        self._deadlines = deadlines
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
        first: Begun[Any] = Begun(self._receive())
        try:
            if first.done and not first.value.get("more_body"):
                return await self._read(limit, first)
            async with Within(self._deadlines, seconds):
                return await self._read(limit, first)
        except TimeoutError:
            raise BodyIncomplete("The body did not arrive in time.") from None

    def attended(self, seconds: float) -> "Attended":
        """A block that ends with ClientGone or UpstreamTimeout; see Attended."""
        return Attended(self, self._deadlines, seconds)

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
        unsent = self.put(data)
        if unsent is not None:
            await self.sent(unsent)

    def put(self, data: bytes) -> Begun[None] | None:
        """The same, at once; where the client is slow, what is left for `sent`."""
        if self.copy is not None:
            self.copy.add(data)
        if self.gone:
            return None
        begun = Begun(self._send(_part(data, more=True)))
        return None if begun.done else begun

    async def sent(self, rest: Awaitable[None]) -> None:
        """Return when the client has taken what was put."""
        self.writing = True
        if self.stays:
            await self._in_time(rest)
        else:
            await rest
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
            part = _part(tail[start:end], more=end < len(tail))
            if not await self._in_time(self._send(part)):
                return

    async def until_gone(self) -> None:
        """Return when the client has closed the connection. Call it after `body`."""
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self.gone = True

    async def _in_time(self, sending: Awaitable[None]) -> bool:
        """Whether the client took it, or what there was before it."""
        try:
            async with Within(self._deadlines, self.patience_s):
                await sending
        except TimeoutError:
            self.gone = True
        return not self.gone

    async def _read(self, limit: int, first: Awaitable[Any]) -> bytes:
        parts: list[bytes] = []
        size = 0
        message = await first
        while True:
            if message["type"] == "http.disconnect":
                self.gone = True
                raise ClientGone
            if message["type"] == "http.request":
                part = message["body"]
                size += len(part)
                if size > limit:
                    raise _too_large(limit)
                parts.append(part)
                if not message["more_body"]:
                    return b"".join(parts)
            message = await self._receive()


class Attended(Within):
    """A block that lasts while the client is there and something moves.

    It ends when nothing moved for the given seconds, and at once when the client leaves, which
    cancels what the block waits for (so also the generation). `extend` only notes the time, and
    costs a stream nothing for each chunk.
    """

    def __init__(self, client: "Client", deadlines: Deadlines, seconds: float) -> None:
        super().__init__(deadlines, seconds)
        self._client = client
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Attended":
        await super().__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if self._watch is not None:
            self._watch.cancel()
        await super().__aexit__(kind, *rest)

    def look(self) -> None:
        """Whether time is over; from the first look on, the client is watched."""
        if self._left or self._expired:
            return
        client = self._client
        if client.left:
            self._expire()
            return
        if client.stays and client.writing:
            self.extend(client.patience_s)  # that has an end of its own
        if self._watch is None and not client.stays:
            # Most calls of small models are over before that, and a task for it not worth it.
            self._watch = self._loop.create_task(self._until_gone())
        super().look()

    async def _until_gone(self) -> None:
        await self._client.until_gone()
        if not (self._left or self._expired):
            self._expire()

    def _set(self, at: float) -> None:
        unwatched = self._watch is None and not self._client.stays
        super()._set(min(at, self._loop.time() + _UNWATCHED_S) if unwatched else at)

    def _late(self) -> Exception:
        if self._client.writing:
            self._client.gone = True
        if self._client.left:
            return ClientGone()
        return UpstreamTimeout("The model did not answer in time. The call is not billed.")


def _part(data: bytes, more: bool) -> "HTTPResponseBodyEvent":
    return {"type": "http.response.body", "body": data, "more_body": more}


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit} bytes.")
