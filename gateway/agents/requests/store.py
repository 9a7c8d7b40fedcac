"""Runs as rows: requested once, claimed by a process, canceled while none has begun them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col, select

from billing.metering.process_reaper import ENDED_PROCESSES
from gateway.agents.public_ids import AGENT, RUN
from gateway.agents.requests.errors import (
    AgentNotActive,
    AgentRunLimitReached,
    AgentRunning,
    AgentRunNotCancelable,
    AgentRunNotFound,
    AgentRunUnsupported,
)
from gateway.agents.store.agents import AgentChange, find_agent
from gateway.call.errors import IdempotencyKeyReused
from gateway.tables.agents import Agent, AgentStatus
from gateway.tables.agents_a2a import AgentRun, AgentRunStatus
from infra import ids
from infra.database.due_work import ProcessValue, TimeValue
from infra.database.paging import page_of

KEPT = timedelta(days=90)
_HOUR = timedelta(hours=1)
_OPEN = (AgentRunStatus.QUEUED, AgentRunStatus.RUNNING)
# Written out, so that every plan of the query uses the index of open runs.
_IS_OPEN = text("agent_run.status in ('queued', 'running')")


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run that is asked for.

    key_id: the API key that pays. request_key: of idempotency, within the agent. most_nano: what
    its call may cost besides the agent's budget, None for no other limit. chain: agents that wait.
    """

    agent: str
    key_id: UUID
    request_key: str
    most_nano: int | None = None
    chain: tuple[str, ...] = ()


async def request_run(change: AgentChange, request: RunRequest, per_hour: int) -> AgentRun:
    """Queue a run, or return that of an earlier request with the same key.

    Raises AgentNotFound, AgentRunUnsupported, AgentNotActive, AgentRunning, AgentRunLimitReached,
    IdempotencyKeyReused.
    """
    session, now = change.session, change.clock.now()
    agent = await find_agent(session, change.account_id, request.agent, is_locked=True)
    earlier = await _earlier(session, agent, request)
    if earlier is not None:
        return earlier
    await _require_free(session, agent)
    await _require_rate(session, agent, now, per_hour)
    row = AgentRun(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        key_id=request.key_id,
        request_key=request.request_key,
        most_nano=request.most_nano,
        chain=list(request.chain),
        status=AgentRunStatus.QUEUED,
        # A tick of its own: the grid's next one has another time.
        created_at=now if now != agent.due_at else now + timedelta(microseconds=1),
    )
    session.add(row)
    await session.flush()
    await _forget_old(session, agent, now)
    await change.record("agent.run_requested", agent, {"run": ids.format_id(RUN, row.id)})
    return row


