"""Counts of inputs by version and hour in the database: add, read a window, delete old ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables import VariantCount
from models.drift.reference import Reference

# The window of a comparison: the last hours with so many rows together, of at most so many days.
WINDOW_ROWS = 1_000
WINDOW = timedelta(days=7)
# Fewer rows say nothing.
MIN_ROWS = 200

# The row of the version is locked, so that it cannot be deleted at the same time. Lists of other
# lengths cannot occur: a version's slots never change.
_ADD = text("""
insert into variant_count (variant_id, hour, account_id, counts)
select id, :hour, account_id, cast(:counts as integer[]) from variant
where id = :variant_id and account_id = :account_id and withdrawn_at is null
for key share
on conflict (variant_id, hour) do update set counts = (
  select array_agg(coalesce(pair.before, 0) + coalesce(pair.more, 0) order by pair.slot)
  from unnest(variant_count.counts, excluded.counts)
    with ordinality as pair(before, more, slot))
""")


@dataclass(frozen=True, slots=True)
class CountedWindow:
    """The counts of a version in a window, with its number of rows.

    since: the start of its first hour, None without rows.
    """

    counts: tuple[int, ...]
    rows: int
    since: datetime | None


async def add_counts(
    session: AsyncSession, now: datetime, counts: Mapping[tuple[UUID, UUID], Mapping[int, int]]
) -> None:
    """Add counts by slot to the hour of `now`, by the ids of account and version.

    Versions that were deleted, or are not the account's, are left out. The order of the versions
    must be the same in all processes, so that none waits for another in a circle.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    for (account_id, variant_id), of_slots in counts.items():
        dense = [of_slots.get(slot, 0) for slot in range(max(of_slots, default=-1) + 1)]
        values = {
            "variant_id": variant_id,
            "account_id": account_id,
            "hour": hour,
            "counts": dense,
        }
        if dense:
            await session.execute(_ADD, values)


async def read_window(
    session: AsyncSession, account_id: UUID, variant_id: UUID, reference: Reference, now: datetime
) -> CountedWindow:
    """Return the counts of the last hours of a version that have WINDOW_ROWS rows together."""
    query = select(col(VariantCount.hour), col(VariantCount.counts)).where(
        col(VariantCount.account_id) == account_id,
        col(VariantCount.variant_id) == variant_id,
        col(VariantCount.hour) > now - WINDOW,
    )
    hours = (await session.execute(query.order_by(col(VariantCount.hour).desc()))).all()
    total, rows, since = [0] * reference.slots, 0, None
    for hour, counts in hours:
        if rows >= WINDOW_ROWS:
            break
        # An hour without the last slots has a shorter list.
        for slot, count in enumerate(counts[: reference.slots]):
            total[slot] += count
        rows, since = _rows(reference, total), hour
    return CountedWindow(tuple(total), rows, since)


async def delete_old_counts(session: AsyncSession, now: datetime) -> None:
    """Delete the counts of all accounts that no window reaches."""
    await session.execute(delete(VariantCount).where(col(VariantCount.hour) <= now - WINDOW))


def _rows(reference: Reference, counts: list[int]) -> int:
    """Return the number of rows: each has one prediction."""
    return sum(counts[-reference.output.slots :])
