"""The rate at which a point may be written, by the owner's limits."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.commands.limits import limits_in_force, read_document
from gateway.plant.commands.checks import check_rate
from gateway.tables.agents_commands import AgentCommand, CommandStatus

_RATE_WINDOW = timedelta(hours=1)


async def written_times(
    session: AsyncSession, account_id: UUID, tag: str, now: datetime
) -> Sequence[datetime]:
    """Return when commands of a point were issued, except those that wrote nothing."""
    unwritten = (CommandStatus.REFUSED, CommandStatus.EXPIRED, CommandStatus.CANCELLED)
    query = select(col(AgentCommand.created_at)).where(
        col(AgentCommand.account_id) == account_id,
        col(AgentCommand.tag) == tag,
        col(AgentCommand.created_at) > now - _RATE_WINDOW,
        col(AgentCommand.status).not_in(unwritten),
    )
    return (await session.scalars(query)).all()


async def is_too_soon(
    session: AsyncSession, account_id: UUID, tags: Collection[str], now: datetime
) -> bool:
    """Return whether the limits do not allow one of several points to be written again yet."""
    found = (await limits_in_force(session, account_id, now)).values()
    points = {point.tag: point for row in found for point in read_document(row).points}
    for tag in points.keys() & set(tags):
        written = await written_times(session, account_id, tag, now)
        if check_rate(points[tag], written, now) is not None:
            return True
    return False
