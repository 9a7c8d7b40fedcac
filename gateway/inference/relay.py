"""Send an admitted call upstream and relay the response to the client.

A non-streamed response is read completely; a stream is relayed event by event. Both withhold the
tail until the call's usage row is durable. If either side disconnects, the result still has the
quantities consumed so far. Of a stream with passages, only supported sentences are sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from billing.rating.quantities import NO_USAGE, Quantities
from billing.tables import Settlement
from gateway.asgi.eager import EagerAwaitable
from gateway.asgi.exchange import ClientDeadline, ClientDisconnected, ClientExchange
from gateway.call.errors import ANSWER_INTERRUPTED, UpstreamFailed, render_error_event
from gateway.call.stream_reader import StreamReaderFactory
from gateway.call.values import CallResult, UpstreamRequest
from gateway.upstream.client import UpstreamClient
from gateway.upstream.error_mapping import UpstreamErrorResponse, map_upstream_error
from gateway.upstream.external_requests import rename_model
from gateway.wire.sse import StreamBroken
from infra.clock import Clock
from infra.errors import AppError
from infra.settings import Settings
from models.drift.counts_text import HEADER as BINS_HEADER

EVENT_STREAM = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    # Without this header, nginx and similar proxies buffer the events.
    "x-accel-buffering": "no",
}
# Error code of the usage row of a stream that ended early because its quota was exhausted.
CUT_AT_LIMIT = "cut_at_limit"
# Error code of the usage row of a stream that ended early because of an unsupported statement.
ANSWER_CORRECTED = "answer_corrected"
# The longest time without a byte for the client while text is held back: proxies wait longer.
KEEP_ALIVE_S = 5.0
KEEP_ALIVE = b": keep-alive\n\n"
_BINS = BINS_HEADER.encode()
CLIENT_CLOSED = CallResult(
    Settlement.CLIENT_ABORT, 499, b"", {}, error_code="client_closed_request"
)


class Relay:
    """Sends calls upstream and relays their responses."""

    def __init__(self, upstream: UpstreamClient, clock: Clock, settings: Settings) -> None:
        self._upstream = upstream
        self._clock = clock
        self._first_byte_timeout_s = settings.first_byte_timeout_s
        self._idle_timeout_s = settings.idle_timeout_s
        self.stream_end_timeout_s = settings.timing.stream_ending_s
        self._max_response_bytes = settings.max_answer_bytes

    async def send(
        self,
        target: UpstreamRequest,
        client: ClientExchange,
        on_response_started: Callable[[], None],
    ) -> CallResult:
        """Send a call to one server and return its result.

        Calls `on_response_started` at the first chunk of a stream. Raises an AppError or
        ClientDisconnected only if nothing was sent to the client.
        """
        client.write_timeout_s = self._idle_timeout_s
        stream_reader = target.request.stream_reader
        if stream_reader is None:
            response = self._send_unary(target, client)
        else:
            stream = _StreamRelay(self, target, client, stream_reader, on_response_started)
            response = stream.run()
        if target.response_model is None or client.detached:
            return await response
        return await _run_to_end(response, client)

    async def _send_unary(self, target: UpstreamRequest, client: ClientExchange) -> CallResult:
        """Read a non-streamed response completely."""
        request = target.request
        async with (
            client.deadline(self._first_byte_timeout_s),
            self._upstream.open(target) as response,
        ):
            body = await response.read_all(self._max_response_bytes)
            headers = _response_headers(response.headers)
            bins = None if request.variant_id is None else response.headers.get(_BINS)
        if body is None:
            raise UpstreamFailed("The model's response is too large.")
        tail = request.convert_response(body) if request.convert_response else body
        if target.response_model is not None:
            tail = rename_model(tail, target.response_model)
        return CallResult(
            settlement=Settlement.COMPLETE,
            status=200,
            quantities=request.measure(body),
            tail=tail,
            headers=headers,
            input_bins=bins,
            upstream=target.upstream,
        )


async def _run_to_end(response: Awaitable[CallResult], client: ClientExchange) -> CallResult:
    """Relay the response of an upstream of the catalog, to its end also after a disconnect.

    Only its end reports the usage. Otherwise a client could leave before it and pay nothing for
    what the operator pays.
    """
    client.detached = True
    # A detached client's deadlines do not watch for its disconnect.
    watch = asyncio.create_task(client.wait_for_disconnect())
    try:
        result = await response
    finally:
        client.detached = False
        watch.cancel()
    if client.disconnected and result.settlement is Settlement.COMPLETE:
        return replace(
            result,
            settlement=Settlement.CLIENT_ABORT,
            status=CLIENT_CLOSED.status,
            error_code=CLIENT_CLOSED.error_code,
            tail=b"",
        )
    return result


class _StreamRelay:
    """The relay of one stream, with the state from which its result is computed."""

    def __init__(
        self,
        relay: Relay,
        target: UpstreamRequest,
        client: ClientExchange,
        stream_reader: StreamReaderFactory,
        on_response_started: Callable[[], None],
    ) -> None:
        self._on_response_started = on_response_started
        self._relay = relay
        self._target = target
        self._client = client
        request, reservation = target.request, target.output_reservation
        reserved_tokens = None if reservation is None else reservation.reserved_tokens
        self._reader = stream_reader(
            relay._max_response_bytes, reserved_tokens, model=target.response_model
        )
        self._grounded = (
            None
            if request.citations is None
            else request.citations.open_stream(request.output_bounds.choices)
        )
        self._is_checked = self._grounded is not None or client.is_futile is not None
        self._last_write = relay._clock.monotonic()
        self._first_chunk: float | None = None
        self._deadline: ClientDeadline
        self._unsent: EagerAwaitable[None] | None = None
        self._early_end: str | None = None
        self._has_responded = False

    async def run(self) -> CallResult:
        """Relay the stream to its end. Raises an AppError only if the client received nothing."""
        try:
            await self._relay_events()
        except ClientDisconnected:
            return self._result(Settlement.CLIENT_ABORT, b"", CLIENT_CLOSED.error_code)
        except StreamBroken as broken:
            await self._send(broken.client_events)
            return self._interrupted(self._engine_error(broken))
        except AppError as error:
            # After `[DONE]` the answer is whole, however the upstream closes the connection.
            if not self._reader.done:
                return self._interrupted(error)
        return self._complete()

    async def _relay_events(self) -> None:
        """Read events from the upstream and send them until the stream ends."""
        relay, reader = self._relay, self._reader
        async with (
            self._client.deadline(relay._first_byte_timeout_s) as deadline,
            relay._upstream.open(self._target) as response,
        ):
            content_type = response.headers.get(b"content-type", b"")
            if not content_type.lower().startswith(b"text/event-stream"):
                raise UpstreamFailed("The model's response could not be parsed.")
            self._deadline = deadline
            # The first event waits until the call's intent row is durable (client.start).
            while (self._first_chunk is None or self._is_checked) and not reader.done:
                received = await response.read()
                if not received:
                    return
                deadline.extend(relay._idle_timeout_s)
                if not await self._send_reserved(reader.feed(received)):
                    return
                if self._is_futile() and reader.end_early():
                    self._early_end = ANSWER_CORRECTED
                    return
                await self._keep_alive()
            while not reader.done and not response.is_body_consumed:
                await response.feed_to(self._forward)
                unsent, self._unsent = self._unsent, None
                if unsent is not None:
                    await self._client.drain(unsent)
                if not await self._send_reserved(b""):
                    return
            await self._reserve_tokens(reader.output_tokens())
            await self._end_grounded()
            # Read the end of the body so that the connection can be reused, but only briefly.
            deadline.extend(self._relay.stream_end_timeout_s)
            await response.read()

    def _forward(self, received: bytes) -> bool:
        """Forward received bytes to the client without waiting (fast path).

        Returns whether the next bytes may be forwarded in the same way.
        """
        chunk = self._reader.feed(received)
        self._deadline.extend(self._relay._idle_timeout_s)
        self._unsent = self._client.try_write(chunk) if chunk else None
        return self._unsent is None and not self._reader.done and not self._reader.is_withholding

    async def _send_reserved(self, chunk: bytes) -> bool:
        """Send a chunk, then each withheld event once its output tokens are reserved.

        Returns False if no more can be reserved: the stream is then cut before the first byte that
        is not reserved.
        """
        await self._send(chunk)
        reader, reservation = self._reader, self._target.output_reservation
        while reader.is_withholding and reservation is not None:
            needed = reader.required_tokens()
            # An event without a token count could contain all tokens that the engine may generate.
            if not await self._reserve_tokens(reservation.max_tokens if needed is None else needed):
                self._early_end = CUT_AT_LIMIT
                await self._send(reader.truncate())
                await self._end_grounded()
                return False
            covered = reservation.reserved_tokens
            await self._send(reader.release(covered, covered >= reservation.max_tokens))
        return True

    async def _reserve_tokens(self, tokens: int) -> bool:
        """Reserve up to this many output tokens in total. Returns False if it is not possible."""
        reservation = self._target.output_reservation
        if reservation is not None:
            while reservation.reserved_tokens < tokens:
                if not await reservation.extend():
                    return False
        return True

    def _is_futile(self) -> bool:
        """Whether no more of the stream would be sent, so that it can end before the engine ends.

        An upstream of the catalog reports its usage at the end only: its streams are not ended.
        """
        if not self._is_checked or self._target.response_model is not None:
            return False
        is_refused = self._client.is_futile is not None and self._client.is_futile()
        return is_refused or (self._grounded is not None and self._grounded.is_futile)

    async def _keep_alive(self) -> None:
        """Send a comment if nothing was sent for some time because text is held back."""
        idle_s = self._relay._clock.monotonic() - self._last_write
        if self._first_chunk is not None and idle_s >= KEEP_ALIVE_S:
            await self._write(KEEP_ALIVE)

    async def _end_grounded(self) -> None:
        """Send what the checks released at the end, and the citations, before the usage chunk.

        If a draft was rejected, its correction follows (grounding.py).
        """
        if self._grounded is None or not self._reader.done:
            return
        await self._write(self._grounded.end())
        if not self._grounded.rejected() and self._first_chunk is not None:
            await self._write(self._grounded.last_events({}))

    async def _send(self, chunk: bytes) -> None:
        """Send a chunk to the client, of an answer from passages what may be released of it."""
        if chunk and not self._has_responded:
            self._has_responded = True
            self._on_response_started()
        await self._write(chunk if self._grounded is None else self._grounded.feed(chunk))

    async def _write(self, chunk: bytes) -> None:
        """Write a chunk, after the response headers if it is the first one."""
        if not chunk:
            return
        if self._first_chunk is None:
            await self._client.start(200, EVENT_STREAM)
            self._first_chunk = self._relay._clock.monotonic()
        await self._client.write(chunk)
        self._last_write = self._relay._clock.monotonic()

    def _complete(self) -> CallResult:
        """Return the result of a stream that ended without an error."""
        if not self._reader.done:
            return self._interrupted(UpstreamFailed(ANSWER_INTERRUPTED))
        result = self._result(Settlement.COMPLETE, self._reader.end_event, self._early_end)
        return replace(result, grounded_stream=self._grounded)

    def _interrupted(self, error: AppError) -> CallResult:
        """Return the result of a failed stream; raise if the client received nothing."""
        if self._first_chunk is None:
            raise error
        result = self._result(Settlement.PLATFORM_FAULT, render_error_event(error), error.code)
        return replace(result, error=error)

    def _engine_error(self, broken: StreamBroken) -> AppError:
        """Return the engine's own error for a broken stream, if it sent one."""
        if broken.engine_error is None:
            return broken
        return map_upstream_error(
            UpstreamErrorResponse(200, broken.engine_error, is_specialist_error=False),
            self._target.request,
        )

    def _result(self, settlement: Settlement, tail: bytes, code: str | None) -> CallResult:
        """Return the call result with the stream's quantities; `tail` is still to be sent."""
        quantities = self._quantities()
        if settlement is Settlement.COMPLETE and quantities is NO_USAGE:
            settlement = Settlement.UNKNOWN
        return CallResult(
            settlement=settlement,
            status=499 if settlement is Settlement.CLIENT_ABORT else 200,
            tail=tail,
            headers=EVENT_STREAM,
            quantities=quantities,
            error_code=code,
            stream_started=self._first_chunk is not None,
            first_chunk_monotonic=self._first_chunk,
            usage_event=self._reader.usage_event if settlement is Settlement.COMPLETE else None,
            upstream=self._target.upstream,
        )

    def _quantities(self) -> Quantities:
        """Return the consumed quantities, NO_USAGE if the stream reported none."""
        try:
            return self._reader.quantities()
        except UpstreamFailed:
            return NO_USAGE


def _response_headers(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return the upstream's response headers that the client needs to decode the body."""
    content_type = headers.get(b"content-type", b"application/json")
    headers_for_client = {"content-type": content_type.decode("latin-1")}
    length = headers.get(b"inference-header-content-length")
    if length is not None:
        headers_for_client["inference-header-content-length"] = length.decode("latin-1")
    return headers_for_client
