"""Queue background responses: what is to be sent, and the acknowledgement.

A response that was queued with an Idempotency-Key is found by the key, so that a retry after a
crash queues nothing. The runner (gateway/responses/runner.py) sends it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.call.errors import RateLimited
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import Call, ParsedRequest
from gateway.inference.idempotency import parse_idempotency_key
from gateway.inference.model_selection import FALLBACK_HEADER, LATENCY_HEADER
from gateway.responses import rows
from gateway.responses.content import ContentPart
from gateway.responses.store import ResponseOwner, ResponseStore
from gateway.tables import SavedResponse
from gateway.wire import body as bodies
from gateway.wire.hosted_tools.tool import TOOLS_HEADER
from gateway.wire.responses.items import Item
from gateway.wire.responses.output import ResponseRef, ResponseStatus, response_object
from infra.clock import Clock
from infra.database.database import Database

_IDEMPOTENCY_HEADER = b"idempotency-key"
_MAX_COST_HEADER = b"x-max-cost"
# Headers of the request that apply to the call in the background.
_KEPT_HEADERS = (
    _MAX_COST_HEADER,
    TAGS_HEADER,
    LATENCY_HEADER,
    FALLBACK_HEADER,
    TOOLS_HEADER,
)
# Fields that concern the response, not the call that answers it.
_OWN_FIELDS = frozenset({"background", "store", "stream", "stream_options", "previous_response_id"})


@dataclass(frozen=True, slots=True)
class BackgroundRequest:
    """A background request: the call, its body with the items of the conversation, its head.

    With `is_streamed` its events are recorded while it is answered.
    """

    call: Call
    owner: ResponseOwner
    ref: ResponseRef
    body: bytes
    items: Sequence[Item]
    head: Mapping[str, Any]
    is_streamed: bool = False


class BackgroundQueue:
    """Queues background responses, and wakes this process's runner once it has subscribed."""

    def __init__(self, database: Database, store: ResponseStore, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._wake: Callable[[], None] | None = None

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each new response."""
        self._wake = wake

    async def enqueue(self, request: BackgroundRequest, parsed: ParsedRequest) -> dict[str, Any]:
        """Queue a request and return its response, which has the status `queued`.

        Raises RateLimited if too many are open, IdempotencyKeyInvalid, DatabaseUnavailable.
        """
        ref, status = request.ref, ResponseStatus.QUEUED
        response = response_object(ref, request.head, status, model=parsed.model.id)
        row = self._new_row(request, response)
        async with self._database.transaction() as session:
            existing = await self._find_existing(session, row)
            if existing is None:
                await _require_place(session, row.account_id)
                session.add(row)
            else:
                content = self._store.content(row.account_id)
                response = content.open_response(existing.id, existing.response)
        if self._wake is not None:
            self._wake()
        return response

    def _new_row(self, request: BackgroundRequest, response: Mapping[str, Any]) -> SavedResponse:
        """Return the row of a queued response, with what is to be sent."""
        owner, ref = request.owner, request.ref
        row = self._store.new_row(owner, ref, request.items, response)
        content = self._store.content(owner.account_id)
        row.request = content.seal(ref.id, ContentPart.REQUEST, _work(request))
        row.idempotency_key, row.process_id = _idempotency_key(request.call), None
        return row

    async def _find_existing(
        self, session: AsyncSession, row: SavedResponse
    ) -> SavedResponse | None:
        """Return the response that was queued before with the key of this one."""
        key = row.idempotency_key
        if key is None:
            return None
        return await rows.find_by_idempotency_key(session, self._clock, row.account_id, key)


async def _require_place(session: AsyncSession, account_id: UUID) -> None:
    """Raise RateLimited if the account has the most open background responses."""
    if await rows.count_open(session, account_id) >= rows.MAX_OPEN:
        raise RateLimited(
            f"The account has {rows.MAX_OPEN} background responses that have not ended."
        )


def _idempotency_key(call: Call) -> str | None:
    """Return the call's Idempotency-Key, None without one. Raises IdempotencyKeyInvalid."""
    header = call.headers.get(_IDEMPOTENCY_HEADER)
    return None if header is None else parse_idempotency_key(header.decode("latin-1"))


def _work(request: BackgroundRequest) -> dict[str, Any]:
    """Return what is sent in the background: body and headers, as JSON values."""
    fields: dict[str, Any] = {
        name: raw
        for name, raw in bodies.decode_fields(request.body).items()
        if name not in _OWN_FIELDS
    }
    headers = request.call.headers
    kept = {name.decode(): headers[name] for name in _KEPT_HEADERS if name in headers}
    streamed = {"stream": True} if request.is_streamed else {}
    return {
        "body": {**fields, **streamed, "input": request.items},
        "headers": {name: value.decode("latin-1") for name, value in kept.items()},
    }