async def find_run(session: AsyncSession, account_id: UUID, agent_id: UUID, run: str) -> AgentRun:
    """Return a run of one of the account's agents. Raises AgentRunNotFound."""
    query = select(AgentRun).where(
        col(AgentRun.account_id) == account_id,
        col(AgentRun.agent_id) == agent_id,
        col(AgentRun.id) == ids.parse_id(RUN, run),
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise AgentRunNotFound(f"The run {run[:60]!r} does not exist.", param="run")
    return row


async def list_runs(
    session: AsyncSession, account_id: UUID, agent_id: UUID, limit: int, after: UUID | None = None
) -> Sequence[AgentRun]:
    """Return a page of the runs of an agent, the newest first."""
    query = select(AgentRun).where(
        col(AgentRun.account_id) == account_id, col(AgentRun.agent_id) == agent_id
    )
    return (await session.scalars(page_of(query, col(AgentRun.id), limit, after))).all()


async def cancel_run(session: AsyncSession, account_id: UUID, run_id: UUID, now: datetime) -> None:
    """Cancel a run that no process has begun. Raises AgentRunNotCancelable."""
    query = select(AgentRun).where(
        col(AgentRun.account_id) == account_id, col(AgentRun.id) == run_id
    )
    row = (await session.scalars(query.with_for_update())).one()
    if row.status == AgentRunStatus.CANCELED:
        return
    if row.status != AgentRunStatus.QUEUED:
        raise AgentRunNotCancelable(f"The run is `{row.status}`: it cannot be canceled any more.")
    row.status, row.finished_at = AgentRunStatus.CANCELED, now
    await session.flush()


async def claim_run(
    session: AsyncSession, now: datetime, process_id: UUID
) -> tuple[AgentRun, Agent] | None:
    """Claim the oldest run of an account, with its agent, which is free; None if there is none.

    The account is chosen at random, so that one with many runs does not delay others. A process
    works on one run at a time, so one with its own id is one that it failed to finish.
    """
    is_due = due_runs(now, process_id)
    accounts = select(col(AgentRun.account_id)).where(is_due).distinct().subquery()
    chosen = (
        await session.scalars(select(accounts.c.account_id).order_by(func.random()).limit(1))
    ).one_or_none()
    if chosen is None:
        return None
    query = (
        select(AgentRun, Agent)
        .where(is_due, col(AgentRun.account_id) == chosen)
        .order_by(col(AgentRun.id))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    run, agent = found
    run.status, run.process_id, agent.process_id = AgentRunStatus.RUNNING, process_id, process_id
    await session.flush()
    return run, agent


def due_runs(now: TimeValue, process_id: ProcessValue) -> ColumnElement[bool]:
    """Return the condition of runs, joined with their agents, that this process may claim."""
    return and_(
        col(Agent.id) == col(AgentRun.agent_id),
        _IS_OPEN,
        or_(col(AgentRun.retry_at).is_(None), col(AgentRun.retry_at) <= now),
        _is_free(col(AgentRun.process_id), process_id),
        _is_free(col(Agent.process_id), process_id),
    )


def _is_free(owner: Mapped[UUID | None], process_id: ProcessValue) -> ColumnElement[bool]:
    """Return the condition that nobody else works on a row."""
    return or_(owner.is_(None), owner == process_id, owner.in_(ENDED_PROCESSES))


async def _earlier(session: AsyncSession, agent: Agent, request: RunRequest) -> AgentRun | None:
    """Return the run of an earlier request with the same key. Raises IdempotencyKeyReused."""
    query = select(AgentRun).where(
        col(AgentRun.agent_id) == agent.id, col(AgentRun.request_key) == request.request_key
    )
    row = (await session.scalars(query)).one_or_none()
    if row is not None and (row.key_id, row.most_nano) != (request.key_id, request.most_nano):
        raise IdempotencyKeyReused(
            "The Idempotency-Key was used for a run with another maximum cost or API key.",
            param="Idempotency-Key",
        )
    return row


async def _require_free(session: AsyncSession, agent: Agent) -> None:
    """Raise AgentRunUnsupported, AgentNotActive, AgentRunning unless a run can begin."""
    if agent.definition.get("schedule"):
        raise AgentRunUnsupported("An agent with a `schedule` decides at its own times only.")
    if agent.status != AgentStatus.ACTIVE:
        raise AgentNotActive(f"The agent is `{agent.status}`. Activate it, or replay it instead.")
    is_lost = select(col(Agent.id)).where(
        col(Agent.id) == agent.id, col(Agent.process_id).in_(ENDED_PROCESSES)
    )
    is_held = agent.process_id is not None and not (await session.scalars(is_lost)).all()
    waiting = select(col(AgentRun.id)).where(
        col(AgentRun.agent_id) == agent.id, col(AgentRun.status).in_(_OPEN)
    )
    if is_held or (await session.scalars(waiting)).first() is not None:
        raise AgentRunning(
            f"The agent {ids.format_id(AGENT, agent.id)} is running. Try again when it has ended."
        )


async def _require_rate(session: AsyncSession, agent: Agent, now: datetime, per_hour: int) -> None:
    """Raise AgentRunLimitReached if the agent ran too often in the last hour."""
    query = (
        select(func.count())
        .select_from(AgentRun)
        .where(col(AgentRun.agent_id) == agent.id, col(AgentRun.created_at) > now - _HOUR)
    )
    if (await session.scalars(query)).one() >= per_hour:
        raise AgentRunLimitReached(
            f"The agent ran {per_hour} times outside of its schedule in the last hour.",
            headers={"retry-after": "60"},
        )


async def _forget_old(session: AsyncSession, agent: Agent, now: datetime) -> None:
    """Delete ended runs of an agent that are older than KEPT."""
    await session.execute(
        delete(AgentRun)
        .where(
            col(AgentRun.agent_id) == agent.id,
            col(AgentRun.created_at) < now - KEPT,
            col(AgentRun.status).not_in(_OPEN),
        )
        .execution_options(synchronize_session=False)
    )
