"""Partitions of blocks (daily) and rollups (monthly): create them ahead, drop expired ones.

They are in the schema `readings`, named by their first day, such as `readings.block_20261130`.
Several workers may run this at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

SCHEMA = "readings"
# A worker that was stopped for a day leaves partitions for this time.
DAYS_AHEAD = 3
_LOCK = text("select pg_advisory_xact_lock(hashtext('readings.partitions'))")
_LIST = text("select tablename from pg_tables where schemaname = :schema and tablename like :name")


class Partitioned(Enum):
    """A partitioned table with the prefix of its partitions' names."""

    BLOCKS = ("plant_reading_block", "block")
    ROLLUPS = ("plant_reading_rollup", "rollup")

    @property
    def table(self) -> str:
        """The name of the partitioned table."""
        return self.value[0]

    @property
    def prefix(self) -> str:
        """The prefix of the names of its partitions."""
        return self.value[1]

    def partition_of(self, day: date) -> "Partition":
        """Return the partition that contains a day."""
        if self is Partitioned.BLOCKS:
            return Partition(self, day, day + timedelta(days=1))
        first = day.replace(day=1)
        return Partition(self, first, (first + timedelta(days=32)).replace(day=1))


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition with the days from `first` to before `end`."""

    parent: Partitioned
    first: date
    end: date

    @property
    def name(self) -> str:
        """The name of its table in the schema."""
        return f"{self.parent.prefix}_{self.first:%Y%m%d}"


async def create_partitions(session: AsyncSession, days: Iterable[date]) -> int:
    """Create the missing partitions of both tables for some days. Returns how many were missing."""
    wanted = {parent.partition_of(day) for parent in Partitioned for day in set(days)}
    names = await _existing(session)
    missing = sorted(
        (one for one in wanted if one.name not in names), key=lambda one: (one.name, one.first)
    )
    if not missing:
        return 0
    await session.execute(_LOCK)
    for one in missing:
        await session.execute(
            text(
                f"create table if not exists {SCHEMA}.{one.name} partition of {one.parent.table} "
                f"for values from ('{one.first.isoformat()}') to ('{one.end.isoformat()}')"
            )
        )
    return len(missing)


async def drop_partitions(session: AsyncSession, parent: Partitioned, before: date) -> int:
    """Drop the partitions whose days are all before a day. Returns how many there were."""
    names = await _existing(session)
    days = [
        date.fromisoformat(name.removeprefix(f"{parent.prefix}_"))
        for name in names
        if name.startswith(f"{parent.prefix}_")
    ]
    expired = [one for one in map(parent.partition_of, days) if one.end <= before]
    if not expired:
        return 0
    await session.execute(_LOCK)
    for one in expired:
        await session.execute(text(f"drop table if exists {SCHEMA}.{one.name}"))
    return len(expired)


def days_ahead(today: date) -> list[date]:
    """Return today and the days after it for which partitions are created ahead."""
    return [today + timedelta(days=offset) for offset in range(DAYS_AHEAD + 1)]


async def _existing(session: AsyncSession) -> set[str]:
    """Return the names of all partitions."""
    rows = await session.scalars(_LIST, {"schema": SCHEMA, "name": "%"})
    return set(rows)
