"""Find and list tasks with their events; cancel one, or answer one as a person."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.board.announcing import add_event, announce_next
from gateway.agents.board.clock import database_now
from gateway.agents.board.contract_net.values import TASK, CaseContent, read_content
from gateway.agents.board.errors import AgentTaskAnswerInvalid, AgentTaskClosed, AgentTaskNotFound
from gateway.agents.board.holds import settle_task
from gateway.agents.store.agents import AgentChange
from gateway.identity.audit_log import record_audit_event
from gateway.tables.agents_board import (
    OPEN_STATUSES,
    AgentTask,
    AgentTaskEvent,
    AgentTeam,
    TaskKind,
    TaskStatus,
)
from infra import ids
from infra.database.paging import page_of

_MAX_NOTE = 500


class TaskAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a person to conflicting verdicts, or to a diagnosis that nobody can pay for.

    Either `agree_with`, the id of the agent whose verdict counts, or `probability` of a failure,
    0 to 1. `note` is kept with the task.
    """

    agree_with: str | None = None
    probability: float | None = None
    note: str = ""


async def find_task(
    session: AsyncSession, account_id: UUID, task: str, *, is_locked: bool = False
) -> AgentTask:
    """Return one of the account's tasks. Raises AgentTaskNotFound."""
    query = select(AgentTask).where(
        col(AgentTask.account_id) == account_id, col(AgentTask.id) == ids.parse_id(TASK, task)
    )
    if is_locked:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise AgentTaskNotFound(f"The task {task[:60]!r} does not exist.", param="task")
    return row


async def list_tasks(
    session: AsyncSession,
    account_id: UUID,
    limit: int,
    after: UUID | None = None,
    team_id: UUID | None = None,
    status: TaskStatus | None = None,
    asset_id: UUID | None = None,
) -> Sequence[AgentTask]:
    """Return a page of tasks, the newest first."""
    query = select(AgentTask).where(col(AgentTask.account_id) == account_id)
    for column, value in (
        (col(AgentTask.team_id), team_id),
        (col(AgentTask.status), status),
        (col(AgentTask.asset_id), asset_id),
    ):
        if value is not None:
            query = query.where(column == value)
    return (await session.scalars(page_of(query, col(AgentTask.id), limit, after))).all()


async def list_events(
    session: AsyncSession, account_id: UUID, task_id: UUID
) -> Sequence[AgentTaskEvent]:
    """Return the events of a task, the oldest first."""
    query = (
        select(AgentTaskEvent)
        .where(col(AgentTaskEvent.account_id) == account_id, col(AgentTaskEvent.task_id) == task_id)
        .order_by(col(AgentTaskEvent.id))
    )
    return (await session.scalars(query)).all()


async def list_case(session: AsyncSession, account_id: UUID, case_id: UUID) -> Sequence[AgentTask]:
    """Return the tasks of a case, the oldest first."""
    query = (
        select(AgentTask)
        .where(col(AgentTask.account_id) == account_id, col(AgentTask.case_id) == case_id)
        .order_by(col(AgentTask.id))
    )
    return (await session.scalars(query)).all()


async def cancel_task(change: AgentChange, task: str) -> AgentTask:
    """Cancel an open task, and with it the case. A repeated cancellation changes nothing.

    Raises AgentTaskNotFound, AgentTaskClosed.
    """
    row = await find_task(change.session, change.account_id, task, is_locked=True)
    if row.status == TaskStatus.CANCELLED:
        return row
    if row.status not in OPEN_STATUSES:
        raise AgentTaskClosed(f"The task is `{row.status}`.")
    now = await database_now(change.session)
    costs = await settle_task(change.session, row.account_id, row.team_id, row.id)
    row.cost_nano += sum(costs.values())
    close(row, TaskStatus.CANCELLED, now)
    row.answered_by = change.actor.public_id
    add_event(change.session, row.account_id, row.id, "cancelled", now)
    await _record(change, "agent.task_cancelled", row)
    return row


async def answer_task(change: AgentChange, task: str, answer: TaskAnswer) -> AgentTask:
    """Answer a task that waits for a person; planning follows.

    Raises AgentTaskNotFound, AgentTaskClosed, AgentTaskAnswerInvalid.
    """
    row = await find_task(change.session, change.account_id, task, is_locked=True)
    if row.status != TaskStatus.WAITING:
        raise AgentTaskClosed(f"The task is `{row.status}` and waits for no answer.")
    content = answered(read_content(row.content), answer)
    now = await database_now(change.session)
    costs = await settle_task(change.session, row.account_id, row.team_id, row.id)
    row.cost_nano += sum(costs.values())
    close(row, TaskStatus.DONE, now)
    row.answered_by = change.actor.public_id
    row.result = msgspec.to_builtins(answer)
    add_event(change.session, row.account_id, row.id, "answered", now, data=row.result or {})
    team = await change.session.get_one(AgentTeam, row.team_id)
    await announce_next(change.session, team, row, TaskKind.PLAN, content, now)
    await _record(change, "agent.task_answered", row)
    return row


def answered(content: CaseContent, answer: TaskAnswer) -> CaseContent:
    """Return the content with the answer of a person. Raises AgentTaskAnswerInvalid."""
    if (answer.agree_with is None) == (answer.probability is None):
        raise AgentTaskAnswerInvalid(
            "Send either `agree_with` or `probability`.", param="agree_with"
        )
    if len(answer.note) > _MAX_NOTE or "\0" in answer.note:
        raise AgentTaskAnswerInvalid(f"`note` has at most {_MAX_NOTE} characters.", param="note")
    if answer.probability is not None:
        if not 0 <= answer.probability <= 1:
            raise AgentTaskAnswerInvalid("`probability` is from 0 to 1.", param="probability")
        chosen = len(content.verdicts) - 1
        return msgspec.structs.replace(content, chosen=chosen, stated=answer.probability)
    for index, verdict in enumerate(content.verdicts):
        if verdict.agent == answer.agree_with and verdict.probability is not None:
            return msgspec.structs.replace(content, chosen=index)
    raise AgentTaskAnswerInvalid(
        "No verdict with a probability is of this agent.", param="agree_with"
    )


def close(row: AgentTask, status: TaskStatus, now: datetime) -> None:
    """Finish a task."""
    row.status, row.finished_at = status, now
    row.process_id = row.lease_until = row.retry_at = None


async def _record(change: AgentChange, action: str, row: AgentTask) -> None:
    """Record the decision of a person in the audit log."""
    await record_audit_event(
        change.session,
        change.clock,
        change.actor,
        change.account_id,
        action,
        ids.format_id(TASK, row.id),
        {"kind": row.kind},
    )
