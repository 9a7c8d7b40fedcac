"""One HTTP exchange with a client over plain ASGI.

Reads the body, sends the response, and detects at once that the client disconnected or stopped
reading.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from gateway.asgi.eager import EagerAwaitable
from gateway.asgi.timeouts import Timeout, TimeoutWheel
from gateway.call.errors import BodyIncomplete, BodyTooLarge, EncodingUnsupported, UpstreamTimeout
from gateway.call.values import CallResult

if TYPE_CHECKING:  # the CLI imports this module indirectly and must not load the web framework
    from litestar.types import (
        HTTPResponseBodyEvent,
        HTTPResponseStartEvent,
        HTTPScope,
        Receive,
        Send,
    )

# ASGI extension with the DirectWriter of a response, which server_protocol.py offers.
RESPONSE_WRITER = "maas.response_writer"

# Most calls of small models end before this delay; watching them for a disconnect would cost a
# task each.
_WATCH_DELAY_S = 0.02
# A larger response is sent in chunks of this size, so that a slow client fills no buffer.
_CHUNK_BYTES = 256 << 10


class DirectWriter(Protocol):
    """Writes past `send`. Its methods return False, without writing, if `send` must do it."""

    def write_chunk(self, data: bytes) -> bool:
        """Write a part of a chunked body."""
        ...

    def write_response(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> bool:
        """Write a whole response: its status, its headers but `content-length`, and its body."""
        ...


class ClientDisconnected(Exception):
    """The client closed the connection, or read no byte for too long."""


class ResponseCopy:
    """A copy of the response bytes sent to a client, dropped once it exceeds `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        """Append bytes of the response; above the size limit, discard the copy."""
        self._size += len(data)
        if self._size <= self._limit:
            self._parts.append(data)
        else:
            self._parts.clear()

    def content(self) -> bytes | None:
        """Return all bytes written, or None if they exceeded the limit."""
        return b"".join(self._parts) if self._size <= self._limit else None


class ClientExchange:
    """One HTTP request and its response, over ASGI `receive` and `send`.

    `disconnected`: the client has closed the connection or timed out.
    `extra_headers`: headers of every response.
    `before_first_byte`: awaited before the response status is sent; then `has_started` is true.
    `detached`: the call continues when the client disconnects, because its response will be stored.
    `response_copy`: receives a copy of the body, if set.
    `translate`: converts the events of a stream into another format, if set.
    `is_futile`: tells whether `translate` will send nothing more of a stream, if set.
    `write_timeout_s`: how long the client may read no byte.
    """

    def __init__(
        self,
        headers: Mapping[bytes, bytes],
        receive: "Receive",
        send: "Send",
        wheel: TimeoutWheel,
        writer: DirectWriter | None = None,
    ) -> None:
        self._headers = headers
        self._writer = writer
        self._wheel = wheel
        self._receive = receive
        self._send = send
        self.disconnected = False
        self.is_writing = self.has_started = False
        self.detached = False
        self.write_timeout_s = 60.0
        self.extra_headers: dict[str, str] = {}
        self.before_first_byte: Callable[[], Awaitable[None]] | None = None
        self.response_copy: ResponseCopy | None = None
        self.translate: Callable[[bytes], bytes] | None = None
        self.is_futile: Callable[[], bool] | None = None

    @property
    def abandoned(self) -> bool:
        """Whether the client disconnected and the call is not detached, so that it can stop."""
        return self.disconnected and not self.detached

    async def read_body(self, limit: int, seconds: float) -> bytes:
        """Read the whole request body, of at most `limit` bytes, within `seconds`.

        Raises BodyTooLarge, BodyIncomplete, EncodingUnsupported, ClientDisconnected.
        """
        if self._headers.get(b"content-encoding", b"identity") != b"identity":
            raise EncodingUnsupported("Compressed request bodies are not accepted.")
        announced = self._headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced[:20]) > limit:
            raise _body_too_large_error(limit)
        first: EagerAwaitable[Any] = EagerAwaitable(self._receive())
        try:
            if first.is_done and not first.value.get("more_body"):
                return await self._read_chunks(limit, first)
            async with Timeout(self._wheel, seconds):
                return await self._read_chunks(limit, first)
        except TimeoutError:
            raise BodyIncomplete("The request body did not arrive in time.") from None

    def deadline(self, seconds: float) -> "ClientDeadline":
        """Return a timeout that also ends when the client disconnects; see ClientDeadline."""
        return ClientDeadline(self, self._wheel, seconds)

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers, `extra_headers` included."""
        if self.before_first_byte is not None:
            await self.before_first_byte()
        pairs = [
            (name.encode(), value.encode("latin-1"))
            for name, value in (*self.extra_headers.items(), *headers.items())
        ]
        event: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": status,
            "headers": pairs,
        }
        self.is_writing = self.has_started = True
        await self._send(event)
        self.is_writing = False

    async def write(self, data: bytes) -> None:
        """Send a part of the response body; wait while the client reads slowly."""
        unsent = self.try_write(data)
        if unsent is not None:
            await self.drain(unsent)

    def try_write(self, data: bytes) -> EagerAwaitable[None] | None:
        """Send a part of the response body without waiting.

        Returns None if it was sent, otherwise the awaitable to pass to `drain`.
        """
        if self.translate is not None:
            data = self.translate(data)
            if not data:
                return None
        if self.response_copy is not None:
            self.response_copy.add(data)
        if self.disconnected or (self._writer is not None and self._writer.write_chunk(data)):
            return None
        sending = EagerAwaitable(self._send(_body_event(data, more=True)))
        return None if sending.is_done else sending

    async def drain(self, unsent: Awaitable[None]) -> None:
        """Wait until the client has taken what `try_write` could not send at once."""
        self.is_writing = True
        if self.detached:
            await self._send_within_timeout(unsent)
        else:
            await unsent
        self.is_writing = False

    async def finish(self, result: CallResult, tail: bytes) -> None:
        """Send the rest of the response: the whole response, or the end of a started stream.

        If the client does not read it in time, drop the connection. The call stays billed: the
        response was available.
        """
        if self.disconnected:
            return
        if not result.stream_started:
            if self._write_response(result, tail):
                return
            length = {"content-length": str(len(tail))}
            await self.start(result.status, {**result.headers, **length})
        if not result.stream_started and len(tail) <= _CHUNK_BYTES:
            await self._send(_body_event(tail, more=False))
            return
        for start in range(0, len(tail) or 1, _CHUNK_BYTES):
            end = start + _CHUNK_BYTES
            event = _body_event(tail[start:end], more=end < len(tail))
            if not await self._send_within_timeout(self._send(event)):
                return

    async def wait_for_disconnect(self) -> None:
        """Return when the client has closed the connection. Call it after `read_body`."""
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self.disconnected = True

    def _write_response(self, result: CallResult, body: bytes) -> bool:
        """Write a whole response at once, unless it is large or something must be awaited before.

        Returns whether it was written.
        """
        if self._writer is None or self.before_first_byte is not None or len(body) > _CHUNK_BYTES:
            return False
        headers = [*self.extra_headers.items(), *result.headers.items()]
        self.has_started = self._writer.write_response(result.status, headers, body)
        return self.has_started

    async def _send_within_timeout(self, sending: Awaitable[None]) -> bool:
        """Await a send within `write_timeout_s`. Returns whether the client is still connected."""
        try:
            async with Timeout(self._wheel, self.write_timeout_s):
                await sending
        except TimeoutError:
            self.disconnected = True
        return not self.disconnected

    async def _read_chunks(self, limit: int, first: Awaitable[Any]) -> bytes:
        """Read the body from its `first` message on. Raises ClientDisconnected, BodyTooLarge."""
        chunks: list[bytes] = []
        size = 0
        message = await first
        while True:
            if message["type"] == "http.disconnect":
                self.disconnected = True
                raise ClientDisconnected
            if message["type"] == "http.request":
                chunk = message["body"]
                size += len(chunk)
                if size > limit:
                    raise _body_too_large_error(limit)
                chunks.append(chunk)
                if not message["more_body"]:
                    return b"".join(chunks)
            message = await self._receive()


class ClientDeadline(Timeout):
    """A timeout that also expires when the client disconnects.

    Raises UpstreamTimeout on expiry, ClientDisconnected after a disconnect. A disconnect cancels at
    once what the block waits for, so the model stops generating. `extend` only stores the new
    deadline, so that a stream can call it for each chunk.
    """

    def __init__(self, client: "ClientExchange", wheel: TimeoutWheel, seconds: float) -> None:
        super().__init__(wheel, seconds)
        self._client = client
        self._disconnect_watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "ClientDeadline":
        await super().__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if self._disconnect_watch is not None:
            self._disconnect_watch.cancel()
        await super().__aexit__(kind, *rest)

    def on_check(self) -> None:
        """Expire if the client disconnected or the deadline has passed.

        The first check starts the task that watches for a disconnect.
        """
        if self._exited or self._expired:
            return
        client = self._client
        if client.abandoned:
            self._expire()
            return
        if client.detached and client.is_writing:
            self.extend(client.write_timeout_s)  # the write has a timeout of its own
        if self._disconnect_watch is None and not client.detached:
            self._disconnect_watch = self._loop.create_task(self._expire_on_disconnect())
        super().on_check()

    async def _expire_on_disconnect(self) -> None:
        """Expire when the client disconnects before the deadline."""
        await self._client.wait_for_disconnect()
        if not (self._exited or self._expired):
            self._expire()

    def _schedule(self, deadline: float) -> None:
        """Schedule the next check: soon if no task watches for a disconnect yet."""
        unwatched = self._disconnect_watch is None and not self._client.detached
        super()._schedule(
            min(deadline, self._loop.time() + _WATCH_DELAY_S) if unwatched else deadline
        )

    def _timeout_error(self) -> Exception:
        """Return ClientDisconnected if the client left or stalls a write, else UpstreamTimeout."""
        if self._client.is_writing:
            self._client.disconnected = True
        if self._client.abandoned:
            return ClientDisconnected()
        return UpstreamTimeout("The model did not respond in time. The call is not billed.")


def direct_writer(scope: "HTTPScope") -> DirectWriter | None:
    """Return the response's DirectWriter, None if the server offers none."""
    extensions: Mapping[str, Any] = scope.get("extensions") or {}
    return extensions.get(RESPONSE_WRITER)


def _body_event(data: bytes, more: bool) -> "HTTPResponseBodyEvent":
    """Return the ASGI message for a part of the response body; `more` if others follow."""
    return {"type": "http.response.body", "body": data, "more_body": more}


def _body_too_large_error(limit: int) -> BodyTooLarge:
    """Return the error for a request body of more than `limit` bytes."""
    return BodyTooLarge(f"The request body is larger than {limit} bytes.")
