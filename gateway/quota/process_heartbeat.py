"""Membership: this process as one of the gateway processes that share a database.

Owns its identity, staying alive by renewing it in time, and ending processes that did not: so
that what a dead process held comes back, and its open calls are settled and reported.
"""

import os
import socket
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.leases import ProcessEnded, register, renew
from billing.metering.process_reaper import end_process, reap_one, tidy
from infra import ids
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.database.direct import DirectConnection
from infra.telemetry.metrics import Metrics
from infra.timing import USUAL, Timing


class Membership:
    """The identity under which one process borrows and records."""

    def __init__(
        self,
        database: Database,
        reading: DirectConnection,
        clock: Clock,
        metrics: Metrics,
        timing: Timing = USUAL,
    ) -> None:
        self._timing = timing
        self._database = database
        self._reading = reading
        self._clock = clock
        self._metrics = metrics
        self._registered = False
        self._alive_until = self._next_renewal = float("-inf")
        self._next_tidy = clock.monotonic() + timing.first_look_s
        self._others_have_until = float("-inf")
        self._log = structlog.get_logger()
        self.process_id = ids.new_id()

    @property
    def alive(self) -> bool:
        """False where others may take us for dead by now: then nothing new may be promised."""
        return self._clock.monotonic() < self._alive_until

    async def keep(self) -> None:
        """Renew where it is time to, and end those who did not. Call it often.

        Raises ProcessEnded, DatabaseUnavailable.
        """
        # What is confirmed was true when we asked, not when the answer came.
        asked, timing = self._clock.monotonic(), self._timing
        if asked < self._next_renewal:
            return
        late = self._registered and asked > self._next_renewal + timing.process_renew_s
        if not self._registered:
            async with self._database.transaction() as session:
                await self._register(session)
            self._registered = True
        alive, others_lost = await renew(self._reading, self.process_id, timing.process_ttl_s)
        if not alive:
            raise ProcessEnded
        if late:
            # If that was the database's doing, all others are late as well, and live.
            self._others_have_until = asked + timing.process_ttl_s
        self._alive_until = asked + timing.process_ttl_s - timing.process_margin_s
        self._next_renewal = asked + timing.process_renew_s
        if others_lost and asked >= self._others_have_until:
            await self._reap()
        if asked >= self._next_tidy:
            self._next_tidy = asked + timing.process_tidy_s
            async with self._database.transaction() as session:
                await tidy(session)

    def suspect(self) -> None:
        """The database did not know us as alive: find out at the next `keep`."""
        self._next_renewal = min(self._next_renewal, self._clock.monotonic())

    def begin_anew(self) -> None:
        """We were taken for dead: all that we had is gone, so we go on as another process."""
        self._log.error("this process was taken for dead; it begins anew")
        self.process_id = ids.new_id()
        self._registered = False
        self._alive_until = self._next_renewal = float("-inf")

    async def end(self) -> None:
        """Give all back. If the database is gone, others will do it when our time is over."""
        self._alive_until = float("-inf")
        with suppress(DatabaseUnavailable, SQLAlchemyError):
            async with self._database.transaction() as session:
                await end_process(session, self.process_id, self._clock.now())

    async def _register(self, session: AsyncSession) -> None:
        host, ttl = socket.gethostname(), self._timing.process_ttl_s
        await register(session, self.process_id, host, os.getpid(), ttl)

    async def _reap(self) -> None:
        while True:
            async with self._database.transaction() as session:
                ended = await reap_one(session, self._clock.now())
            if ended is None:
                break
            self._metrics.processes_lost.inc()
            self._metrics.calls_unknown.inc(ended.unknown)
            self._log.warning(
                "a gateway process was lost; its open calls are settled as unknown",
                process=str(ended.process_id),
                calls=ended.unknown,
            )
