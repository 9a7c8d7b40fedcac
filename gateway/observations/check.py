"""The periodic check whether versions keep the promise of their intervals and probabilities."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import func, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.notifications.promise_alerts import PromiseAlert, enqueue_promise_alert
from gateway.observations.rows import delete_old, list_pairs
from gateway.registry.variants import find_name_and_version
from gateway.tables import Observation, Variant, VariantPromise
from infra.clock import Clock
from infra.database.database import Database
from infra.independent_steps import run_each
from models.observed.report import Promise, report_observed

# Results of predictions before this say little about the model now.
WINDOW = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class PromiseCheck:
    """The job that checks the current versions of all accounts that have new observed results."""

    database: Database
    clock: Clock

    async def __call__(self) -> None:
        """Check all versions, and delete old results.

        Raises StepsFailed at the end if a version could not be checked.
        """
        await run_each({"check of promises": self._check_all, "old results": self._delete_old})

    async def _check_all(self) -> None:
        """Check each version. Raises StepsFailed."""
        async with self.database.transaction() as session:
            changed = await _list_changed(session)
        await run_each({f"promise of {one[1]}": partial(self._check, *one) for one in changed})

    async def _delete_old(self) -> None:
        """Delete the results past their retention."""
        async with self.database.transaction() as session:
            await delete_old(session, self.clock.now())

    async def _check(self, account_id: UUID, variant_id: UUID) -> None:
        """Store whether a version keeps its promise, and alert the account if it stopped to.

        A broken promise is told once, and again only after it was kept.
        """
        now = self.clock.now()
        async with self.database.transaction() as session:
            pairs = await list_pairs(session, account_id, variant_id, now - WINDOW)
        report = await asyncio.to_thread(report_observed, pairs)
        promise = None if report is None else report.promise
        async with self.database.transaction() as session:
            row = await _lock_row(session, self.clock, account_id, variant_id)
            was_kept, row.checked_at = row.kept, now
            row.kept = None if promise is None else _settled(was_kept, promise)
            if promise is not None and row.kept is False and was_kept is not False:
                await _alert(session, self.clock, account_id, variant_id, promise)


async def count_promises(session: AsyncSession) -> Mapping[str, int]:
    """Return how many current models of all accounts keep and break their promise, for metrics."""
    query = (
        select(col(VariantPromise.kept), func.count())
        .join(Variant, col(Variant.id) == col(VariantPromise.variant_id))
        .where(col(Variant.current), col(VariantPromise.kept).is_not(None))
        .group_by(col(VariantPromise.kept))
    )
    return {"kept" if kept else "broken": number for kept, number in await session.execute(query)}


def _settled(was_kept: bool | None, promise: Promise) -> bool | None:
    """Return whether a promise is kept; after it was broken, only if its share is reached again."""
    if promise.is_kept and was_kept is False:
        return promise.observed.value >= promise.nominal
    return promise.is_kept


async def _list_changed(session: AsyncSession) -> list[tuple[UUID, UUID]]:
    """Return the accounts and current versions with results since their last check."""
    newest = (
        select(
            col(Observation.account_id),
            col(Observation.variant_id),
            func.max(col(Observation.created_at)).label("newest"),
        )
        .group_by(col(Observation.account_id), col(Observation.variant_id))
        .subquery()
    )
    query = (
        select(newest.c.account_id, newest.c.variant_id)
        .join(Variant, col(Variant.id) == newest.c.variant_id)
        .join(VariantPromise, col(VariantPromise.variant_id) == newest.c.variant_id, isouter=True)
        .where(
            col(Variant.current),
            or_(
                col(VariantPromise.checked_at).is_(None),
                newest.c.newest >= col(VariantPromise.checked_at),
            ),
        )
        .order_by(newest.c.variant_id)
    )
    return [(account_id, variant_id) for account_id, variant_id in await session.execute(query)]


async def _lock_row(
    session: AsyncSession, clock: Clock, account_id: UUID, variant_id: UUID
) -> VariantPromise:
    """Lock and return the state of a version, which is added if it has none."""
    values = {"variant_id": variant_id, "account_id": account_id, "checked_at": clock.now()}
    await session.execute(insert(VariantPromise).values(values).on_conflict_do_nothing())
    query = select(VariantPromise).where(
        col(VariantPromise.account_id) == account_id, col(VariantPromise.variant_id) == variant_id
    )
    return (await session.scalars(query.with_for_update())).one()


async def _alert(
    session: AsyncSession, clock: Clock, account_id: UUID, variant_id: UUID, promise: Promise
) -> None:
    """Enqueue the alert of a version that breaks its promise."""
    model, version = await find_name_and_version(session, account_id, variant_id)
    alert = PromiseAlert(
        account_id=account_id,
        variant_id=variant_id,
        model=model,
        version=version,
        nominal=promise.nominal,
        observed=promise.observed.value,
        rows=promise.observed.rows,
    )
    await enqueue_promise_alert(session, clock, alert)
