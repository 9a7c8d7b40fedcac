"""The periodic check of all called models: find their drift level, and alert where it rises."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import func, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.notifications.drift_alerts import DriftAlert, enqueue_drift_alert
from gateway.drift.counts import delete_old_counts
from gateway.drift.report import DriftReport, load_drift
from gateway.registry.variants import find_name_and_version
from gateway.tables import Variant, VariantCount, VariantDrift
from infra.clock import Clock
from infra.database.database import Database
from infra.independent_steps import run_each
from models.drift.psi import DriftLevel, settled_level

# Counts are written some seconds after the call, and into the hour of the writing.
_OVERLAP = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """The job that checks the current versions of all accounts that were called since."""

    database: Database
    clock: Clock

    async def __call__(self) -> None:
        """Check all versions, and delete old counts.

        Raises StepsFailed at the end if a version could not be checked.
        """
        await run_each({"check of drift": self._check_all, "old counts": self._delete_old})

    async def _check_all(self) -> None:
        """Check each version. Raises StepsFailed."""
        async with self.database.transaction() as session:
            called = await _list_called(session)
        await run_each({f"drift of {one[1]}": partial(self._check, *one) for one in called})

    async def _check(self, account_id: UUID, variant_id: UUID) -> None:
        """Check a version in its own transaction."""
        async with self.database.transaction() as session:
            await check_version(session, self.clock, account_id, variant_id)

    async def _delete_old(self) -> None:
        """Delete the counts that no window reaches."""
        async with self.database.transaction() as session:
            await delete_old_counts(session, self.clock.now())


async def check_version(
    session: AsyncSession, clock: Clock, account_id: UUID, variant_id: UUID
) -> None:
    """Store the drift level of a version, and alert the account if it has risen.

    A level that stays is not told again; one that falls back and rises again is.
    """
    now = clock.now()
    query = select(VariantDrift).where(
        col(VariantDrift.account_id) == account_id, col(VariantDrift.variant_id) == variant_id
    )
    row = (await session.scalars(query.with_for_update())).one_or_none()
    if row is None:
        return
    report = await load_drift(session, account_id, variant_id, now)
    row.checked_at = now
    if report.level is not None:
        before = DriftLevel(row.level or DriftLevel.NONE)
        highest = max((one.psi for one in report.variables), default=0.0)
        level = settled_level(before, report.level, highest)
        row.level = level.value
        if level.rank > before.rank:
            await _alert(session, clock, account_id, variant_id, level, report)
    await session.flush()


async def count_levels(session: AsyncSession) -> dict[str, int]:
    """Return how many current models of all accounts have each level, for metrics."""
    query = (
        select(col(VariantDrift.level), func.count())
        .join(Variant, col(Variant.id) == col(VariantDrift.variant_id))
        .where(col(Variant.current), col(VariantDrift.level).is_not(None))
        .group_by(col(VariantDrift.level))
    )
    return {level: count for level, count in (await session.execute(query)).all() if level}


async def _list_called(session: AsyncSession) -> list[tuple[UUID, UUID]]:
    """Return the accounts and current versions that were called since their last check."""
    since = col(VariantDrift.checked_at) - _OVERLAP
    was_called = (
        select(col(VariantCount.hour))
        .where(
            col(VariantCount.variant_id) == col(VariantDrift.variant_id),
            or_(col(VariantDrift.checked_at).is_(None), col(VariantCount.hour) >= since),
        )
        .exists()
    )
    query = (
        select(col(VariantDrift.account_id), col(VariantDrift.variant_id))
        .join(Variant, col(Variant.id) == col(VariantDrift.variant_id))
        .where(col(Variant.current), was_called)
        .order_by(col(VariantDrift.variant_id))
    )
    return [(account_id, variant_id) for account_id, variant_id in await session.execute(query)]


async def _alert(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    variant_id: UUID,
    level: DriftLevel,
    report: DriftReport,
) -> None:
    """Enqueue the alert of a version whose level has risen."""
    model, version = await find_name_and_version(session, account_id, variant_id)
    worst = report.variables[0]
    alert = DriftAlert(
        account_id=account_id,
        variant_id=variant_id,
        model=model,
        version=version,
        level=level.value,
        variable=worst.name,
        psi=worst.psi,
        rows=report.rows,
        since=_moment(report.since),
    )
    await enqueue_drift_alert(session, clock, alert)


def _moment(moment: datetime | None) -> str:
    """Return a moment in ISO 8601, an empty text for none."""
    return "" if moment is None else moment.isoformat()
