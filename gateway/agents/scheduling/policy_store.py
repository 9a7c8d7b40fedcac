"""Learned schedules as rows: queue, claim, use, promote, take back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.process_reaper import ENDED_PROCESSES
from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.learned_files import asset_binding, file_hash
from gateway.agents.scheduling.basis import FittedPumps, installation_of
from gateway.agents.scheduling.deciding import PolicyInUse
from gateway.agents.scheduling.errors import ScheduleLearning, SchedulePolicyNotFound
from gateway.agents.store.agents import AgentChange
from gateway.tables.agents import Agent
from gateway.tables.agents_schedule import AgentSchedulePolicy, SchedulePolicyStatus
from infra import ids
from infra.work_queue import OwnedQueue, RetryPolicy
from models.policies.scheduling.policy_file import PolicyFileInvalid, read_policy

POLICY = "spol"
MAX_A_DAY = 10
_OPEN = (SchedulePolicyStatus.QUEUED, SchedulePolicyStatus.LEARNING)
QUEUE = OwnedQueue(
    table=AgentSchedulePolicy,
    id=col(AgentSchedulePolicy.id),
    attempts=col(AgentSchedulePolicy.attempts),
    pending=col(AgentSchedulePolicy.status).in_([one.value for one in _OPEN]),
    order=(col(AgentSchedulePolicy.id),),
    retry=RetryPolicy(timedelta(seconds=5), timedelta(minutes=5), max_attempts=3),
    owner=col(AgentSchedulePolicy.process_id),
    lost_owners=ENDED_PROCESSES,
    retry_at=col(AgentSchedulePolicy.retry_at),
)


async def queue_learning(change: AgentChange, agent: Agent, days: int) -> AgentSchedulePolicy:
    """Queue the training of a schedule from the last whole days. `agent` is locked.

    Raises ScheduleLearning if one is in work, or if there were too many today.
    """
    now, session = change.clock.now(), change.session
    own = (
        col(AgentSchedulePolicy.account_id) == agent.account_id,
        col(AgentSchedulePolicy.agent_id) == agent.id,
    )
    is_open = col(AgentSchedulePolicy.status).in_([one.value for one in _OPEN])
    if (await session.scalars(select(col(AgentSchedulePolicy.id)).where(*own, is_open))).first():
        raise ScheduleLearning("A schedule of this agent is being learned.")
    since = col(AgentSchedulePolicy.created_at) > now - timedelta(days=1)
    count = select(func.count()).select_from(AgentSchedulePolicy).where(*own, since)
    if (await session.scalars(count)).one() >= MAX_A_DAY:
        raise ScheduleLearning(
            f"Schedules of an agent are learned at most {MAX_A_DAY} times a day."
        )
    row = AgentSchedulePolicy(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        asset_id=agent.asset_id,
        version=agent.version,
        status=SchedulePolicyStatus.QUEUED,
        days=days,
        until=now,
        report={},
        created_by=change.actor.public_id,
        created_at=now,
    )
    session.add(row)
    await session.flush()
    details = {"policy": ids.format_id(POLICY, row.id), "days": days}
    await change.record("agent.schedule_learned", agent, details)
    return row


async def list_policies(
    session: AsyncSession, account_id: UUID, agent_id: UUID, limit: int = 20
) -> Sequence[AgentSchedulePolicy]:
    """Return the newest learned schedules of an agent."""
    query = (
        select(AgentSchedulePolicy)
        .where(
            col(AgentSchedulePolicy.account_id) == account_id,
            col(AgentSchedulePolicy.agent_id) == agent_id,
        )
        .order_by(col(AgentSchedulePolicy.id).desc())
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def find_policy(
    session: AsyncSession, agent: Agent, policy: str, *, is_locked: bool = False
) -> AgentSchedulePolicy:
    """Return a learned schedule of an agent. Raises SchedulePolicyNotFound."""
    query = select(AgentSchedulePolicy).where(
        col(AgentSchedulePolicy.account_id) == agent.account_id,
        col(AgentSchedulePolicy.agent_id) == agent.id,
        col(AgentSchedulePolicy.id) == ids.parse_id(POLICY, policy),
    )
    row = (await session.scalars(query.with_for_update() if is_locked else query)).one_or_none()
    if row is None:
        raise SchedulePolicyNotFound(
            f"The schedule {policy[:60]!r} does not exist.", param="policy"
        )
    return row


async def find_with_status(
    session: AsyncSession, agent: Agent, status: SchedulePolicyStatus
) -> AgentSchedulePolicy | None:
    """Return the newest learned schedule of an agent with a status, None without one."""
    query = (
        select(AgentSchedulePolicy)
        .where(
            col(AgentSchedulePolicy.account_id) == agent.account_id,
            col(AgentSchedulePolicy.agent_id) == agent.id,
            col(AgentSchedulePolicy.status) == status.value,
        )
        .order_by(col(AgentSchedulePolicy.id).desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def end_with_status(
    session: AsyncSession, agent: Agent, status: SchedulePolicyStatus, now: datetime
) -> None:
    """Retire the learned schedules of an agent that have a status."""
    while (row := await find_with_status(session, agent, status)) is not None:
        row.status, row.ended_at = SchedulePolicyStatus.RETIRED, now
        await session.flush()


def open_policy(step: ScheduleStep, agent: Agent, row: AgentSchedulePolicy) -> PolicyInUse:
    """Return a learned schedule for use.

    Raises PolicyFileInvalid for a file that was changed, or that was learned for another account,
    asset, tank, tariff or pumps.
    """
    content = row.file or b""
    if not content or file_hash(content) != row.sha256:
        raise PolicyFileInvalid("The file is not the one that was learned: its hash differs.")
    installation = installation_of(step, msgspec.convert(row.pumps, FittedPumps))
    bound_to = asset_binding(agent.account_id, agent.asset_id)
    schedule = read_policy(content, installation, bound_to)
    return PolicyInUse(ids.format_id(POLICY, row.id), installation, schedule)
