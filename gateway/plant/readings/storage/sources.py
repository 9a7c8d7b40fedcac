"""Sources of readings: counts, clock skew and when they were last seen."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables import PlantReadingSource
from infra.clock import Clock

MAX_NAME_LENGTH = 100
# Of an account; further sources are not recorded.
MAX_SOURCES = 1_000
_RECORD = text("""
    insert into plant_reading_source
        (account_id, name, clock_skew_ms, accepted, refused, last_seen_at)
    select :account_id, :name, cast(:skew as bigint), :accepted, :refused, :now
    where exists (
        select from plant_reading_source where account_id = :account_id and name = :name
    ) or (select count(*) from plant_reading_source where account_id = :account_id) < :limit
    on conflict (account_id, name) do update set
        clock_skew_ms = coalesce(excluded.clock_skew_ms, plant_reading_source.clock_skew_ms),
        accepted = plant_reading_source.accepted + excluded.accepted,
        refused = plant_reading_source.refused + excluded.refused,
        last_seen_at = excluded.last_seen_at
""")


async def record_source(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    name: str,
    skew_ms: int | None,
    accepted: int,
    refused: int,
) -> None:
    """Add the readings of a request to its source; a skew of None leaves the last one."""
    await session.execute(
        _RECORD,
        {
            "account_id": account_id,
            "name": name,
            "skew": skew_ms,
            "accepted": accepted,
            "refused": refused,
            "now": clock.now(),
            "limit": MAX_SOURCES,
        },
    )


async def list_sources(session: AsyncSession, account_id: UUID) -> Sequence[PlantReadingSource]:
    """Return the sources of an account, by name."""
    query = (
        select(PlantReadingSource)
        .where(col(PlantReadingSource.account_id) == account_id)
        .order_by(col(PlantReadingSource.name))
    )
    return (await session.scalars(query)).all()
