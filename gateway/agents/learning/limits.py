"""Propose another limit for a rule after false alarms; only the owner changes it.

Limits move so far that most false alarms stay below, and never beyond a reading at which a fault
was confirmed. The rules are replayed with both limits on the last 30 days.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.notifications.agent_learning_alerts import LearningAlert, enqueue_learning_alert
from gateway.agents.definitions.values import AgentDefinition, Comparison, Rule
from gateway.agents.learning.errors import AgentProposalClosed, AgentProposalNotFound
from gateway.agents.learning.feedback import fault_of_row
from gateway.agents.public_ids import AGENT
from gateway.agents.replay.history import read_history
from gateway.agents.replay.simulation import simulate
from gateway.agents.store.agents import (
    AgentChange,
    change_definition,
    find_agent,
    read_definition,
)
from gateway.plant.readings.errors import ReadingsRangeTooLarge
from gateway.tables.agents import Agent, AgentTick
from gateway.tables.agents_learning import AgentFeedback, AgentLearning, AgentLimit, LimitStatus
from infra import ids
from models.units import unit_conversion

LIMIT = "alim"
MIN_FALSE_ALARMS = 5
# Of the false alarms, the share that a new limit avoids; and how far it moves at most.
_AVOIDED, _FARTHEST = 0.8, 0.25
_SINCE, _REPLAYED = timedelta(days=90), timedelta(days=30)
# The smallest number above the reading that must not raise the rule.
_STEP = 1e-3


@dataclass(frozen=True, slots=True)
class RaisedReading:
    """A reading beyond the limit of a rule, in the rule's unit, and whether there was a fault."""

    value: float
    fault: bool


@dataclass(frozen=True, slots=True)
class NewLimit:
    """A limit with what it would have changed: false alarms avoided, faults still found."""

    limit: float
    avoided: int
    false_alarms: int
    faults: int


def new_limit(rule: Rule, raised: Sequence[RaisedReading]) -> NewLimit | None:
    """Return another limit for a rule; None if its alarms are right often enough."""
    sign = 1.0 if rule.comparison is Comparison.ABOVE else -1.0
    false = sorted(sign * one.value for one in raised if not one.fault)
    true = [sign * one.value for one in raised if one.fault]
    if len(false) < MIN_FALSE_ALARMS or len(true) >= len(false):
        return None
    limit, room = sign * rule.limit, _FARTHEST * max(abs(rule.limit), 1e-9)
    wanted = min(float(np.quantile(false, _AVOIDED, method="lower")), limit + room)
    below = [one for one in false if one <= wanted and all(one < other for other in true)]
    if not below or below[-1] <= limit:
        return None
    moved = below[-1] + _STEP * max(abs(below[-1]), 1e-9)
    moved = min([moved, *((below[-1] + other) / 2 for other in true)])
    return NewLimit(round(sign * moved, 6), len(below), len(false), len(true))


async def propose_limits(change: AgentChange, agent: Agent) -> int:
    """Propose limits for the rules of an agent. Returns how many are new."""
    definition = read_definition(agent.definition)
    # A process that was taken for ended may still take the same turn.
    await change.session.get(AgentLearning, agent.id, with_for_update=True)
    await _outdate(change.session, agent)
    decided = await _decided_rules(change.session, agent)
    proposed = 0
    for rule in definition.rules:
        if rule.name in decided:
            continue
        found = new_limit(rule, await _raised(change, agent, rule))
        if found is not None:
            await _propose(change, agent, definition, rule, found)
            proposed += 1
    return proposed


async def decide_limit(
    change: AgentChange, agent: Agent, proposal: str, accepted: bool
) -> AgentLimit:
    """Accept a proposed limit, which is the next version of the agent, or reject it.

    Raises AgentProposalNotFound, AgentProposalClosed.
    """
    row = await _find(change.session, agent, proposal)
    wanted = LimitStatus.ACCEPTED if accepted else LimitStatus.REJECTED
    if row.status == wanted:
        return row
    if row.status != LimitStatus.PROPOSED:
        raise AgentProposalClosed(f"The proposed limit is `{row.status}`.")
    public_id = ids.format_id(AGENT, agent.id)
    current = await find_agent(change.session, agent.account_id, public_id, is_locked=True)
    definition = read_definition(current.definition)
    rule = next((one for one in definition.rules if one.name == row.rule), None)
    if accepted:
        if rule is None or rule.limit != row.before:
            raise AgentProposalClosed("The rule was changed since the limit was proposed.")
        await change_definition(change, public_id, _with_limit(definition, row.rule, row.after))
    row.status = wanted
    row.decided_at, row.decided_by = change.clock.now(), change.actor.public_id
    await change.session.flush()
    details = {"limit": ids.format_id(LIMIT, row.id), "rule": row.rule}
    await change.record(f"agent.limit_{wanted.value}", current, details)
    return row


async def list_limits(
    session: AsyncSession, account_id: UUID, agent_id: UUID, status: LimitStatus | None = None
) -> Sequence[AgentLimit]:
    """Return the proposed limits of an agent, the newest first."""
    query = select(AgentLimit).where(
        col(AgentLimit.account_id) == account_id, col(AgentLimit.agent_id) == agent_id
    )
    if status is not None:
        query = query.where(col(AgentLimit.status) == status)
    return (await session.scalars(query.order_by(col(AgentLimit.id).desc()).limit(100))).all()


