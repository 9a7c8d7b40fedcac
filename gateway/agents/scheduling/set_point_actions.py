"""Set points of pumps as actions of the agent: one for each point, proposed or released.

    {"kind": "set_point", "asset": …, "point": tag, "value": 1.0, "unit": "", "due_at": …}

A set point reaches the machine as a command within limits that the owner signed
(gateway/agents/commands); without such limits it fails.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.actions.creation import execute_or_fail
from gateway.agents.commands.planning import PlannedWrite
from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.definitions.values import ActionKind, AgentDefinition, Autonomy
from gateway.agents.public_ids import AGENT, TICK
from gateway.agents.scheduling.planning import SetPoint
from gateway.tables.agents import Agent, AgentAction, AgentActionStatus, AgentTick
from infra import ids
from infra.clock import Clock


def may_set(definition: AgentDefinition) -> bool:
    """Return whether the agent may propose or release set points."""
    acts = definition.autonomy in (Autonomy.APPROVE, Autonomy.ACT)
    return acts and ActionKind.SET_POINT in definition.actions


async def replace_open(
    session: AsyncSession,
    agent: Agent,
    step: ScheduleStep,
    wanted: Sequence[SetPoint],
    now: datetime,
) -> Sequence[SetPoint]:
    """Return the set points that are new; open proposals of others are expired.

    One that was proposed or released in this slot already is not repeated, so that an agent that
    ticks more often than its slots change asks once.
    """
    query = select(AgentAction).where(
        col(AgentAction.account_id) == agent.account_id,
        col(AgentAction.agent_id) == agent.id,
        col(AgentAction.kind) == ActionKind.SET_POINT.value,
        col(AgentAction.status).in_([AgentActionStatus.PROPOSED, AgentActionStatus.EXECUTED]),
        col(AgentAction.created_at) > now - timedelta(seconds=step.slot_s),
    )
    recent = (await session.scalars(query.with_for_update())).all()
    asked = {(one.point, one.value) for one in wanted}
    known = set()
    for row in recent:
        key = (row.target, row.content["value"])
        if key in asked:
            known.add(key)
        elif row.status == AgentActionStatus.PROPOSED:
            row.status = AgentActionStatus.EXPIRED
    await session.flush()
    return [one for one in wanted if (one.point, one.value) not in known]


async def create_set_point(
    session: AsyncSession,
    clock: Clock,
    agent: Agent,
    tick: AgentTick,
    definition: AgentDefinition,
    step: ScheduleStep,
    wanted: SetPoint,
) -> AgentAction:
    """Create the action of one point. It is worth nothing after its slot, when a tick follows."""
    now = clock.now()
    row = AgentAction(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        tick_id=tick.id,
        kind=ActionKind.SET_POINT.value,
        target=wanted.point,
        status=AgentActionStatus.PROPOSED,
        content=_content(definition, step, wanted, now),
        reason=_reason(agent, tick),
        created_at=now,
        expires_at=now + timedelta(seconds=step.slot_s),
    )
    session.add(row)
    await session.flush()
    if definition.autonomy is Autonomy.ACT:
        await execute_or_fail(session, clock, agent, row)
    return row


def _content(
    definition: AgentDefinition, step: ScheduleStep, wanted: SetPoint, now: datetime
) -> dict[str, Any]:
    """Return what is to be set."""
    write = PlannedWrite(
        tag=wanted.point, value=wanted.value, unit=wanted.unit, valid_s=step.slot_s
    )
    return {
        "commands": [msgspec.to_builtins(write)],
        "kind": ActionKind.SET_POINT.value,
        "asset": definition.asset,
        "point": wanted.point,
        "value": wanted.value,
        "unit": wanted.unit,
        "due_at": now.isoformat(),
    }


def _reason(agent: Agent, tick: AgentTick) -> dict[str, Any]:
    """Return the figures that the set point rests on."""
    return {
        "agent": ids.format_id(AGENT, agent.id),
        "version": agent.version,
        "tick": ids.format_id(TICK, tick.id),
        "schedule": tick.assessment["schedule"],
        "rules": [rule for rule in tick.rules if rule["status"] != "quiet"],
    }
