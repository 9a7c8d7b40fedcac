"""Names of agents by their public ids."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.public_ids import AGENT
from gateway.tables.agents import Agent
from infra import ids


async def agent_names(
    session: AsyncSession, account_id: UUID, public_ids: Iterable[str | None]
) -> Mapping[str, str]:
    """Return the names of the account's agents by public id; other names are left out."""
    parsed = {ids.parse_id(AGENT, one) for one in public_ids if one is not None}
    query = select(Agent.id, Agent.name).where(
        col(Agent.account_id) == account_id,
        col(Agent.id).in_([one for one in parsed if one is not None]),
    )
    rows = (await session.execute(query)).all()
    return {ids.format_id(AGENT, agent_id): name for agent_id, name in rows}
