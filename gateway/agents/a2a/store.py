"""Tasks as rows: added once by message, brought up to date with their run, found and listed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.process_reaper import ENDED_PROCESSES
from gateway.agents.a2a.errors import task_not_found
from gateway.agents.public_ids import TASK
from gateway.agents.requests.store import KEPT
from gateway.agents.requests.views import run_json
from gateway.agents.views import action_json
from gateway.tables.agents import AgentAction, AgentActionStatus
from gateway.tables.agents_a2a import A2aTask, A2aTaskState, AgentRun, AgentRunStatus
from infra import ids

OPEN = (A2aTaskState.SUBMITTED, A2aTaskState.WORKING, A2aTaskState.INPUT_REQUIRED)
INTERRUPTED = "interrupted"
# A skill that answers at once takes less; later its process is taken for lost.
_MAX_WORK = timedelta(minutes=10)
_MAX_REFRESHED = 200
_OF_RUN = {
    AgentRunStatus.QUEUED: A2aTaskState.SUBMITTED,
    AgentRunStatus.RUNNING: A2aTaskState.WORKING,
    AgentRunStatus.FAILED: A2aTaskState.FAILED,
    AgentRunStatus.CANCELED: A2aTaskState.CANCELED,
}


@dataclass(frozen=True, slots=True)
class TaskScope:
    """Whose tasks are seen: of an account, and at an agent's address of this agent alone."""

    account_id: UUID
    agent_id: UUID | None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions of rows within the scope."""
        found = [col(A2aTask.account_id) == self.account_id]
        if self.agent_id is not None:
            found.append(col(A2aTask.agent_id) == self.agent_id)
        return found


async def add_task(session: AsyncSession, row: A2aTask) -> bool:
    """Add a task unless its key sent the message before. Returns whether it was added."""
    added = (
        insert(A2aTask)
        .values(**row.model_dump())
        .on_conflict_do_nothing(index_elements=["key_id", "message_id"])
        .returning(col(A2aTask.id))
    )
    is_new = (await session.execute(added)).one_or_none() is not None
    if is_new:
        await _forget_old(session, row)
    return is_new


async def find_by_message(session: AsyncSession, key_id: UUID, message_id: str) -> A2aTask | None:
    """Return the task of a message that a key sent before."""
    query = select(A2aTask).where(
        col(A2aTask.key_id) == key_id, col(A2aTask.message_id) == message_id
    )
    return (await session.scalars(query)).one_or_none()


async def find_task(
    session: AsyncSession, scope: TaskScope, task: str, now: datetime, *, is_locked: bool = False
) -> A2aTask:
    """Return a task as it is now. Raises A2aError."""
    query = select(A2aTask).where(*scope.conditions(), col(A2aTask.id) == ids.parse_id(TASK, task))
    row = (await session.scalars(query.with_for_update() if is_locked else query)).one_or_none()
    if row is None:
        raise task_not_found(task)
    await refresh(session, row, now)
    return row


async def list_tasks(
    session: AsyncSession,
    scope: TaskScope,
    now: datetime,
    filters: Sequence[ColumnElement[bool]],
    limit: int,
    before: UUID | None,
) -> tuple[Sequence[A2aTask], int]:
    """Return a page of tasks, the newest first, and the number of all that the filters find."""
    open_tasks = select(A2aTask).where(*scope.conditions(), col(A2aTask.state).in_(OPEN))
    for row in (await session.scalars(open_tasks.limit(_MAX_REFRESHED))).all():
        await refresh(session, row, now)
    await session.flush()
    conditions = [*scope.conditions(), *filters]
    total = (
        await session.scalars(select(func.count()).select_from(A2aTask).where(*conditions))
    ).one()
    query = select(A2aTask).where(*conditions).order_by(col(A2aTask.id).desc()).limit(limit)
    if before is not None:
        query = query.where(col(A2aTask.id) < before)
    return (await session.scalars(query)).all(), total


async def refresh(session: AsyncSession, row: A2aTask, now: datetime) -> None:
    """Bring an open task up to date with its run and proposals, or end one that was lost."""
    if row.state not in OPEN:
        return
    if row.run_id is None:
        if now - row.created_at > _MAX_WORK or await _is_lost(session, row.process_id):
            _set(row, A2aTaskState.FAILED, now, INTERRUPTED)
        return
    run = await session.get_one(AgentRun, row.run_id, populate_existing=True)
    actions = await _actions_of(session, run)
    row.result = {"run": run_json(run), "actions": [action_json(one) for one in actions]}
    _set(row, _state(run, actions, now), now, run.error)


async def _actions_of(session: AsyncSession, run: AgentRun) -> Sequence[AgentAction]:
    """Return the actions that a run came to."""
    if run.tick_id is None:
        return []
    query = (
        select(AgentAction)
        .where(
            col(AgentAction.account_id) == run.account_id, col(AgentAction.tick_id) == run.tick_id
        )
        .order_by(col(AgentAction.id))
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(query)).all()


def _state(run: AgentRun, actions: Sequence[AgentAction], now: datetime) -> A2aTaskState:
    """Return the state of the task of a run: input is required while a proposal is open."""
    if run.status in _OF_RUN:
        return _OF_RUN[AgentRunStatus(run.status)]
    is_open = any(
        one.status == AgentActionStatus.PROPOSED and one.expires_at > now for one in actions
    )
    return A2aTaskState.INPUT_REQUIRED if is_open else A2aTaskState.COMPLETED


def _set(row: A2aTask, state: A2aTaskState, now: datetime, error: str | None) -> None:
    """Set the state of a task, and when it changed."""
    if row.state != state:
        row.state, row.updated_at, row.error = state, now, error


async def _is_lost(session: AsyncSession, process_id: UUID | None) -> bool:
    """Return whether a process has ended."""
    if process_id is None:
        return False
    ended = ENDED_PROCESSES.subquery()
    query = select(ended.c.id).where(ended.c.id == process_id)
    return (await session.scalars(query)).first() is not None


async def _forget_old(session: AsyncSession, row: A2aTask) -> None:
    """Delete ended tasks of a key that are older than the runs that are kept."""
    await session.execute(
        delete(A2aTask)
        .where(
            col(A2aTask.key_id) == row.key_id,
            col(A2aTask.created_at) < row.created_at - KEPT,
            col(A2aTask.state).not_in(OPEN),
        )
        .execution_options(synchronize_session=False)
    )
