"""Wait until every gateway process has applied a change of API keys or models.

Each process polls the access epoch (gateway/access/authenticator.py), invalidates its cache and
acknowledges the epoch in its row of `gateway_process`. The upper bound is safe: a process that has
not read the epoch for `trust_s` looks up each call's key in the database, so after that time no
process uses what it cached before the change.
"""

import asyncio
from contextlib import suppress

from billing.metering.key_epoch import count_processes_behind
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.timing import DEFAULT_TIMING, Timing


class Propagation:
    """Waits for the gateway processes that share a database to apply a change."""

    def __init__(self, database: Database, clock: Clock, timing: Timing = DEFAULT_TIMING) -> None:
        self._timing = timing
        self.max_wait_s = timing.trust_s * 10 / 9
        self._database = database
        self._clock = clock

    async def wait(self, epoch: int) -> bool:
        """Wait up to `max_wait_s` until all live processes have applied the changes up to `epoch`.

        Returns whether all have acknowledged. Call it after the change was committed.
        """
        deadline = self._clock.monotonic() + self.max_wait_s
        while self._clock.monotonic() < deadline:
            if await self._is_applied_everywhere(epoch):
                return True
            await asyncio.sleep(self._timing.propagation_poll_s)
        return False

    async def _is_applied_everywhere(self, epoch: int) -> bool:
        """Whether all live processes have applied the changes; False without a database."""
        with suppress(DatabaseUnavailable):
            async with self._database.transaction() as session:
                return await count_processes_behind(session, epoch) == 0
        return False
