"""Count by agent and day what agents do; ticks in which nothing happens leave nothing else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables.agents import AgentDay

_ADD = text("""
    insert into agent_day (agent_id, day, account_id, ticks, raised, predictions, decisions,
                           actions, errors, cost_nano)
    select unnest(cast(:agent_ids as uuid[])), :day, unnest(cast(:account_ids as uuid[])),
           unnest(cast(:ticks as int[])), unnest(cast(:raised as int[])),
           unnest(cast(:predictions as int[])), unnest(cast(:decisions as int[])),
           unnest(cast(:actions as int[])), unnest(cast(:errors as int[])),
           unnest(cast(:costs as bigint[]))
    on conflict (agent_id, day) do update set
        ticks = agent_day.ticks + excluded.ticks,
        raised = agent_day.raised + excluded.raised,
        predictions = agent_day.predictions + excluded.predictions,
        decisions = agent_day.decisions + excluded.decisions,
        actions = agent_day.actions + excluded.actions,
        errors = agent_day.errors + excluded.errors,
        cost_nano = agent_day.cost_nano + excluded.cost_nano
""")


@dataclass(frozen=True, slots=True)
class TickCounts:
    """What one tick adds to the day of its agent."""

    agent_id: UUID
    account_id: UUID
    raised: int = 0
    predictions: int = 0
    decisions: int = 0
    actions: int = 0
    errors: int = 0
    cost_nano: int = 0


async def add_counts(session: AsyncSession, day: date, counts: Iterable[TickCounts]) -> None:
    """Add the counts of ticks of different agents to a day, in the order of agents' ids.

    The order keeps processes that count at the same time from waiting for each other in a circle.
    """
    ordered = sorted(counts, key=lambda one: one.agent_id)
    if not ordered:
        return
    await session.execute(
        _ADD,
        {
            "day": day,
            "agent_ids": [one.agent_id for one in ordered],
            "account_ids": [one.account_id for one in ordered],
            "ticks": [1] * len(ordered),
            "raised": [one.raised for one in ordered],
            "predictions": [one.predictions for one in ordered],
            "decisions": [one.decisions for one in ordered],
            "actions": [one.actions for one in ordered],
            "errors": [one.errors for one in ordered],
            "costs": [one.cost_nano for one in ordered],
        },
    )


async def list_days(
    session: AsyncSession, account_id: UUID, agent_id: UUID, first: date, last: date
) -> Sequence[AgentDay]:
    """Return the days of an agent from `first` to `last`, in order."""
    query = (
        select(AgentDay)
        .where(
            col(AgentDay.account_id) == account_id,
            col(AgentDay.agent_id) == agent_id,
            col(AgentDay.day).between(first, last),
        )
        .order_by(col(AgentDay.day))
    )
    return (await session.scalars(query)).all()
