"""The heartbeat of this process among the gateway processes that share a database.

A process renews its row before its time to live ends. Expired processes are reaped: their leases
are returned and their open calls are settled as unknown.
"""

import os
import socket
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.leases import ProcessEnded, register_process, renew_process
from billing.metering.process_reaper import delete_expired_rows, end_process, reap_expired_process
from infra import ids
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.database.direct import DirectConnection
from infra.telemetry.metrics import Metrics
from infra.timing import DEFAULT_TIMING, Timing


class ProcessHeartbeat:
    """The process id under which this process leases quota and records usage, kept alive."""

    def __init__(
        self,
        database: Database,
        heartbeat_connection: DirectConnection,
        clock: Clock,
        metrics: Metrics,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self._timing = timing
        self._database = database
        self._heartbeat_connection = heartbeat_connection
        self._clock = clock
        self._metrics = metrics
        self._registered = False
        self._alive_until_monotonic = self._next_renewal_monotonic = float("-inf")
        self._next_cleanup_monotonic = clock.monotonic() + timing.first_look_s
        self._reap_after_monotonic = float("-inf")
        self._log = structlog.get_logger()
        self.process_id = ids.new_id()

    @property
    def is_alive(self) -> bool:
        """Return whether this process may admit calls: others cannot consider it dead yet."""
        return self._clock.monotonic() < self._alive_until_monotonic

    async def renew_if_due(self) -> None:
        """Renew the heartbeat if it is due, and clean up after processes whose heartbeat expired.

        Call it often. Raises ProcessEnded, DatabaseUnavailable.
        """
        # The confirmation is valid from the time of the request, not of the response.
        now, timing = self._clock.monotonic(), self._timing
        if now < self._next_renewal_monotonic:
            return
        is_late = self._registered and now > self._next_renewal_monotonic + timing.process_renew_s
        if not self._registered:
            async with self._database.transaction() as session:
                await self._register(session)
            self._registered = True
        is_alive, others_expired = await renew_process(
            self._heartbeat_connection, self.process_id, timing.process_ttl_s
        )
        if not is_alive:
            raise ProcessEnded
        if is_late:
            # If the database caused the delay, the other processes are late too, but alive.
            self._reap_after_monotonic = now + timing.process_ttl_s
        self._alive_until_monotonic = now + timing.process_ttl_s - timing.process_margin_s
        self._next_renewal_monotonic = now + timing.process_renew_s
        if others_expired and now >= self._reap_after_monotonic:
            await self._reap()
        if now >= self._next_cleanup_monotonic:
            self._next_cleanup_monotonic = now + timing.process_tidy_s
            async with self._database.transaction() as session:
                await delete_expired_rows(session)

    def recheck(self) -> None:
        """Make the next `renew_if_due` check whether others have declared this process dead."""
        self._next_renewal_monotonic = min(self._next_renewal_monotonic, self._clock.monotonic())

    def restart(self) -> None:
        """Continue with a new process id after others declared this process dead."""
        self._log.error("this process was declared dead; it continues with a new process id")
        self.process_id = ids.new_id()
        self._registered = False
        self._alive_until_monotonic = self._next_renewal_monotonic = float("-inf")

    async def end(self) -> None:
        """Return all leases. Without a database, another process does it after the expiry."""
        self._alive_until_monotonic = float("-inf")
        with suppress(DatabaseUnavailable, SQLAlchemyError):
            async with self._database.transaction() as session:
                await end_process(session, self.process_id, self._clock.now())

    async def _register(self, session: AsyncSession) -> None:
        """Insert the row of this process."""
        host, ttl_s = socket.gethostname(), self._timing.process_ttl_s
        await register_process(session, self.process_id, host, os.getpid(), ttl_s)

    async def _reap(self) -> None:
        """Settle the calls and return the leases of all expired processes."""
        while True:
            async with self._database.transaction() as session:
                reaped = await reap_expired_process(session, self._clock.now())
            if reaped is None:
                break
            self._metrics.processes_lost.inc()
            self._metrics.calls_unknown.inc(reaped.unknown_calls)
            self._log.warning(
                "a gateway process was lost; its open calls are settled as unknown",
                process=str(reaped.process_id),
                calls=reaped.unknown_calls,
            )
