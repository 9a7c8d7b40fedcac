"""Delete expired readings and rollups: whole partitions where all accounts agree, else rows."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.readings.storage.partitions import (
    Partitioned,
    create_partitions,
    days_ahead,
    drop_partitions,
)
from infra.clock import Clock
from infra.database.database import Database, allow_long_statements

_OWN_DAYS = {
    Partitioned.BLOCKS: text("""
        select distinct retention_days from plant_reading_settings
        where retention_days is not null
    """),
    Partitioned.ROLLUPS: text("""
        select distinct rollup_retention_days from plant_reading_settings
        where rollup_retention_days is not null
    """),
}
_DELETE = {
    Partitioned.BLOCKS: text("""
        delete from plant_reading_block t where t.day < :before and coalesce((
            select s.retention_days from plant_reading_settings s
            where s.account_id = t.account_id
        ), :default_days) = :days
    """),
    Partitioned.ROLLUPS: text("""
        delete from plant_reading_rollup t where t.day < :before and coalesce((
            select s.rollup_retention_days from plant_reading_settings s
            where s.account_id = t.account_id
        ), :default_days) = :days
    """),
}


@dataclass(frozen=True, slots=True)
class RetentionDefaults:
    """The deployment's retention in days, for accounts without their own."""

    days: int
    rollup_days: int

    def of(self, table: Partitioned) -> int:
        """Return the retention of a table."""
        return self.days if table is Partitioned.BLOCKS else self.rollup_days


async def maintain_partitions(
    database: Database, clock: Clock, defaults: RetentionDefaults
) -> None:
    """Create the next days' partitions, then drop and delete what has expired."""
    today = clock.now().date()
    async with database.transaction() as session:
        await create_partitions(session, days_ahead(today))
    for table in Partitioned:
        async with database.transaction() as session:
            await allow_long_statements(session)
            await _delete_expired(session, table, today, defaults.of(table))


async def _delete_expired(
    session: AsyncSession, table: Partitioned, today: date, default_days: int
) -> None:
    """Drop the partitions that no account keeps, and delete the rows of accounts that keep less."""
    own = {int(days) for (days,) in (await session.execute(_OWN_DAYS[table]))}
    longest = max({default_days, *own})
    await drop_partitions(session, table, today - timedelta(days=longest))
    for days in sorted({default_days, *own} - {longest}):
        before = today - timedelta(days=days)
        parameters = {"before": before, "default_days": default_days, "days": days}
        await session.execute(_DELETE[table], parameters)
