"""Members of teams as rows, kept with the definitions of agents."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.board.errors import AgentTeamNotFound
from gateway.agents.definitions.board import BoardMembership
from gateway.tables.agents import Agent, AgentStatus
from gateway.tables.agents_board import AgentTeam, AgentTeamMember


async def find_team_named(session: AsyncSession, account_id: UUID, name: str) -> AgentTeam:
    """Return the account's team of a name. Raises AgentTeamNotFound."""
    query = select(AgentTeam).where(
        col(AgentTeam.account_id) == account_id,
        col(AgentTeam.name) == name,
        col(AgentTeam.deleted_at).is_(None),
    )
    # Shared, so that the team is not deleted meanwhile.
    row = (await session.scalars(query.with_for_update(read=True))).one_or_none()
    if row is None:
        raise AgentTeamNotFound(
            f"The team {name[:60]!r} does not exist. Create it first.", param="board.team"
        )
    return row


async def keep_membership(
    session: AsyncSession, row: Agent, membership: BoardMembership | None
) -> None:
    """Make the stored membership that of a definition. Raises AgentTeamNotFound."""
    if membership is None:
        await session.execute(
            delete(AgentTeamMember).where(
                col(AgentTeamMember.account_id) == row.account_id,
                col(AgentTeamMember.agent_id) == row.id,
            )
        )
        return
    team = await find_team_named(session, row.account_id, membership.team)
    stated: dict[str, Any] = {"team_id": team.id, "role": membership.role.value, "decisions": {}}
    query = insert(AgentTeamMember).values(agent_id=row.id, account_id=row.account_id, **stated)
    await session.execute(
        query.on_conflict_do_update(index_elements=[col(AgentTeamMember.agent_id)], set_=stated)
    )


async def list_members(
    session: AsyncSession, account_id: UUID, team_id: UUID, *, is_active: bool = False
) -> Sequence[tuple[AgentTeamMember, Agent]]:
    """Return the members of a team with their agents, deleted ones not, in the order of ids."""
    query = (
        select(AgentTeamMember, Agent)
        .join(Agent, col(Agent.id) == col(AgentTeamMember.agent_id))
        .where(
            col(AgentTeamMember.account_id) == account_id,
            col(AgentTeamMember.team_id) == team_id,
            col(Agent.account_id) == account_id,
            col(Agent.status) != AgentStatus.DELETED,
        )
        .order_by(col(Agent.id))
    )
    if is_active:
        query = query.where(col(Agent.status) == AgentStatus.ACTIVE)
    return [(member, agent) for member, agent in (await session.execute(query)).all()]
