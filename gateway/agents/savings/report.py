"""What an agent did since yesterday, why, what it cost and what it saved.

The report begins at the start of the day before in UTC, as counts are kept by days in UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.savings.savings import Interval, load_savings
from gateway.agents.savings.values import PeriodSavings
from gateway.tables.agents import Agent, AgentAction, AgentTick
from infra.clock import Clock

_MAX_TICKS, _MAX_SITUATIONS, _MAX_ACTIONS = 500, 8, 20


@dataclass(frozen=True, slots=True)
class Situation:
    """Ticks one after another that came to the same decision for the same reason.

    first: the earliest tick, by which the situation is explained. until: time of the last one.
    """

    first: AgentTick
    until: datetime
    ticks: int = 1


@dataclass(frozen=True, slots=True)
class AgentReport:
    """The report of an agent from `since` on: situations and actions are the newest first."""

    since: datetime
    currency: str
    period: PeriodSavings
    situations: tuple[Situation, ...]
    actions: tuple[AgentAction, ...]


async def load_report(session: AsyncSession, clock: Clock, row: Agent) -> AgentReport:
    """Return the report of an agent since the start of the day before in UTC."""
    today = clock.now().astimezone(UTC).date()
    first = today - timedelta(days=1)
    savings = await load_savings(session, clock, row, first, today, Interval.DAY)
    since = savings.total.starts_at
    found = group_ticks(await _list_ticks(session, row, since))
    return AgentReport(
        since,
        savings.currency,
        savings.total,
        tuple(reversed(found[-_MAX_SITUATIONS:])),
        tuple(await _list_actions(session, row, since)),
    )


def group_ticks(ticks: Sequence[AgentTick]) -> list[Situation]:
    """Return the situations of ticks, which are in order of time."""
    found: list[Situation] = []
    for tick in ticks:
        if found and _reason(found[-1].first) == _reason(tick):
            last = found[-1]
            found[-1] = Situation(last.first, tick.finished_at, last.ticks + 1)
        else:
            found.append(Situation(tick, tick.finished_at))
    return found


def _reason(tick: AgentTick) -> tuple[object, ...]:
    """Return what distinguishes situations: version, decision, rules, and what failed."""
    assessment = tick.assessment
    raised, unusable = assessment.get("raised") or [], assessment.get("unusable") or []
    return (tick.version, assessment.get("action"), sorted(raised), sorted(unusable), tick.error)


async def _list_ticks(session: AsyncSession, row: Agent, since: datetime) -> list[AgentTick]:
    """Return the newest ticks in which something happened, in order of time."""
    query = (
        select(AgentTick)
        .where(
            col(AgentTick.account_id) == row.account_id,
            col(AgentTick.agent_id) == row.id,
            col(AgentTick.scheduled_at) >= since,
        )
        .order_by(col(AgentTick.scheduled_at).desc())
        .limit(_MAX_TICKS)
    )
    return list(reversed((await session.scalars(query)).all()))


async def _list_actions(session: AsyncSession, row: Agent, since: datetime) -> list[AgentAction]:
    """Return the newest actions of the agent."""
    query = (
        select(AgentAction)
        .where(
            col(AgentAction.account_id) == row.account_id,
            col(AgentAction.agent_id) == row.id,
            col(AgentAction.created_at) >= since,
        )
        .order_by(col(AgentAction.id).desc())
        .limit(_MAX_ACTIONS)
    )
    return list((await session.scalars(query)).all())
