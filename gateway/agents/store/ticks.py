"""Ticks of an agent in which something happened, by page."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables.agents import AgentTick
from infra.database.paging import page_of


async def list_ticks(
    session: AsyncSession, account_id: UUID, agent_id: UUID, limit: int, after: UUID | None = None
) -> Sequence[AgentTick]:
    """Return a page of the ticks of an agent, the newest first."""
    query = select(AgentTick).where(
        col(AgentTick.account_id) == account_id, col(AgentTick.agent_id) == agent_id
    )
    return (await session.scalars(page_of(query, col(AgentTick.id), limit, after))).all()
