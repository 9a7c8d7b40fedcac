"""Changed values for machines wait until the owner's limits allow their points to be written."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.commands.rate import is_too_soon
from gateway.agents.planning import Plan, PlannedAction, is_changed_value
from gateway.agents.running.tick import TickInput, TickOutcome


async def within_rate(
    session: AsyncSession, tick: TickInput, outcome: TickOutcome, now: datetime
) -> TickOutcome:
    """Return an outcome without changed values whose points may not be written again yet.

    The next tick plans them again. The first values of an agent stay, so that their refusal shows.
    """
    late = [
        one
        for one in outcome.plan.actions
        if not one.needs_approval
        and is_changed_value(one, tick.state)
        and await is_too_soon(
            session, tick.agent.account_id, [write.tag for write in one.writes], now
        )
    ]
    return replace(outcome, plan=_without(outcome.plan, late, tick)) if late else outcome


def _without(plan: Plan, late: Sequence[PlannedAction], tick: TickInput) -> Plan:
    """Return a plan without actions, and with what the agent wrote and did before them."""
    before = tick.state
    kinds = {one.kind.value for one in late}
    tags = {write.tag for one in late for write in one.writes}
    acted = {
        kind: before.acted.get(kind, at) if kind in kinds else at
        for kind, at in plan.state.acted.items()
    }
    written = {
        tag: before.written[tag] if tag in tags else value
        for tag, value in plan.state.written.items()
    }
    state = msgspec.structs.replace(plan.state, acted=acted, written=written)
    actions = tuple(one for one in plan.actions if one not in late)
    return msgspec.structs.replace(plan, actions=actions, state=state)
