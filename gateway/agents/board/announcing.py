"""Announce tasks of a case: each once by its key, one open task of a team and asset at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.board.contract_net.values import TASK, CaseContent, write_content
from gateway.tables.agents_board import AgentTask, AgentTaskEvent, AgentTeam, TaskKind, TaskStatus
from infra import ids

# How long a person has to answer a task.
ANSWER_WITHIN = timedelta(days=3)
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Announcement:
    """A task to announce. key: unique in the account. case_id: None for the first of a case."""

    kind: TaskKind
    asset_id: UUID
    announced_by: UUID
    key: str
    content: CaseContent
    case_id: UUID | None = None


async def announce(
    session: AsyncSession, team: AgentTeam, announced: Announcement, now: datetime
) -> UUID | None:
    """Announce a task and return its id; None if it was announced, or another one is open."""
    task_id = ids.new_id()
    query = (
        insert(AgentTask)
        .values(
            id=task_id,
            account_id=team.account_id,
            team_id=team.id,
            case_id=announced.case_id or task_id,
            asset_id=announced.asset_id,
            key=announced.key,
            kind=announced.kind.value,
            status=TaskStatus.ANNOUNCED.value,
            content=write_content(announced.content),
            announced_by=announced.announced_by,
            leases=0,
            lapsed={},
            deadline_at=now + timedelta(seconds=team.task_s),
            cost_nano=0,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(col(AgentTask.id))
    )
    if (await session.scalars(query)).one_or_none() is None:
        return None
    add_event(session, team.account_id, task_id, "announced", now, announced.announced_by)
    await session.flush()
    return task_id


async def announce_next(
    session: AsyncSession, team: AgentTeam, task: AgentTask, kind: TaskKind, content: CaseContent,
    now: datetime, by: UUID | None = None,
) -> UUID | None:  # fmt: skip
    """Announce the task that follows a finished one of the same case."""
    await session.flush()
    following = Announcement(
        kind=kind,
        asset_id=task.asset_id,
        announced_by=by or task.holder_id or task.announced_by,
        key=f"{ids.format_id(TASK, task.id)}:{kind.value}",
        content=content,
        case_id=task.case_id,
    )
    return await announce(session, team, following, now)


async def last_case_at(session: AsyncSession, team: AgentTeam, asset_id: UUID) -> datetime | None:
    """Return when the newest case of a team about an asset was announced."""
    query = (
        select(col(AgentTask.created_at))
        .where(
            col(AgentTask.account_id) == team.account_id,
            col(AgentTask.team_id) == team.id,
            col(AgentTask.asset_id) == asset_id,
            col(AgentTask.kind) == TaskKind.DIAGNOSE,
        )
        .order_by(col(AgentTask.id).desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


def add_event(
    session: AsyncSession, account_id: UUID, task_id: UUID, kind: str, at: datetime,
    agent_id: UUID | None = None, data: Mapping[str, Any] = _NOTHING,
) -> None:  # fmt: skip
    """Add an event of a task."""
    session.add(
        AgentTaskEvent(
            id=ids.new_id(),
            account_id=account_id,
            task_id=task_id,
            kind=kind,
            agent_id=agent_id,
            data=dict(data),
            at=at,
        )
    )
