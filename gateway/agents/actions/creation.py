"""Create the actions of a tick, and execute those that need no approval, in its transaction."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.actions.work_orders import create_order
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.planning import PlannedAction
from gateway.agents.public_ids import AGENT, TICK
from gateway.tables.agents import Agent, AgentAction, AgentActionStatus, AgentTick
from infra import ids
from infra.clock import Clock

# A proposal that nobody approves in time rests on readings that are too old.
APPROVAL_WITHIN = timedelta(days=3)


async def create_action(
    session: AsyncSession,
    clock: Clock,
    agent: Agent,
    tick: AgentTick,
    definition: AgentDefinition,
    planned: PlannedAction,
) -> AgentAction:
    """Create one action, proposed or executed. Its id is unique by tick and kind."""
    now = clock.now()
    row = AgentAction(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        tick_id=tick.id,
        kind=planned.kind.value,
        status=AgentActionStatus.PROPOSED,
        content=_content(definition, planned, now),
        reason=_reason(agent, tick),
        created_at=now,
        expires_at=now + APPROVAL_WITHIN,
    )
    session.add(row)
    await session.flush()
    if not planned.needs_approval:
        await execute(session, clock, agent, row)
    return row


async def execute(session: AsyncSession, clock: Clock, agent: Agent, row: AgentAction) -> None:
    """Carry out an action: create its work order. Does nothing if it was executed."""
    if row.entity_id is not None:
        return
    row.entity_id = await create_order(session, clock, agent, row)
    row.status = AgentActionStatus.EXECUTED
    await session.flush()


def _content(definition: AgentDefinition, planned: PlannedAction, now: datetime) -> dict[str, Any]:
    """Return what is to be done, for which asset and until when."""
    due = now + timedelta(seconds=planned.due_in_s)
    return {"asset": definition.asset, "kind": planned.kind.value, "due_at": due.isoformat()}


def _reason(agent: Agent, tick: AgentTick) -> dict[str, Any]:
    """Return the figures that an action rests on."""
    reason: dict[str, Any] = msgspec.to_builtins(
        {
            "agent": ids.format_id(AGENT, agent.id),
            "version": agent.version,
            "tick": ids.format_id(TICK, tick.id),
            "assessment": tick.assessment,
            "rules": [rule for rule in tick.rules if rule["status"] != "quiet"],
        }
    )
    return reason
