"""Due agents as a queue: claimed by a process, of one account at a time, and released.

A claim lasts until its process releases it or has ended, so that another process takes over the
agents of one that was killed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.process_reaper import ENDED_PROCESSES
from gateway.tables.agents import Agent, AgentStatus
from infra.database.due_work import ProcessValue, TimeValue
from infra.work_queue import OwnedQueue, RetryPolicy

MAX_CLAIMED = 200
# A tick that waits for the platform is repeated after this time, doubled up to an hour.
RETRY = RetryPolicy(timedelta(seconds=15), timedelta(hours=1))
_QUEUE = OwnedQueue(
    table=Agent,
    id=col(Agent.id),
    attempts=col(Agent.failures),
    pending=col(Agent.status) == AgentStatus.ACTIVE,
    order=(col(Agent.due_at),),
    retry=RETRY,
    owner=col(Agent.process_id),
    lost_owners=ENDED_PROCESSES,
    retry_at=col(Agent.retry_at),
)


def due_agents(now: TimeValue, process_id: ProcessValue) -> ColumnElement[bool]:
    """Return the condition of agents whose tick is due and that this process may claim."""
    return _QUEUE.claimable_condition(now, process_id) & (col(Agent.due_at) <= now)


async def claim_due(session: AsyncSession, now: datetime, process_id: UUID) -> Sequence[Agent]:
    """Claim due agents of one account, which is chosen at random; none if none is due."""
    is_due = due_agents(now, process_id)
    accounts = select(col(Agent.account_id)).where(is_due).distinct().subquery()
    chosen = (
        await session.scalars(select(accounts.c.account_id).order_by(func.random()).limit(1))
    ).one_or_none()
    if chosen is None:
        return []
    due = (
        select(col(Agent.id))
        .where(is_due, col(Agent.account_id) == chosen)
        .order_by(col(Agent.due_at))
        .limit(MAX_CLAIMED)
        .with_for_update(skip_locked=True)
    )
    claimed = (
        update(Agent)
        .where(col(Agent.id).in_(due.scalar_subquery()))
        .values(process_id=process_id)
        .returning(Agent)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return (await session.scalars(claimed)).all()


async def lock_claimed(session: AsyncSession, agent: Agent, process_id: UUID) -> Agent | None:
    """Lock and return a claimed agent; None if it is another process's by now."""
    query = select(Agent).where(
        col(Agent.id) == agent.id,
        col(Agent.account_id) == agent.account_id,
        col(Agent.process_id) == process_id,
    )
    return (
        await session.scalars(query.with_for_update().execution_options(populate_existing=True))
    ).one_or_none()


def next_due(due_at: datetime, every_s: float, now: datetime) -> datetime:
    """Return the next tick on the agent's grid of times after now; missed ones are skipped.

    If the clock was set back, the next tick is one interval from now.
    """
    every = timedelta(seconds=every_s)
    if due_at > now + every:
        return now + every
    missed = max(0, (now - due_at) // every)
    return due_at + every * (missed + 1)
