"""Calls whose clients use another format than chat (gateway/wire/format.py).

A request is decoded into a chat before it is parsed, and the chat's answer is encoded last, after
verification, corrections, guards and cost.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from billing.tables import Settlement
from gateway.asgi.exchange import ClientExchange
from gateway.call.errors import ANSWER_INTERRUPTED, UpstreamFailed
from gateway.call.values import Call, CallResult, Operation, ParsedRequest, Principal
from gateway.wire.format import UNREADABLE, CallIdentity, DecodedChat, WireFormat
from gateway.wire.generation import JSON_HEADERS
from infra.clock import Clock

_ANSWERED = (Settlement.COMPLETE, Settlement.UNKNOWN)


class TranslatedCall(Protocol):
    """One call whose answer is checked or encoded between the pipeline and the client."""

    @property
    def chat_body(self) -> bytes:
        """Return the request in the form of a chat."""
        ...

    async def defer(self, request: ParsedRequest, client: ClientExchange) -> CallResult | None:
        """Queue a valid request that is answered later, and return the acknowledgement.

        Returns None for a request that is answered now. Raises an AppError, ClientDisconnected.
        """
        ...

    async def before_first_byte(self, flush_intent: Callable[[], Awaitable[None]]) -> None:
        """Await `flush_intent`, and what else must be durable before a stream starts."""
        ...

    def translate(self, events: bytes) -> bytes:
        """Convert complete events of the chat's stream. Raises UpstreamFailed."""
        ...

    async def convert(self, result: CallResult) -> CallResult:
        """Convert an answer that is not streamed; others are unchanged. Raises UpstreamFailed."""
        ...

    def end(self, result: CallResult, tail: bytes) -> bytes:
        """Convert the end of a started stream, also of one that failed. Other tails are kept."""
        ...

    async def ended(self, result: CallResult) -> None:
        """Store how the call ended, after its usage row; its last byte is sent after that."""
        ...


class AnswerKeeper(Protocol):
    """What is kept of a call beside its usage row. Implemented in gateway/responses/."""

    async def defer(self, request: ParsedRequest, client: ClientExchange) -> CallResult | None:
        """Queue a request that is answered later; see TranslatedCall."""
        ...

    async def before_first_byte(self) -> None:
        """Store what the first byte tells the client."""
        ...

    async def ended(self, result: CallResult) -> None:
        """Store how the call ended."""
        ...


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """A decoded request whose answer is kept."""

    chat: DecodedChat
    keeper: AnswerKeeper


class RequestOpener(Protocol):
    """Decodes the requests of a format that continue what is stored, or are stored themselves."""

    async def open(self, call: Call, principal: Principal, body: bytes) -> OpenedRequest:
        """Validate and decode a request. Raises as WireFormat.decode, and DatabaseUnavailable."""
        ...


class FormattedCall:
    """A call in another format than chat."""

    def __init__(self, chat: DecodedChat, clock: Clock, keeper: AnswerKeeper | None) -> None:
        self._chat = chat
        self._clock = clock
        self._keeper = keeper
        self._stream = chat.encoder.open_stream() if chat.streams else None

    @property
    def chat_body(self) -> bytes:
        """Return the request in the form of a chat."""
        return self._chat.body

    async def defer(self, request: ParsedRequest, client: ClientExchange) -> CallResult | None:
        """Queue a request that is answered later; see TranslatedCall."""
        return None if self._keeper is None else await self._keeper.defer(request, client)

    async def before_first_byte(self, flush_intent: Callable[[], Awaitable[None]]) -> None:
        """Await the intent, and what is stored of the answer before its first byte."""
        await flush_intent()
        if self._keeper is not None:
            await self._keeper.before_first_byte()

    def translate(self, events: bytes) -> bytes:
        """Convert complete events of the chat's stream. Raises UpstreamFailed."""
        if self._stream is None:
            return events
        try:
            return self._stream.feed(events)
        except UNREADABLE:
            raise UpstreamFailed(ANSWER_INTERRUPTED) from None

    async def convert(self, result: CallResult) -> CallResult:
        """Convert a whole answer; other results are unchanged. Raises UpstreamFailed."""
        if self._stream is not None or result.status != 200:
            return result
        try:
            answer = self._chat.encoder.encode(result.tail, self._clock.now())
        except UNREADABLE:
            raise UpstreamFailed("The model's response could not be parsed.") from None
        return replace(result, tail=answer, headers=JSON_HEADERS)

    def end(self, result: CallResult, tail: bytes) -> bytes:
        """Convert the end of a started stream; the tails of other results are unchanged."""
        if self._stream is None or not result.stream_started:
            return tail
        if result.error is not None:
            return self._stream.fail(result.error)
        if result.settlement not in _ANSWERED:
            return tail
        return self._stream.end(tail, self._clock.now())

    async def ended(self, result: CallResult) -> None:
        """Let the keeper store how the call ended."""
        if self._keeper is not None:
            await self._keeper.ended(result)


class RequestTranslator:
    """Opens the calls of one gateway process whose clients use another format than chat.

    `openers` decode the requests of formats with stored answers, by operation.
    """

    def __init__(self, clock: Clock, openers: Mapping[Operation, RequestOpener]) -> None:
        self._clock = clock
        self._openers = openers

    async def open(
        self, wire_format: WireFormat, call: Call, principal: Principal, body: bytes
    ) -> FormattedCall:
        """Decode a request. Raises as WireFormat.decode, and DatabaseUnavailable."""
        opener = self._openers.get(call.operation)
        if opener is not None:
            opened = await opener.open(call, principal, body)
            return FormattedCall(opened.chat, self._clock, opened.keeper)
        chat = wire_format.decode(CallIdentity(call.request_id, call.started_at), body)
        return FormattedCall(chat, self._clock, None)
