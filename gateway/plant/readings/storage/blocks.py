"""Read stored readings of points: compressed blocks of hours, and the write buffer above them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.readings.codec import decode
from gateway.plant.readings.merging import merge
from gateway.plant.readings.values import HOURS_PER_DAY, Series

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_SELECT_BLOCKS = text("""
    select point_id, hour, data from plant_reading_block
    where account_id = :account_id and point_id = any(:point_ids)
      and day between :first_day and :last_day and hour between :first_hour and :last_hour
    order by point_id, hour
""")
_SELECT_BUFFER = text("""
    select point_id, hour, data from plant_reading_buffer
    where account_id = :account_id and point_id = any(:point_ids)
      and hour between :first_hour and :last_hour
    order by point_id, id
""")
_COUNT = text("""
    select coalesce(sum(count), 0) from (
        select count from plant_reading_block
        where account_id = :account_id and point_id = any(:point_ids)
          and day between :first_day and :last_day and hour between :first_hour and :last_hour
        union all
        select count from plant_reading_buffer
        where account_id = :account_id and point_id = any(:point_ids)
          and hour between :first_hour and :last_hour
    ) one
""")


@dataclass(frozen=True, slots=True)
class HourRange:
    """Hours since 1970, from `first` to `last` inclusive."""

    first: int
    last: int

    def parameters(self, account_id: UUID, point_ids: Collection[UUID]) -> dict[str, Any]:
        """Return the parameters of the statements that select blocks."""
        return {
            "account_id": account_id,
            "point_ids": list(point_ids),
            "first_day": day_of_hour(self.first),
            "last_day": day_of_hour(self.last),
            "first_hour": self.first,
            "last_hour": self.last,
        }


@dataclass(slots=True)
class StoredParts:
    """The encoded readings of a point: blocks in order of time, then buffered ones as written."""

    blocks: list[bytes] = field(default_factory=list)
    buffered: list[bytes] = field(default_factory=list)
    buffered_hours: set[int] = field(default_factory=set)

    def decoded(self) -> Series:
        """Return the readings ordered by time. Raises BlockDamaged."""
        return merge([decode(one) for one in (*self.blocks, *self.buffered)])


def day_of_hour(hour: int) -> date:
    """Return the day (UTC) of an hour since 1970."""
    return date.fromordinal(_EPOCH_ORDINAL + hour // HOURS_PER_DAY)


async def load_parts(
    session: AsyncSession, account_id: UUID, point_ids: Collection[UUID], hours: HourRange
) -> Mapping[UUID, StoredParts]:
    """Return the encoded readings of points in some hours; every point has an entry."""
    parts = {point_id: StoredParts() for point_id in point_ids}
    parameters = hours.parameters(account_id, point_ids)
    for point_id, _hour, data in await _rows(session, _SELECT_BLOCKS, parameters):
        parts[point_id].blocks.append(data)
    for point_id, hour, data in await _rows(session, _SELECT_BUFFER, parameters):
        parts[point_id].buffered.append(data)
        parts[point_id].buffered_hours.add(hour)
    return parts


async def _rows(
    session: AsyncSession, statement: Any, parameters: Mapping[str, Any]
) -> Sequence[Any]:
    """Return the rows of a statement."""
    return (await session.execute(statement, dict(parameters))).all()


async def count_readings(
    session: AsyncSession, account_id: UUID, point_ids: Collection[UUID], hours: HourRange
) -> int:
    """Return how many readings the hours of points hold at most; duplicates in the buffer count."""
    parameters = hours.parameters(account_id, point_ids)
    return int((await session.execute(_COUNT, parameters)).scalar_one())
