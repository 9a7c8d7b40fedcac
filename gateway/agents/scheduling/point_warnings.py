"""What of a schedule has no effect now: points that the asset lacks, or that have no reading."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.scheduling.loading import find_points


async def find_point_warnings(
    session: AsyncSession, account_id: UUID, asset_id: UUID, step: ScheduleStep
) -> list[tuple[str, str]]:
    """Return code and message of each point that cannot be used."""
    points = await find_points(session, account_id, asset_id, step)
    found = []
    for tag in step.tags:
        point = points.get(tag)
        if point is None:
            found.append(
                ("schedule_without_point", f"The asset and its parts have no point {tag!r}.")
            )
        elif point.newest.value is None:
            found.append(
                ("schedule_without_readings", f"The point {tag!r} has no usable reading yet.")
            )
    return found
