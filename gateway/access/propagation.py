"""Propagation: waiting until every gateway process serves a change of keys or models.

Each process polls the access epoch (gateway/access/authenticator.py), forgets what changed and
acknowledges the epoch in its row of `gateway_process`. The bound is safe: a process that has not
read the epoch for `trust_s` asks the database for each call, so later than that none answers from
what it remembered before the change, however late it is.
"""

import asyncio
from contextlib import suppress

from billing.metering.key_epoch import processes_behind
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.timing import USUAL, Timing


class Propagation:
    """Waits for the processes that share a database."""

    def __init__(self, database: Database, clock: Clock, timing: Timing = USUAL) -> None:
        self._timing = timing
        self.bound_s = timing.trust_s * 10 / 9
        self._database = database
        self._clock = clock

    async def wait(self, epoch: int) -> bool:
        """Return when all live processes have acknowledged the epoch, or no later than `bound_s`;
        whether all have. Call it after the transaction that made the change was committed.
        """
        until = self._clock.monotonic() + self.bound_s
        while self._clock.monotonic() < until:
            if await self._everywhere(epoch):
                return True
            await asyncio.sleep(self._timing.propagation_poll_s)
        return False

    async def _everywhere(self, epoch: int) -> bool:
        with suppress(DatabaseUnavailable):
            async with self._database.transaction() as session:
                return await processes_behind(session, epoch) == 0
        return False
