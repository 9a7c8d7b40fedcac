"""Whether the sensors that a command rests on still move: a frozen one shows the same value."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.definitions.values import Rule
from gateway.agents.errors import AgentCommandRefused
from gateway.agents.replay.history import PointHistory, read_history
from gateway.agents.store.agents import read_definition
from gateway.plant.readings.formats.times import from_datetime
from gateway.tables.agents import Agent, AgentAction

FROZEN = "sensor_frozen"


async def require_moving(
    session: AsyncSession, agent: Agent, action: AgentAction, within_s: float, now: datetime
) -> None:
    """Raise AgentCommandRefused if a point of the action's rules has not changed in a time.

    within_s: the time in seconds, 0 for no check.
    """
    rules = _rules(agent, action)
    if not within_s or not rules:
        return
    start = now - timedelta(seconds=within_s)
    found = await read_history(session, agent.account_id, agent.asset_id, rules, start, now)
    for history in found.values():
        if not _is_moving(history, start):
            raise AgentCommandRefused(
                f"The readings of {history.tag!r} have not changed for {within_s / 60:g} minutes: "
                "the sensor may be frozen.",
                param=FROZEN,
            )


def _rules(agent: Agent, action: AgentAction) -> Sequence[Rule]:
    """Return the rules that were raised, or all if none was."""
    rules = read_definition(agent.definition).rules
    raised = {one["name"] for one in action.reason["rules"] if one["status"] == "raised"}
    return [rule for rule in rules if rule.name in raised] or rules


def _is_moving(history: PointHistory, start: datetime) -> bool:
    """Return whether the readings since a time differ."""
    values = history.values[history.times >= from_datetime(start)]
    return values.size > 1 and bool(np.ptp(values) > 0)
