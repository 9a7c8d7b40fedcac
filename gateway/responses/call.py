"""What is kept of a call of `/v1/responses`: a stored response, or one in the background."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.asgi.exchange import ClientExchange
from gateway.call.stream_slots import StreamSlots
from gateway.call.values import Call, CallResult, ParsedRequest
from gateway.inference.relay import EVENT_STREAM
from gateway.responses.background import BackgroundQueue, BackgroundRequest
from gateway.responses.following import MAX_WAIT_S, ResponseFollower
from gateway.responses.store import ResponseOwner, ResponseStore
from gateway.tables import SavedResponse
from gateway.wire.generation import JSON_HEADERS
from gateway.wire.responses.chat_form import ChatForm
from gateway.wire.responses.format import ResponseEncoder
from gateway.wire.responses.items import Item
from gateway.wire.responses.output import ResponseRef, ResponseStatus, response_object
from gateway.wire.responses.request import ResponseRequest
from infra.clock import Clock
from infra.database.database import DatabaseUnavailable

_ANSWERED = (Settlement.COMPLETE, Settlement.UNKNOWN)
# Known to be nothing: the call in the background has the usage.
_NO_TOKENS = Quantities(input_tokens=0, output_tokens=0)


@dataclass(frozen=True, slots=True)
class ConvertedRequest:
    """A validated request: as it was received, its items with those before it, and as a chat."""

    body: bytes
    request: ResponseRequest
    items: Sequence[Item]
    chat: ChatForm


@dataclass(frozen=True, slots=True)
class ResponseServices:
    """What calls of `/v1/responses` use of their process."""

    store: ResponseStore
    queue: BackgroundQueue
    follower: ResponseFollower
    clock: Clock
    streams: StreamSlots


class KeptResponse:
    """The response of a call, as it is stored or queued (gateway/inference/translation.py)."""

    def __init__(
        self,
        services: ResponseServices,
        call: Call,
        owner: ResponseOwner,
        converted: ConvertedRequest,
        encoder: ResponseEncoder,
    ) -> None:
        self._services = services
        self._call = call
        self._owner = owner
        self._converted = converted
        self._encoder = encoder
        self._ref = ResponseRef(call.request_id, call.started_at)
        self._is_inserted = False

    async def defer(self, request: ParsedRequest, client: ClientExchange) -> CallResult | None:
        """Queue a background request and return its acknowledgement; None for any other.

        A streamed one is acknowledged by its first event, and ends with those that follow. Raises
        TooManyStreams before anything is queued.
        """
        asked = self._converted.request
        if not asked.background:
            return None
        acknowledged = CallResult(
            Settlement.COMPLETE, 200, b"", JSON_HEADERS, quantities=_NO_TOKENS
        )
        if not asked.stream:
            return replace(acknowledged, tail=msgspec.json.encode(await self._enqueue(request)))
        with self._services.streams.take(self._owner.account_id):
            tail = await self._stream_queued(await self._enqueue(request), client)
        return replace(acknowledged, tail=tail, headers=EVENT_STREAM, stream_started=True)

    async def _enqueue(self, request: ParsedRequest) -> Mapping[str, Any]:
        """Queue the request and return its response. Raises as BackgroundQueue.enqueue."""
        converted = self._converted
        head = converted.chat.options.head
        queued = BackgroundRequest(
            self._call,
            self._owner,
            self._ref,
            converted.body,
            converted.items,
            head,
            bool(converted.request.stream),
        )
        return await self._services.queue.enqueue(queued, request)

    async def _stream_queued(self, response: Mapping[str, Any], client: ClientExchange) -> bytes:
        """Send the events of a queued response as they are produced; returns the last one.

        Raises ClientDisconnected; the response is answered all the same.
        """
        async with client.deadline(MAX_WAIT_S + client.write_timeout_s):
            await client.start(200, EVENT_STREAM)
            follower, account_id = self._services.follower, self._owner.account_id
            async with aclosing(follower.follow(account_id, response, None)) as parts:
                async for part in parts:
                    if part.is_last:
                        return part.events
                    await client.write(part.events)
        return b""

    async def before_first_byte(self) -> None:
        """Insert a stored response: the stream tells the client its id."""
        if not self._converted.request.store or self._is_inserted:
            return
        head = self._converted.chat.options.head
        begun = response_object(self._ref, head, ResponseStatus.IN_PROGRESS)
        await self._services.store.insert(self._new_row(begun))
        self._is_inserted = True

    async def ended(self, result: CallResult) -> None:
        """Store the response, or that it failed. Deleted ones are not stored again.

        If the database does not answer, the client still gets its answer, which was billed.
        """
        if not self._converted.request.store:
            return
        try:
            await self._store_end(result)
        except (DatabaseUnavailable, SQLAlchemyError) as error:
            structlog.get_logger().error("a response could not be stored", reason=repr(error))

    async def _store_end(self, result: CallResult) -> None:
        """Insert or update the stored response. Raises DatabaseUnavailable."""
        response = self._encoder.response
        is_answered = result.settlement in _ANSWERED and response is not None
        if self._is_inserted:
            failed = ResponseStatus.CANCELLED if result.error is None else ResponseStatus.FAILED
            status = response["status"] if is_answered and response else failed.value
            await self._services.store.end(self._owner.account_id, self._ref.id, response, status)
        elif is_answered and response is not None:
            await self._services.store.insert(self._new_row(response))

    def _new_row(self, response: Mapping[str, Any]) -> SavedResponse:
        """Return the row of the response in its current state."""
        converted, store = self._converted, self._services.store
        return store.new_row(self._owner, self._ref, converted.items, response)
