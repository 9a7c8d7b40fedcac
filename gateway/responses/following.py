"""Follow a background response while it is answered, for clients that stream it.

The process that answers it may be another one, so its events are read from the database, a few
times per second while there are new ones. Without events, because the response was not created as a
stream, those of the stored response are sent at its end, with each text in one delta.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gateway.inference.relay import KEEP_ALIVE, KEEP_ALIVE_S
from gateway.responses import rows
from gateway.responses.attempts import StreamPosition, start_position
from gateway.responses.event_log import EventRow, LogReading, list_attempts, read_events
from gateway.responses.store import ResponseStore
from gateway.responses.views import response_json
from gateway.wire.responses.output import RESPONSE_PREFIX, ResponseStatus
from gateway.wire.responses.replay import (
    created_event,
    last_event,
    replayed_events,
    restarted_event,
    stopped_event,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable

REPLAYABLE = (ResponseStatus.COMPLETED, ResponseStatus.INCOMPLETE, ResponseStatus.FAILED)
# A stream ends after this time; its client continues it with `starting_after`.
MAX_WAIT_S = 3600.0
# Between two looks: after new events, the longest without any, and the longest before the start.
_POLL_S, _LONGEST_POLL_S, _QUEUED_POLL_S = 0.1, 0.3, 1.0
_SLOWER = 1.25
_OPEN = LogReading(ResponseStatus.IN_PROGRESS.value)


@dataclass(frozen=True, slots=True)
class FollowedPart:
    """Bytes of a stream; `is_last` if nothing follows."""

    events: bytes
    is_last: bool = False


class ResponseFollower:
    """Follows responses to their end, in one gateway process."""

    def __init__(self, database: Database, store: ResponseStore, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._clock = clock

    async def follow(
        self, account_id: UUID, response: Mapping[str, Any], starting_after: int | None
    ) -> AsyncGenerator[FollowedPart]:
        """Yield the events of a background response after this number, as they are produced.

        Comments keep the stream alive. The last event is an error if the response was cancelled,
        deleted or generated again, or does not end in time.
        """
        response_id = ids.parse_id(RESPONSE_PREFIX, response["id"])
        if response_id is None:
            raise ValueError("The response has no id.")
        if starting_after is None:
            yield FollowedPart(created_event(response))
        async with self._database.transaction() as session:
            spans = await list_attempts(session, account_id, response_id)
        position = start_position(spans, starting_after)
        if position is None:
            yield FollowedPart(restarted_event((starting_after or 0) + 1), True)
            return
        last = spans[-1].last if spans else None
        async for part in self._follow_from(account_id, response_id, position, last):
            yield part

    async def events(
        self, account_id: UUID, response: Mapping[str, Any], starting_after: int | None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes of `follow`."""
        async for part in self.follow(account_id, response, starting_after):
            yield part.events

    async def _follow_from(
        self, account_id: UUID, response_id: UUID, position: StreamPosition, last: int | None
    ) -> AsyncIterator[FollowedPart]:
        """Yield events from a position on; `last` is the number of the last known event."""
        now = self._clock.monotonic
        deadline, sent_at, delay_s = now() + MAX_WAIT_S, now(), _POLL_S
        while True:
            reading = await self._read(account_id, response_id, position.after)
            for row in reading.rows:
                if not position.can_get(row.attempt):
                    yield FollowedPart(restarted_event(position.after + 1), True)
                    return
                yield FollowedPart(self._open(account_id, response_id, row, position.after))
                position = position.advanced(row.attempt, row.first, row.last)
                last, sent_at, delay_s = max(row.last, last or 0), now(), _POLL_S
            is_over = reading.status is None or ResponseStatus(reading.status).is_final
            if not reading.rows and (is_over or now() >= deadline):
                ending = await self._ending(account_id, response_id, reading.status, position, last)
                yield FollowedPart(ending, True)
                return
            if now() - sent_at >= KEEP_ALIVE_S:
                sent_at = now()
                yield FollowedPart(KEEP_ALIVE)
            if not is_over:
                await asyncio.sleep(delay_s)
                is_queued = reading.status == ResponseStatus.QUEUED
                delay_s = min(_SLOWER * delay_s, _QUEUED_POLL_S if is_queued else _LONGEST_POLL_S)

    async def _read(self, account_id: UUID, response_id: UUID, after: int) -> LogReading:
        """Read on; while the database does not answer, the response is open without events."""
        try:
            async with self._database.transaction() as session:
                return await read_events(session, account_id, response_id, after)
        except DatabaseUnavailable:
            return _OPEN

    def _open(self, account_id: UUID, response_id: UUID, row: EventRow, after: int) -> bytes:
        """Return the events of a row, those after this number."""
        content = self._store.content(account_id)
        events = content.open_events(response_id, row.first, row.sealed)
        if row.first > after:
            return events
        kept = events.split(b"\n\n")[after + 1 - row.first : -1]
        return b"".join(event + b"\n\n" for event in kept)

    async def _ending(
        self,
        account_id: UUID,
        response_id: UUID,
        status: str | None,
        position: StreamPosition,
        last: int | None,
    ) -> bytes:
        """Return the last event of a response, or all its events if none were recorded."""
        if status not in REPLAYABLE:
            return stopped_event(status, position.after + 1)
        public_id = ids.format_id(RESPONSE_PREFIX, response_id)
        async with self._database.transaction() as session:
            row = await rows.find_response(session, self._clock, account_id, public_id)
        response = response_json(row, self._store.content(account_id))
        if last is None:
            return replayed_events(response, position.after)
        return last_event(response, last + 1) if position.after <= last else b""
