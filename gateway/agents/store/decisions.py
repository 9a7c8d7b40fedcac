"""The last decisions of agents and the proposals that are open, for lists."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables.agents import Agent, AgentAction, AgentActionStatus, AgentStatus, AgentTick


async def last_decisions(
    session: AsyncSession, account_id: UUID, agent_ids: Sequence[UUID]
) -> Mapping[UUID, AgentTick]:
    """Return the newest tick in which something happened, by agent."""
    query = (
        select(AgentTick)
        .ext(distinct_on(col(AgentTick.agent_id)))
        .where(col(AgentTick.account_id) == account_id, col(AgentTick.agent_id).in_(agent_ids))
        .order_by(col(AgentTick.agent_id), col(AgentTick.id).desc())
    )
    return {row.agent_id: row for row in (await session.scalars(query)).all()}


async def list_proposals(
    session: AsyncSession, account_id: UUID, now: datetime, limit: int
) -> Sequence[tuple[AgentAction, Agent]]:
    """Return the proposals of all agents that wait for approval, the oldest first."""
    query = (
        select(AgentAction, Agent)
        .join(Agent, col(Agent.id) == col(AgentAction.agent_id))
        .where(*_is_open(account_id, now))
        .order_by(col(AgentAction.id))
        .limit(limit)
    )
    return [(action, agent) for action, agent in (await session.execute(query)).all()]


async def count_proposals(
    session: AsyncSession, account_id: UUID, now: datetime
) -> Mapping[UUID, int]:
    """Return the number of proposals that wait for approval, by agent that has any."""
    query = (
        select(AgentAction.agent_id, func.count())
        .join(Agent, col(Agent.id) == col(AgentAction.agent_id))
        .where(*_is_open(account_id, now))
        .group_by(col(AgentAction.agent_id))
    )
    return {agent_id: count for agent_id, count in (await session.execute(query)).all()}


def _is_open(account_id: UUID, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of an action that waits for approval by a person."""
    return (
        col(AgentAction.account_id) == account_id,
        col(AgentAction.status) == AgentActionStatus.PROPOSED,
        col(AgentAction.expires_at) > now,
        col(Agent.account_id) == account_id,
        col(Agent.status) != AgentStatus.DELETED,
    )
