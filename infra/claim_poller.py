"""Polling loop over claimed rows: claim one, work on it, and record how the work ended."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from infra.database.database import Database
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

    A row whose work fails for the database stays claimed until the process ends or claims again.
    """

    def __init__(
        self,
        name: str,
        queue: OwnedQueue[Row],
        database: Database,
        owner: Owner,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        super().__init__(name, self._handle_next, timing)
        self._queue = queue
        self._database = database
        self._owner = owner

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
        """Record that the work on a row raised an error other than of SQLAlchemy."""

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
        except SQLAlchemyError:
            raise
        except Exception as error:
            await self._failed(row, error)
        return True
