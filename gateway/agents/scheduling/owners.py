"""What owners ask of a schedule through API, command line and pages: plan, learn, decide."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.scheduling.deciding import ScheduleDecision, decide
from gateway.agents.scheduling.errors import AgentScheduleMissing, ScheduleLogInsufficient
from gateway.agents.scheduling.history import build_log
from gateway.agents.scheduling.learning import check_log, interval_json
from gateway.agents.scheduling.loading import find_points, read_history
from gateway.agents.scheduling.policy_store import queue_learning
from gateway.agents.scheduling.preparing import prepare
from gateway.agents.scheduling.shadowing import promotion_of
from gateway.agents.scheduling.slots import local_day
from gateway.agents.scheduling.views import policy_json
from gateway.agents.store.agents import AgentChange, find_agent, read_definition
from gateway.tables.agents import Agent
from gateway.tables.agents_schedule import (
    AgentScheduleDay,
    AgentSchedulePolicy,
    SchedulePolicyStatus,
)
from infra.database.database import Database
from models.policies.scheduling.log import LogInvalid

DEFAULT_DAYS, MAX_DAYS = 60, 366
_DECIDING = (SchedulePolicyStatus.SHADOW, SchedulePolicyStatus.ACTIVE)


def schedule_of(agent: Agent) -> ScheduleStep:
    """Return the schedule of an agent's definition. Raises AgentScheduleMissing."""
    step = read_definition(agent.definition).schedule
    if step is None:
        raise AgentScheduleMissing("The definition of the agent has no section `schedule`.")
    return step


async def plan_now(database: Database, agent: Agent, now: datetime) -> ScheduleDecision:
    """Return what the agent would decide now, with its plan; nothing is recorded.

    Raises AgentScheduleMissing.
    """
    step = schedule_of(agent)
    prepared = await prepare(database, agent, step, now)
    return await asyncio.to_thread(
        decide,
        step,
        prepared.readings,
        prepared.basis,
        prepared.policy,
        now,
        policy_error=prepared.policy_error,
    )


async def start_learning(change: AgentChange, agent: str, days: int) -> AgentSchedulePolicy:
    """Queue the training of a schedule from the last `days` local days.

    Raises AgentNotFound, AgentScheduleMissing, ScheduleLearning, and ScheduleLogInsufficient with
    the figures of what the readings lack.
    """
    session = change.session
    row = await find_agent(session, change.account_id, agent, is_locked=True)
    step = schedule_of(row)
    today = local_day(step, change.clock.now())
    asked = [today - timedelta(days=back) for back in range(days, 0, -1)]
    points = await find_points(session, row.account_id, row.asset_id, step)
    history = await read_history(session, row.account_id, step, points, asked)
    logged = await asyncio.to_thread(build_log, step, history)
    try:
        await asyncio.to_thread(check_log, step, logged)
    except LogInvalid as error:
        raise ScheduleLogInsufficient(str(error)) from error
    return await queue_learning(change, row, days)


async def policy_with_shadow(
    session: AsyncSession, agent: Agent, row: AgentSchedulePolicy
) -> dict[str, Any]:
    """Return a learned schedule as the API shows it, with its shadow period."""
    if SchedulePolicyStatus(row.status) not in _DECIDING:
        return policy_json(row)
    found, saved, days = await promotion_of(session, agent, row)
    shadow = {
        "days": days,
        "saving_per_day": None if saved is None else interval_json(saved),
        "verdict": found.verdict.value,
        "reasons": list(found.reasons),
    }
    return policy_json(row, shadow)


async def list_schedule_days(
    session: AsyncSession, agent: Agent, first: date, last: date
) -> Sequence[AgentScheduleDay]:
    """Return the local days of operation from `first` to `last`, in order."""
    query = (
        select(AgentScheduleDay)
        .where(
            col(AgentScheduleDay.account_id) == agent.account_id,
            col(AgentScheduleDay.agent_id) == agent.id,
            col(AgentScheduleDay.day).between(first, last),
        )
        .order_by(col(AgentScheduleDay.day))
    )
    return (await session.scalars(query)).all()
