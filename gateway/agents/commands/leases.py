"""One writer per point: an agent controls a point until its lease ends or is released."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.errors import AgentCommandRefused
from gateway.agents.public_ids import AGENT
from gateway.plant.commands.values import PointLimits
from gateway.tables.agents_commands import (
    LIVE_COMMANDS,
    OPEN_COMMANDS,
    AgentCommand,
    AgentPointLease,
)
from infra import ids

BUSY = "point_busy"
_SHORTEST = timedelta(hours=1)


async def acquire_lease(
    session: AsyncSession, account_id: UUID, agent_id: UUID, point: PointLimits, now: datetime
) -> None:
    """Let an agent control a point, or go on. Raises AgentCommandRefused if another one does."""
    if await _take(session, account_id, agent_id, point, now):
        return
    await release_lease(session, account_id, point.tag)
    if not await _take(session, account_id, agent_id, point, now):
        await _raise_busy(session, account_id, point.tag)


async def release_lease(session: AsyncSession, account_id: UUID, tag: str) -> None:
    """End the control of a point, unless a command of its agent is in effect.

    The lease is locked first, so that the deletion sees the commands of whoever held the lock.
    """
    of_point = (
        col(AgentPointLease.account_id) == account_id,
        col(AgentPointLease.tag) == tag,
    )
    await session.execute(select(AgentPointLease).where(*of_point).with_for_update())
    await session.execute(
        delete(AgentPointLease)
        .where(*of_point, ~_is_in_effect())
        .execution_options(synchronize_session=False)
    )


async def _take(
    session: AsyncSession, account_id: UUID, agent_id: UUID, point: PointLimits, now: datetime
) -> bool:
    """Take the lease of a point if it is free, over, or the agent's own."""
    values = {
        "account_id": account_id,
        "tag": point.tag,
        "agent_id": agent_id,
        "until": now + lease_time(point),
    }
    statement = insert(AgentPointLease).values(**values)
    free = or_(
        col(AgentPointLease.agent_id) == statement.excluded.agent_id,
        col(AgentPointLease.until) <= now,
    )
    taken = statement.on_conflict_do_update(
        index_elements=["account_id", "tag"],
        set_={"agent_id": statement.excluded.agent_id, "until": statement.excluded.until},
        where=free,
    ).returning(col(AgentPointLease.tag))
    return (await session.execute(taken)).scalar_one_or_none() is not None


def lease_time(point: PointLimits) -> timedelta:
    """Return how long an agent controls a point after a command or its renewal."""
    return max(_SHORTEST, timedelta(seconds=point.dead_man_s or 0.0))


def _is_in_effect() -> ColumnElement[bool]:
    """Return whether a command of the lease's agent is in effect, or its undo on its way."""
    live = and_(col(AgentCommand.status).in_(LIVE_COMMANDS), ~col(AgentCommand.is_undo))
    undoing = and_(col(AgentCommand.status).in_(OPEN_COMMANDS), col(AgentCommand.is_undo))
    return exists().where(
        col(AgentCommand.account_id) == col(AgentPointLease.account_id),
        col(AgentCommand.agent_id) == col(AgentPointLease.agent_id),
        col(AgentCommand.tag) == col(AgentPointLease.tag),
        or_(live, undoing),
    )


async def _raise_busy(session: AsyncSession, account_id: UUID, tag: str) -> None:
    """Raise AgentCommandRefused with the agent that controls a point."""
    query = select(AgentPointLease).where(
        col(AgentPointLease.account_id) == account_id, col(AgentPointLease.tag) == tag
    )
    held = (await session.scalars(query)).one_or_none()
    if held is None:
        raise AgentCommandRefused(f"The point {tag!r} was released just now. Repeat.", param=BUSY)
    holder = ids.format_id(AGENT, held.agent_id)
    raise AgentCommandRefused(
        f"The point {tag!r} is controlled by {holder} until {held.until:%Y-%m-%d %H:%M} UTC. Undo "
        "its command first.",
        param=BUSY,
    )
