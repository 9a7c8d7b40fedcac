"""Follow a background response until it has ended, for clients that stream it.

The process that answers it may be another one, so its status is polled. Its events are those of the
stored response: numbered alike in every stream, with each text in one delta.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from gateway.inference.relay import KEEP_ALIVE, KEEP_ALIVE_S
from gateway.responses import rows
from gateway.responses.store import ResponseStore
from gateway.responses.views import response_json
from gateway.wire.responses.output import RESPONSE_PREFIX, ResponseStatus
from gateway.wire.responses.replay import created_event, replayed_events, stopped_event
from infra import ids
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable

REPLAYABLE = (ResponseStatus.COMPLETED, ResponseStatus.INCOMPLETE, ResponseStatus.FAILED)
# A stream ends after this time; its client continues it with `starting_after`.
MAX_WAIT_S = 3600.0
_FIRST_POLL_S, _LONGEST_POLL_S = 0.05, 1.0


class ResponseFollower:
    """Waits for the end of responses, in one gateway process."""

    def __init__(self, database: Database, store: ResponseStore, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._clock = clock

    async def follow(
        self, account_id: UUID, response: Mapping[str, Any], starting_after: int | None
    ) -> AsyncIterator[bytes]:
        """Yield the events of a response that has not ended, with comments until it does."""
        if starting_after is None:
            yield created_event(response)
        response_id = ids.parse_id(RESPONSE_PREFIX, response["id"])
        if response_id is None:
            raise ValueError("The response has no id.")
        ending = asyncio.ensure_future(self.wait(account_id, response_id, starting_after or 0))
        try:
            while not (await asyncio.wait({ending}, timeout=KEEP_ALIVE_S))[0]:
                yield KEEP_ALIVE
            yield ending.result()
        finally:
            ending.cancel()

    async def wait(self, account_id: UUID, response_id: UUID, starting_after: int) -> bytes:
        """Return the events after this number once the response has ended.

        The last one is an error if it was cancelled or deleted, or does not end in time.
        """
        status = await self._wait_for_end(account_id, response_id)
        if status not in REPLAYABLE:
            return stopped_event(status, starting_after + 1)
        public_id = ids.format_id(RESPONSE_PREFIX, response_id)
        async with self._database.transaction() as session:
            row = await rows.find_response(session, self._clock, account_id, public_id)
        response = response_json(row, self._store.content(account_id))
        return replayed_events(response, starting_after)

    async def _wait_for_end(self, account_id: UUID, response_id: UUID) -> str | None:
        """Return the last status of a response, None if it was deleted."""
        deadline, delay_s = self._clock.monotonic() + MAX_WAIT_S, _FIRST_POLL_S
        while True:
            status = await self._read_status(account_id, response_id)
            is_over = status is None or ResponseStatus(status).is_final
            if is_over or self._clock.monotonic() >= deadline:
                return status
            await asyncio.sleep(delay_s)
            delay_s = min(1.5 * delay_s, _LONGEST_POLL_S)

    async def _read_status(self, account_id: UUID, response_id: UUID) -> str | None:
        """Return a response's status; an open one while the database does not answer."""
        try:
            async with self._database.transaction() as session:
                return await rows.read_status(session, account_id, response_id)
        except DatabaseUnavailable:
            return ResponseStatus.IN_PROGRESS.value
