"""Issue the commands of an action: limits, one writer per point, then queued for the connector."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.commands.leases import acquire_lease
from gateway.agents.commands.limits import limits_in_force, read_document
from gateway.agents.commands.planning import PlannedWrite
from gateway.agents.commands.rate import written_times
from gateway.agents.commands.sensors import require_moving
from gateway.agents.errors import AgentCommandRefused
from gateway.agents.public_ids import AGENT, COMMAND
from gateway.plant.commands.checks import check_before_write
from gateway.plant.commands.values import Command, PointLimits, Refusal
from gateway.tables.agents import Agent, AgentAction
from gateway.tables.agents_commands import AgentCommand, AgentCommandLimits, CommandStatus
from infra import ids
from infra.clock import Clock

CHANGED = "agent_changed"
# A connector that does not fetch a command in this time gets it no more.
DELIVER_WITHIN = timedelta(minutes=2)
_TEXTS: Mapping[Refusal, str] = MappingProxyType(
    {
        Refusal.LIMITS_MISSING: "No limits in force list the point {tag!r}.",
        Refusal.CLOCK_DIFFERS: "The limits of the point {tag!r} are not valid yet.",
        Refusal.LIMITS_EXPIRED: "The limits of the point {tag!r} have expired.",
        Refusal.UNIT_DIFFERS: "The point {tag!r} is written in another unit than {unit!r}.",
        Refusal.VALUE_OUTSIDE: "The value {value:g} is outside the limits of the point {tag!r}.",
        Refusal.TOO_SOON: "The point {tag!r} was written too short a time ago.",
        Refusal.TOO_MANY: "The point {tag!r} was written too often in the last hour.",
    }
)


async def issue_commands(
    session: AsyncSession, clock: Clock, agent: Agent, action: AgentAction
) -> Sequence[AgentCommand]:
    """Queue all commands of an action, or none. Raises AgentCommandRefused."""
    if action.reason["version"] != agent.version:
        raise AgentCommandRefused("The agent was changed since its decision.", param=CHANGED)
    writes = msgspec.convert(action.content["commands"], list[PlannedWrite])
    within_s = max(one.moving_s for one in writes)
    await require_moving(session, agent, action, within_s, clock.now())
    async with session.begin_nested():
        found = await limits_in_force(session, agent.account_id, clock.now())
        return [
            await _issue(session, clock, agent, action, (one.tag, one.value, one.unit), found)
            for one in writes
        ]


async def issue_undo(
    session: AsyncSession, clock: Clock, agent: Agent, action: AgentAction, former: AgentCommand
) -> AgentCommand:
    """Queue the write of the value from before a command. Raises AgentCommandRefused."""
    found = await limits_in_force(session, agent.account_id, clock.now())
    write = (former.tag, former.value_before or 0.0, former.unit)
    return await _issue(session, clock, agent, action, write, found, is_undo=True)


async def _issue(
    session: AsyncSession, clock: Clock, agent: Agent, action: AgentAction,
    write: tuple[str, float, str], found: Mapping[str, AgentCommandLimits], *,
    is_undo: bool = False,
) -> AgentCommand:  # fmt: skip
    """Check and queue one command. Raises AgentCommandRefused."""
    now, (tag, value, unit) = clock.now(), write
    limits, point = _limits_of(found, tag)
    row = AgentCommand(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        version=agent.version,
        action_id=action.id,
        limits_id=limits.id,
        connector=limits.connector,
        tag=tag,
        value=value,
        unit=unit,
        is_undo=is_undo,
        status=CommandStatus.QUEUED,
        created_at=now,
        not_after=now + DELIVER_WITHIN,
        renewed_at=now,
    )
    written = await written_times(session, agent.account_id, tag, now)
    refusal = check_before_write(read_document(limits), command_of(row), written, now)
    if refusal is not None:
        raise _refused(refusal, row)
    await acquire_lease(session, agent.account_id, agent.id, point, now)
    session.add(row)
    await session.flush()
    return row


def command_of(row: AgentCommand) -> Command:
    """Return a command as the connector gets it."""
    return Command(
        id=ids.format_id(COMMAND, row.id),
        tag=row.tag,
        value=row.value,
        unit=row.unit,
        agent=ids.format_id(AGENT, row.agent_id),
        created_at=row.created_at,
        not_after=row.not_after,
        ends_control=row.is_undo,
    )


def _limits_of(
    found: Mapping[str, AgentCommandLimits], tag: str
) -> tuple[AgentCommandLimits, PointLimits]:
    """Return the limits that list a point. Raises AgentCommandRefused."""
    for row in found.values():
        point = read_document(row).of_tag(tag)
        if point is not None:
            return row, point
    message = _TEXTS[Refusal.LIMITS_MISSING].format(tag=tag)
    raise AgentCommandRefused(message, param=Refusal.LIMITS_MISSING.value)


def _refused(refusal: Refusal, row: AgentCommand) -> AgentCommandRefused:
    """Return the error of a refusal."""
    values: dict[str, Any] = {"tag": row.tag, "value": row.value, "unit": row.unit}
    text = _TEXTS.get(refusal, "The point {tag!r} may not be written.")
    return AgentCommandRefused(text.format(**values), param=refusal.value)
