"""Relay: send an admitted call upstream and carry the answer to the client.

Owns the two ways an answer travels: a plain one is read whole, a stream is passed on event by
event; what both hold back until the call is settled; and what was consumed when either side breaks
off.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from billing.rating.quantities import NOTHING, Quantities
from billing.tables import Settlement
from gateway.asgi.eager import Begun
from gateway.asgi.exchange import Attended, Client, ClientGone
from gateway.call.errors import BROKEN_OFF, UpstreamFailed, event
from gateway.call.values import Completion, Target
from gateway.upstream.client import Upstream
from gateway.upstream.error_mapping import Refusal, translate
from gateway.wire.sse import DONE, StreamBroken, StreamTee
from infra.clock import Clock
from infra.errors import AppError
from infra.settings import Settings

_EVENT_STREAM = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    # Without it nginx and its like collect events before they pass them on.
    "x-accel-buffering": "no",
}
# What the row of a stream says that ended for its length because no more could be held for it.
CUT = "cut_at_limit"
LEFT = Completion(Settlement.CLIENT_ABORT, 499, b"", {}, error_code="client_closed_request")


class Relay:
    """Carries calls between one client and one upstream at a time."""

    def __init__(self, upstream: Upstream, clock: Clock, settings: Settings) -> None:
        self._upstream = upstream
        self._clock = clock
        self._first_byte_s = settings.first_byte_timeout_s
        self._idle_s = settings.idle_timeout_s
        self.ending_s = settings.timing.stream_ending_s
        self._limit = settings.max_answer_bytes

    async def send(
        self, target: Target, client: Client, answered: Callable[[], None]
    ) -> Completion:
        """How the call ended; `answered` is told when the upstream has begun to.

        Raises the facts for which nothing was sent to the client yet.
        """
        client.patience_s = self._idle_s
        if target.ask.stream:
            return await _Streaming(self, target, client, answered).run()
        return await self._plain(target, client)

    async def _plain(self, target: Target, client: Client) -> Completion:
        ask = target.ask
        async with client.attended(self._first_byte_s), self._upstream.open(target) as response:
            body = await response.read_whole(self._limit)
            headers = _passed_on(response.headers)
        if body is None:
            raise UpstreamFailed("The model's answer is too large.")
        tail = ask.reshape(body) if ask.reshape else body
        return Completion(
            settlement=Settlement.COMPLETE,
            status=200,
            quantities=ask.measure(body),
            tail=tail if ask.cited is None else ask.cited.plain(tail),
            headers=headers,
        )


class _Streaming:
    """One stream on its way. Holds what is known of it when it ends, however it ends."""

    def __init__(
        self, relay: Relay, target: Target, client: Client, answered: Callable[[], None]
    ) -> None:
        self._answered = answered
        self._relay = relay
        self._target = target
        self._client = client
        ask, allowance = target.ask, target.allowance
        ceiling = None if allowance is None else allowance.covered
        self._tee = StreamTee(
            ask.usage_wish,
            ask.choices_each,
            ask.extent.choices,
            relay._limit,
            ceiling,
            ask.shown_tier,
        )
        self._marks = None if ask.cited is None else ask.cited.stream()
        self._first_chunk: float | None = None
        self._attended: Attended
        self._unsent: Begun[None] | None = None
        self._was_cut = False

    async def run(self) -> Completion:
        """Raises an AppError only while the client has seen nothing."""
        try:
            await self._carry()
        except ClientGone:
            return self._end(Settlement.CLIENT_ABORT, b"", LEFT.error_code)
        except StreamBroken as broken:
            await self._show(broken.shown)
            return self._broken(self._engine_error(broken))
        except AppError as error:
            # After `[DONE]` the answer is whole, however the upstream closes the connection.
            if not self._tee.done:
                return self._broken(error)
        return self._whole()

    async def _carry(self) -> None:
        relay, tee = self._relay, self._tee
        async with (
            self._client.attended(relay._first_byte_s) as attended,
            relay._upstream.open(self._target) as response,
        ):
            content_type = response.headers.get(b"content-type", b"")
            if not content_type.lower().startswith(b"text/event-stream"):
                raise UpstreamFailed("The model's answer could not be read.")
            self._attended = attended
            # The first event waits until the database knows of the call.
            while self._first_chunk is None and not tee.done:
                piece = await response.read()
                if not piece:
                    return
                attended.extend(relay._idle_s)
                if not await self._show_covered(tee.feed(piece)):
                    return
            while not tee.done and not response.read_out:
                await response.flow(self._pass_on)
                unsent, self._unsent = self._unsent, None
                if unsent is not None:
                    await self._client.sent(unsent)
                if not await self._show_covered(b""):
                    return
            await self._cover(tee.generated())
            await self._tell()
            # At its end the connection is good for another call. Whatever else comes is not
            # waited for.
            attended.extend(self._relay.ending_s)
            await response.read()

    def _pass_on(self, piece: bytes) -> bool:
        """What comes, to the client and at once; whether the next piece may come like that."""
        shown = self._tee.feed(piece)
        if self._marks is not None:
            self._marks.feed(shown)
        self._attended.extend(self._relay._idle_s)
        self._unsent = self._client.put(shown) if shown else None
        return self._unsent is None and not self._tee.done and not self._tee.withheld

    async def _show_covered(self, shown: bytes) -> bool:
        """Show what may be shown, and what was withheld once it is held for. False where no more
        can be had: then the stream was cut before the first byte beyond it."""
        await self._show(shown)
        tee, allowance = self._tee, self._target.allowance
        while tee.withheld and allowance is not None:
            needed = tee.needed()
            # What does not say how long it is could be as long as the engine may make it.
            if not await self._cover(allowance.most if needed is None else needed):
                self._was_cut = True
                await self._show(tee.cut())
                await self._tell()
                return False
            covered = allowance.covered
            await self._show(tee.release(covered, covered >= allowance.most))
        return True

    async def _cover(self, tokens: int) -> bool:
        """Hold for so many output tokens; False where they cannot be had."""
        allowance = self._target.allowance
        if allowance is not None:
            while allowance.covered < tokens:
                if not await allowance.extend():
                    return False
        return True

    async def _tell(self) -> None:
        """What the answer cites, before its usage."""
        if self._marks is not None and self._tee.done and self._first_chunk is not None:
            await self._client.write(self._marks.event())

    async def _show(self, shown: bytes) -> None:
        if not shown:
            return
        if self._first_chunk is None:
            await self._client.start(200, _EVENT_STREAM)
            self._first_chunk = self._relay._clock.monotonic()
            self._answered()
        if self._marks is not None:
            self._marks.feed(shown)
        await self._client.write(shown)

    def _whole(self) -> Completion:
        if not self._tee.done:
            return self._broken(UpstreamFailed(BROKEN_OFF))
        return self._end(Settlement.COMPLETE, DONE, CUT if self._was_cut else None)

    def _broken(self, error: AppError) -> Completion:
        if self._first_chunk is None:
            raise error
        ended = self._end(Settlement.PLATFORM_FAULT, event(error), error.code)
        return replace(ended, error=error)

    def _engine_error(self, broken: StreamBroken) -> AppError:
        if broken.data is None:
            return broken
        return translate(Refusal(200, broken.data, ours=False), self._target.ask)

    def _end(self, settlement: Settlement, tail: bytes, code: str | None) -> Completion:
        quantities = self._quantities()
        if settlement is Settlement.COMPLETE and quantities is NOTHING:
            settlement = Settlement.UNKNOWN
        return Completion(
            settlement=settlement,
            status=499 if settlement is Settlement.CLIENT_ABORT else 200,
            tail=tail,
            headers=_EVENT_STREAM,
            quantities=quantities,
            error_code=code,
            started=self._first_chunk is not None,
            first_chunk=self._first_chunk,
            usage_event=self._tee.usage_event if settlement is Settlement.COMPLETE else None,
        )

    def _quantities(self) -> Quantities:
        try:
            return self._tee.quantities()
        except UpstreamFailed:
            return NOTHING


def _passed_on(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """What of an upstream's headers the client needs to read the answer."""
    content_type = headers.get(b"content-type", b"application/json")
    passed = {"content-type": content_type.decode("latin-1")}
    length = headers.get(b"inference-header-content-length")
    if length is not None:
        passed["inference-header-content-length"] = length.decode("latin-1")
    return passed
