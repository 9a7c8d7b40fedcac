"""Renew the commands of an agent while its decision holds; otherwise dead-man timers end."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.assessment import Assessment
from gateway.agents.commands.leases import lease_time
from gateway.agents.commands.limits import limits_in_force, read_document
from gateway.agents.commands.planning import planned_writes
from gateway.agents.definitions.values import AgentDefinition
from gateway.tables.agents import Agent
from gateway.tables.agents_commands import LIVE_COMMANDS, AgentCommand, AgentPointLease


async def renew_commands(
    session: AsyncSession,
    agent: Agent,
    definition: AgentDefinition,
    assessment: Assessment,
    now: datetime,
) -> None:
    """Renew the commands that the decision still asks for, and the control of their points.

    Commands of an earlier version of the agent are not renewed.
    """
    writes = planned_writes(definition.commands, assessment)
    await renew_points(session, agent, [write.tag for write in writes], now)


async def renew_points(
    session: AsyncSession, agent: Agent, tags: Sequence[str], now: datetime
) -> None:
    """Renew the commands to points, and the control of them by the agent."""
    if not tags:
        return
    renewed = await session.execute(
        update(AgentCommand)
        .where(
            col(AgentCommand.account_id) == agent.account_id,
            col(AgentCommand.agent_id) == agent.id,
            col(AgentCommand.version) == agent.version,
            col(AgentCommand.tag).in_(tags),
            col(AgentCommand.status).in_(LIVE_COMMANDS),
            ~col(AgentCommand.is_undo),
        )
        .values(renewed_at=now)
        .returning(col(AgentCommand.tag))
        .execution_options(synchronize_session=False)
    )
    await _extend(session, agent, {tag for (tag,) in renewed.all()}, now)


async def _extend(session: AsyncSession, agent: Agent, tags: set[str], now: datetime) -> None:
    """Extend the leases of points whose commands were renewed."""
    if not tags:
        return
    query = select(AgentPointLease).where(
        col(AgentPointLease.account_id) == agent.account_id,
        col(AgentPointLease.agent_id) == agent.id,
        col(AgentPointLease.tag).in_(tags),
    )
    found = (await limits_in_force(session, agent.account_id, now)).values()
    points = {point.tag: point for row in found for point in read_document(row).points}
    for lease in (await session.scalars(query.with_for_update())).all():
        if lease.tag in points:
            lease.until = max(lease.until, now + lease_time(points[lease.tag]))
    await session.flush()
