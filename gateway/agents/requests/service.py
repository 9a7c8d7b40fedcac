"""Runs of agents for handlers of requests: requested, waited for, and read."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.requests.store import RunRequest, request_run
from gateway.agents.store.agents import AgentChange
from gateway.tables.agents_a2a import AgentRun, AgentRunStatus
from infra.clock import Clock
from infra.database.database import Database

_LOOK_EVERY_S = 0.2
_ENDED = (AgentRunStatus.SUCCEEDED, AgentRunStatus.FAILED, AgentRunStatus.CANCELED)


@dataclass(frozen=True, slots=True)
class AgentRuns:
    """Requests runs, which a runner of any gateway process carries out.

    wake: the runner of this process. per_hour: runs that an agent may have in an hour.
    """

    database: Database
    clock: Clock
    wake: Callable[[], None]
    per_hour: int

    async def request(self, change: AgentChange, request: RunRequest) -> AgentRun:
        """Queue a run in the transaction of a change; see `request_run` for what it raises."""
        return await request_run(change, request, self.per_hour)

    async def wait(self, run: AgentRun, seconds: float) -> AgentRun:
        """Return a run once it has ended, or as it is after `seconds`."""
        if is_ended(run):
            return run
        self.wake()
        until = self.clock.monotonic() + seconds
        while not is_ended(run) and self.clock.monotonic() < until:
            await asyncio.sleep(_LOOK_EVERY_S)
            async with self.database.transaction() as session:
                run = await _read(session, run.id)
        return run


def is_ended(run: AgentRun) -> bool:
    """Return whether nothing of a run is outstanding."""
    return run.status in _ENDED


async def _read(session: AsyncSession, run_id: UUID) -> AgentRun:
    """Return the row of a run as it is now."""
    return await session.get_one(AgentRun, run_id, populate_existing=True)
