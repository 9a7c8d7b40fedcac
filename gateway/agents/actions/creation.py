"""Create the actions of a tick, and execute those that need no approval, in its transaction."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.actions.order_drafts import add_draft
from gateway.agents.actions.work_orders import create_order
from gateway.agents.commands.issuing import issue_commands
from gateway.agents.definitions.values import ActionKind, AgentDefinition
from gateway.agents.errors import AgentCommandRefused
from gateway.agents.planning import PlannedAction
from gateway.agents.public_ids import AGENT, TICK
from gateway.plant.assets.ids import ASSET
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
    asset_id: UUID | None = None,
) -> AgentAction:
    """Create one action, proposed or executed. Its id is unique by tick and kind.

    asset_id: the asset of the action, if it is another one than the agent's.
    """
    now = clock.now()
    row = AgentAction(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        tick_id=tick.id,
        kind=planned.kind.value,
        status=AgentActionStatus.PROPOSED,
        content=_content(definition, planned, now) | _asset_content(asset_id),
        reason=_reason(agent, tick),
        created_at=now,
        expires_at=now + _approval_time(planned),
    )
    session.add(row)
    await session.flush()
    if not planned.needs_approval:
        await execute_or_fail(session, clock, agent, row)
    return row


async def execute(session: AsyncSession, clock: Clock, agent: Agent, row: AgentAction) -> None:
    """Carry out an action: create its work order, issue its commands, or add its draft to one.

    Does nothing if it was executed. Raises AgentCommandRefused, and AgentActionClosed if the order
    of a draft was retired.
    """
    if row.status == AgentActionStatus.EXECUTED:
        return
    if row.kind in (ActionKind.WRITE, ActionKind.SET_POINT):
        await issue_commands(session, clock, agent, row)
    elif row.kind == ActionKind.ORDER_DRAFT:
        row.entity_id = await add_draft(session, clock, row)
    else:
        row.entity_id = await create_order(session, clock, agent, row)
    row.status = AgentActionStatus.EXECUTED
    await session.flush()


async def execute_or_fail(
    session: AsyncSession, clock: Clock, agent: Agent, row: AgentAction
) -> None:
    """Carry out an action; one whose commands are refused fails, with the reason."""
    try:
        await execute(session, clock, agent, row)
    except AgentCommandRefused as error:
        refusal = {"code": error.param, "message": str(error)}
        row.status, row.content = AgentActionStatus.FAILED, {**row.content, "refusal": refusal}
        await session.flush()


def _approval_time(planned: PlannedAction) -> timedelta:
    """Return how long a proposal can be approved: values for machines rest on recent readings."""
    valid = [timedelta(seconds=one.valid_s) for one in planned.writes]
    return min([APPROVAL_WITHIN, *valid])


def _content(definition: AgentDefinition, planned: PlannedAction, now: datetime) -> dict[str, Any]:
    """Return what is to be done, for which asset and until when."""
    due = now + timedelta(seconds=planned.due_in_s)
    content = {"asset": definition.asset, "kind": planned.kind.value, "due_at": due.isoformat()}
    return content | ({"commands": msgspec.to_builtins(planned.writes)} if planned.writes else {})


def _asset_content(asset_id: UUID | None) -> dict[str, str]:
    """Return the field by which the work order finds an asset that is not the agent's."""
    return {} if asset_id is None else {"asset_id": ids.format_id(ASSET, asset_id)}


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
