"""Read the recommendations of an agent that count, and whether they were carried out."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.assessment import Assessment
from gateway.agents.definitions.values import ActionKind, AgentDefinition
from gateway.agents.public_ids import TICK
from gateway.agents.savings.method import expected_nano
from gateway.agents.savings.values import Recommendation
from gateway.agents.store.agents import list_versions, read_definition
from gateway.tables.agents import Agent, AgentAction, AgentActionStatus
from infra import ids

# Without a prediction a recommendation looks as far ahead as a replay of rules does.
USUAL_HORIZON = timedelta(days=7)
# Shorter ones are joined, so that a warning that lasts is not a new one in every tick.
MIN_HORIZON = timedelta(days=1)
# How far back the recommendations are followed that reach into a period.
LOOK_BACK = timedelta(days=366)
_CLOSED = (AgentActionStatus.REJECTED, AgentActionStatus.EXPIRED, AgentActionStatus.UNDONE)
# An agent that sees nothing asks for a look at its points: that says nothing of the machine.
_NEXT = text("""
    select id, version, scheduled_at, finished_at, assessment from agent_tick
    where account_id = :account_id and agent_id = :agent_id
      and assessment ->> 'action' <> 'wait'
      and (assessment ->> 'basis' = 'prediction'
           or coalesce(assessment -> 'raised', '[]') <> '[]')
      and scheduled_at >= :since and scheduled_at < :until
    order by scheduled_at limit 1
""")


async def list_recommendations(
    session: AsyncSession, row: Agent, since: datetime, until: datetime
) -> list[Recommendation]:
    """Return the recommendations before `until`, also those whose horizon reaches past `since`."""
    definitions = {
        one.version: read_definition(one.definition)
        for one in await list_versions(session, row.account_id, row.id)
    }
    place = {"account_id": row.account_id, "agent_id": row.id, "until": until}
    found, cursor = [], since - LOOK_BACK
    while True:
        query = await session.execute(_NEXT, {**place, "since": cursor})
        tick = query.one_or_none()
        if tick is None:
            break
        made = _recommendation(tick, definitions[tick.version])
        cursor = tick.scheduled_at + (made.until - made.at)
        found.append(made)
    reaching = [one for one in found if one.until >= since]
    return await _with_actions(session, row, reaching)


def horizon_of(definition: AgentDefinition) -> timedelta:
    """Return how far ahead a recommendation looks."""
    step = definition.outlook_step
    if step is None:
        return USUAL_HORIZON
    return max(MIN_HORIZON, timedelta(seconds=step.period_s * step.horizon))


def _recommendation(tick: Any, definition: AgentDefinition) -> Recommendation:
    """Return the recommendation of a tick."""
    assessment = msgspec.convert(tick.assessment, Assessment)
    return Recommendation(
        tick=ids.format_id(TICK, tick.id),
        at=tick.finished_at,
        until=tick.finished_at + horizon_of(definition),
        action=assessment.action,
        costs=definition.costs,
        expected_nano=expected_nano(assessment.costs, assessment.action),
    )


async def _with_actions(
    session: AsyncSession, row: Agent, found: Sequence[Recommendation]
) -> list[Recommendation]:
    """Return recommendations with whether their work orders were carried out."""
    if not found:
        return []
    query = select(AgentAction).where(
        col(AgentAction.account_id) == row.account_id,
        col(AgentAction.agent_id) == row.id,
        col(AgentAction.kind) == ActionKind.WORK_ORDER.value,
        col(AgentAction.created_at) >= found[0].at,
    )
    actions = (await session.scalars(query)).all()
    by_time = {(one.created_at, one.id): one.status for one in actions}
    return [_followed(one, by_time) for one in found]


def _followed(one: Recommendation, by_time: Mapping[Any, str]) -> Recommendation:
    """Return a recommendation with what became of the work orders within its horizon."""
    statuses = {status for (at, _), status in by_time.items() if one.at <= at <= one.until}
    acted = None
    if AgentActionStatus.EXECUTED in statuses:
        acted = True
    elif statuses and statuses <= set(_CLOSED):
        acted = False
    return Recommendation(
        one.tick, one.at, one.until, one.action, one.costs, one.expected_nano, acted
    )
