"""Create, change, find, list and delete teams of agents; each change is in the audit log."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.board.clock import database_now
from gateway.agents.board.contract_net.values import TEAM
from gateway.agents.board.errors import (
    AgentTeamInUse,
    AgentTeamLimitReached,
    AgentTeamNameTaken,
    AgentTeamNotFound,
)
from gateway.agents.board.membership import list_members
from gateway.agents.board.team_fields import TeamDocument, read_team, team_document, team_values
from gateway.agents.store.agents import AgentChange
from gateway.identity.audit_log import record_audit_event
from gateway.tables.agents import Agent
from gateway.tables.agents_board import OPEN_STATUSES, AgentTask, AgentTeam, AgentTeamMember
from infra import ids
from infra.database.paging import page_of

MAX_TEAMS = 200


async def create_team(change: AgentChange, document: TeamDocument) -> AgentTeam:
    """Create a team. Raises AgentTeamInvalid, AgentTeamNameTaken, AgentTeamLimitReached."""
    values = team_values(document)
    await _require_room(change)
    await _require_free(change, values["name"])
    now = await database_now(change.session)
    row = AgentTeam(
        id=ids.new_id(),
        account_id=change.account_id,
        spent_day=now.date(),
        created_at=now,
        updated_at=now,
        **values,
    )
    change.session.add(row)
    await change.session.flush()
    await record(change, "agent.team_created", row, {"name": row.name})
    return row


async def change_team(change: AgentChange, team: str, fields: Mapping[str, Any]) -> AgentTeam:
    """Change fields of a team; its name stays, because definitions of agents state it.

    Raises AgentTeamNotFound, AgentTeamInvalid.
    """
    row = await find_team(change.session, change.account_id, team, is_locked=True)
    values = team_values(read_team({"name": row.name, **fields}, team_document(row)))
    if values["name"] != row.name:
        raise AgentTeamNameTaken("A team keeps its name. Create another team.", param="name")
    changed = sorted(name for name, value in values.items() if getattr(row, name) != value)
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        row.updated_at = await database_now(change.session)
        await change.session.flush()
        await record(change, "agent.team_changed", row, {"fields": changed})
    return row


async def delete_team(change: AgentChange, team: str) -> AgentTeam:
    """Delete a team without members; its finished tasks are kept.

    Raises AgentTeamNotFound, AgentTeamInUse.
    """
    row = await find_team(change.session, change.account_id, team, is_locked=True)
    if await list_members(change.session, change.account_id, row.id):
        raise AgentTeamInUse("The team has members. Delete these agents, or change their team.")
    has_open = select(col(AgentTask.id)).where(
        col(AgentTask.account_id) == change.account_id,
        col(AgentTask.team_id) == row.id,
        col(AgentTask.status).in_(OPEN_STATUSES),
    )
    if (await change.session.scalars(has_open.limit(1))).one_or_none() is not None:
        raise AgentTeamInUse("The team has open tasks. Cancel them first.")
    row.deleted_at = await database_now(change.session)
    await change.session.execute(
        delete(AgentTeamMember).where(
            col(AgentTeamMember.account_id) == change.account_id,
            col(AgentTeamMember.team_id) == row.id,
        )
    )
    await record(change, "agent.team_deleted", row, {"name": row.name})
    return row


async def find_team(
    session: AsyncSession, account_id: UUID, team: str, *, is_locked: bool = False
) -> AgentTeam:
    """Return one of the account's teams. Raises AgentTeamNotFound."""
    query = select(AgentTeam).where(
        col(AgentTeam.account_id) == account_id,
        col(AgentTeam.id) == ids.parse_id(TEAM, team),
        col(AgentTeam.deleted_at).is_(None),
    )
    row = (
        await session.scalars(query.with_for_update(key_share=True) if is_locked else query)
    ).one_or_none()
    if row is None:
        raise AgentTeamNotFound(f"The team {team[:60]!r} does not exist.", param="team")
    return row


async def list_teams(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> Sequence[AgentTeam]:
    """Return a page of the account's teams, the newest first."""
    query = select(AgentTeam).where(
        col(AgentTeam.account_id) == account_id, col(AgentTeam.deleted_at).is_(None)
    )
    return (await session.scalars(page_of(query, col(AgentTeam.id), limit, after))).all()


async def list_payers(session: AsyncSession, account_id: UUID, team_id: UUID) -> Sequence[UUID]:
    """Return the ids of the keys that pay for the members of a team."""
    query = (
        select(col(Agent.key_id))
        .join(AgentTeamMember, col(AgentTeamMember.agent_id) == col(Agent.id))
        .where(col(Agent.account_id) == account_id, col(AgentTeamMember.team_id) == team_id)
        .distinct()
    )
    return (await session.scalars(query)).all()


async def record(
    change: AgentChange, action: str, row: AgentTeam, details: Mapping[str, Any]
) -> None:
    """Record the change of a team in the audit log."""
    subject = ids.format_id(TEAM, row.id)
    await record_audit_event(
        change.session, change.clock, change.actor, change.account_id, action, subject, details
    )


async def _require_free(change: AgentChange, name: str) -> None:
    """Raise AgentTeamNameTaken if the account has a team of the name."""
    query = select(col(AgentTeam.id)).where(
        col(AgentTeam.account_id) == change.account_id,
        col(AgentTeam.name) == name,
        col(AgentTeam.deleted_at).is_(None),
    )
    if (await change.session.scalars(query)).one_or_none() is not None:
        raise AgentTeamNameTaken(f"The account has a team {name[:60]!r}.", param="name")


async def _require_room(change: AgentChange) -> None:
    """Raise AgentTeamLimitReached if the account has as many teams as it may."""
    query = (
        select(func.count())
        .select_from(AgentTeam)
        .where(col(AgentTeam.account_id) == change.account_id, col(AgentTeam.deleted_at).is_(None))
    )
    if (await change.session.scalars(query)).one() >= MAX_TEAMS:
        raise AgentTeamLimitReached(f"The account has {MAX_TEAMS} teams, the most allowed.")
