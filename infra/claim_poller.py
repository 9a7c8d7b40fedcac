"""Polling loop over claimed rows: claim one, work on it, and record how the work ended."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from infra.clock import Clock
from infra.database.database import Database, is_outage
from infra.database.due_work import DueRows, Moment
from infra.poller import Poller
from infra.timing import DEFAULT_TIMING, Timing
from infra.work_queue import OwnedQueue

Row = TypeVar("Row")


class Owner(Protocol):
    """The process that claims rows (gateway/quota/process_heartbeat.py)."""

    @property
    def process_id(self) -> UUID:
        """Return the id under which rows are claimed."""
        ...

    @property
    def is_alive(self) -> bool:
        """Return whether other processes still regard this one as running."""
        ...


class ClaimPoller(Poller, Generic[Row]):
    """A poller whose work are rows of a queue, one at a time. Subclasses say how.

    A row whose end cannot be recorded because the database is away stays claimed until the process
    ends or claims again.
    """

    def __init__(
        self,
        name: str,
        queue: OwnedQueue[Row],
        database: Database,
        owner: Owner,
        clock: Clock,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        super().__init__(name, self._handle_next, timing)
        self._queue = queue
        self._database = database
        self._owner = owner
        self._clock = clock

    def due_rows(self, moment: Moment) -> Sequence[DueRows]:
        """Return the query of the queue's claimable rows."""
        return (self._queue.claimable_rows(moment.now, moment.process_id),)

    @abstractmethod
    async def _claim(self, session: AsyncSession, process_id: UUID) -> Row | None:
        """Claim the next row for this process; None if none is due."""

    @abstractmethod
    async def _work(self, row: Row) -> None:
        """Work on a claimed row, and record how it ended unless it raises."""

    @abstractmethod
    async def _interrupted(self, row: Row) -> None:
        """Release a row whose work was cancelled, because the process stops."""

    @abstractmethod
    async def _failed(self, row: Row, error: Exception) -> None:
        """Record that the work on a row raised an error, also one of the database."""

    async def _handle_next(self) -> bool:
        """Claim a row and work on it. Returns whether there was one."""
        if not self._owner.is_alive:
            return False
        async with self._database.transaction() as session:
            row = await self._claim(session, self._owner.process_id)
        if row is None:
            return False
        try:
            await self._work(row)
        except asyncio.CancelledError:
            await asyncio.shield(self._interrupted(row))
            raise
        except Exception as error:
            await self._record_failure(row, error)
        return True

    async def _record_failure(self, row: Row, error: Exception) -> None:
        """Record how the work failed; if that fails too, release the row for later and raise.

        A row that stayed claimed would be claimed again at once, before all others of the queue.
        """
        try:
            await self._failed(row, error)
        except Exception as failure:
            if not is_outage(failure):
                async with self._database.transaction() as session:
                    process_id, now = self._owner.process_id, self._clock.now()
                    await self._queue.release_failed(session, row, process_id, now)
            raise