async def _find(session: AsyncSession, agent: Agent, proposal: str) -> AgentLimit:
    """Return a proposed limit, locked. Raises AgentProposalNotFound."""
    query = select(AgentLimit).where(
        col(AgentLimit.account_id) == agent.account_id,
        col(AgentLimit.agent_id) == agent.id,
        col(AgentLimit.id) == ids.parse_id(LIMIT, proposal),
    )
    row = (await session.scalars(query.with_for_update())).one_or_none()
    if row is None:
        raise AgentProposalNotFound(f"The agent has no limit {proposal[:60]!r}.", param="limit")
    return row


async def _outdate(session: AsyncSession, agent: Agent) -> None:
    """Close proposals that rest on another version of the agent."""
    await session.execute(
        update(AgentLimit)
        .where(
            col(AgentLimit.account_id) == agent.account_id,
            col(AgentLimit.agent_id) == agent.id,
            col(AgentLimit.status) == LimitStatus.PROPOSED,
            col(AgentLimit.agent_version) != agent.version,
        )
        .values(status=LimitStatus.OUTDATED)
    )


async def _decided_rules(session: AsyncSession, agent: Agent) -> set[str]:
    """Return the rules with a proposal for this version, open or decided."""
    query = select(AgentLimit.rule).where(
        col(AgentLimit.account_id) == agent.account_id,
        col(AgentLimit.agent_id) == agent.id,
        col(AgentLimit.agent_version) == agent.version,
    )
    return set((await session.scalars(query)).all())


async def _raised(change: AgentChange, agent: Agent, rule: Rule) -> list[RaisedReading]:
    """Return the readings at which a rule was raised under this limit, with people's feedback."""
    query = (
        select(AgentTick, AgentFeedback)
        .join(AgentFeedback, col(AgentFeedback.tick_id) == col(AgentTick.id))
        .where(
            col(AgentTick.account_id) == agent.account_id,
            col(AgentTick.agent_id) == agent.id,
            col(AgentFeedback.account_id) == agent.account_id,
            col(AgentTick.finished_at) >= change.clock.now() - _SINCE,
        )
    )
    found = []
    for tick, feedback in (await change.session.execute(query)).all():
        fault = fault_of_row(feedback, str(tick.assessment.get("action")))
        value = _raised_value(rule, tick.rules)
        if fault is not None and value is not None:
            found.append(RaisedReading(value, fault))
    return found


def _raised_value(rule: Rule, results: Sequence[dict[str, Any]]) -> float | None:
    """Return the reading at which a rule was raised, in the rule's unit."""
    result = next((one for one in results if one["name"] == rule.name), None)
    if result is None or result["status"] != "raised" or result.get("value") is None:
        return None
    value, unit = float(result["value"]), result.get("unit", "")
    if not rule.unit or unit == rule.unit:
        return value
    try:
        return float(unit_conversion(unit, rule.unit)(np.array([value]))[0])
    except ValueError:
        return None


async def _propose(
    change: AgentChange, agent: Agent, definition: AgentDefinition, rule: Rule, found: NewLimit
) -> None:
    """Store a proposal with its figures, an audit event and a notice."""
    now = change.clock.now()
    figures = {
        "avoided": found.avoided,
        "false_alarms": found.false_alarms,
        "faults": found.faults,
        **await _replayed(change, agent, definition, rule.name, found.limit, now),
    }
    row = AgentLimit(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        agent_version=agent.version,
        rule=rule.name,
        before=rule.limit,
        after=found.limit,
        unit=rule.unit,
        figures=figures,
        status=LimitStatus.PROPOSED,
        created_at=now,
    )
    change.session.add(row)
    await change.session.flush()
    public_id = ids.format_id(LIMIT, row.id)
    await change.record("agent.limit_proposed", agent, {"limit": public_id, "rule": rule.name})
    data = {"limit": public_id, "rule": rule.name, "before": row.before, "after": row.after,
            "unit": row.unit, "figures": figures}  # fmt: skip
    agent_id = ids.format_id(AGENT, agent.id)
    asset = agent.definition["asset"]
    alert = LearningAlert(
        agent.account_id, agent_id, agent.name, asset, str(row.id), "limit_proposed", data
    )
    await enqueue_learning_alert(change.session, change.clock, alert)


async def _replayed(
    change: AgentChange, agent: Agent, definition: AgentDefinition, name: str, limit: float,
    now: datetime,
) -> dict[str, int]:  # fmt: skip
    """Return the episodes of the last 30 days with the limit of now and with the new one."""
    start = now - _REPLAYED
    try:
        histories = await read_history(
            change.session, agent.account_id, agent.asset_id, definition.rules, start, now
        )
    except ReadingsRangeTooLarge:
        return {}
    found = {}
    step_s = max(definition.every_s, 600.0)
    for key, one in (("before", definition), ("after", _with_limit(definition, name, limit))):
        slower = msgspec.structs.replace(one, every_s=step_s)
        simulation = await asyncio.to_thread(simulate, slower, histories, start, now)
        found[f"episodes_{key}"] = len(simulation.episodes)
    return found


def _with_limit(definition: AgentDefinition, name: str, limit: float) -> AgentDefinition:
    """Return a definition with another limit of one rule."""
    rules = tuple(
        msgspec.structs.replace(one, limit=limit) if one.name == name else one
        for one in definition.rules
    )
    return msgspec.structs.replace(definition, rules=rules)
