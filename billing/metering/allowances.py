"""Allowances: what a plan includes, as quotas that gateways lease like any other.

One quota for each allowance of a version of a plan, or of the terms of a contract's covered calls,
in one billing period, in units of its meter. It refuses no call: what it cannot cover is paid for.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.quotas import QuotaRef, lock_quotas
from billing.rating.terms import ANY_MODEL
from billing.tables import Quota, QuotaKind, QuotaLease
from infra import ids

_SCOPE = ("account_id", "key_id", "kind", "period_start", "plan_version_id", "scope")


@dataclass(frozen=True, slots=True)
class AllowanceKey:
    """An allowance of a version of a plan, in the billing period that begins then."""

    period_start: datetime
    version_id: UUID
    model: str
    meter: str

    @property
    def scope(self) -> str:
        return f"{self.model}/{self.meter}"


async def allowances_of(
    session: AsyncSession, account_id: UUID, period_start: datetime, version_ids: Collection[UUID]
) -> dict[UUID, list[QuotaRef]]:
    """The allowances of versions in a period, those of one model before those of all."""
    query = select(Quota).where(
        *_of_account(account_id),
        col(Quota.period_start) == period_start,
        col(Quota.plan_version_id).in_(version_ids),
    )
    rows = (await session.scalars(query.order_by(col(Quota.id)))).all()
    refs = [(row.plan_version_id, _ref(row)) for row in rows]
    return {
        version_id: sorted(
            (ref for of, ref in refs if of == version_id), key=lambda one: one.model == ANY_MODEL
        )
        for version_id in version_ids
    }


async def open_allowances(
    session: AsyncSession, account_id: UUID, left: Mapping[AllowanceKey, int]
) -> None:
    """Make the quotas that are not there yet, of which no call can have taken anything. What
    another transaction makes at the same time is waited for, and left as it is."""
    rows = [_row(account_id, key, units) for key, units in left.items()]
    await session.execute(insert(Quota).values(rows).on_conflict_do_nothing())


async def put_allowances(
    session: AsyncSession,
    account_id: UUID,
    left: Mapping[AllowanceKey, int],
    counted: Mapping[UUID, int],
) -> dict[AllowanceKey, int]:
    """Let so many units be left to calls that the totals do not count yet; `counted` is what
    those that they count took of each quota. Gives how many more such calls have, or may take
    of what is lent."""
    await lock_quotas(session, account_id)
    missing: dict[tuple[object, ...], AllowanceKey] = {
        (key.period_start, key.version_id, key.scope): key for key in left
    }
    periods, versions = {one.period_start for one in left}, {one.version_id for one in left}
    query = select(Quota).where(
        *_of_account(account_id),
        col(Quota.period_start).in_(periods),
        col(Quota.plan_version_id).in_(versions),
    )
    beyond: dict[AllowanceKey, int] = {}
    # As they are under the lock, whatever was read of them before.
    for row in await session.scalars(query.execution_options(populate_existing=True)):
        key = missing.pop((row.period_start, row.plan_version_id, row.scope), None)
        if key is None:
            continue
        amount = left[key] + counted.get(row.id, 0)
        if amount != row.amount:
            # Processes give back what they have of it, so that it holds soon.
            row.amount, row.recalls = amount, row.recalls + 1
        if row.used + row.leased > amount:
            beyond[key] = row.used + row.leased - amount
    await session.flush()
    if missing:
        await _insert(session, account_id, {key: left[key] for key in missing.values()})
    return beyond


async def units_left(
    session: AsyncSession, account_id: UUID, quota_ids: Sequence[str]
) -> dict[str, int]:
    """What settled calls have left of each of these quotas; running calls are not counted."""
    settled = (
        select(func.coalesce(func.sum(QuotaLease.used - QuotaLease.folded), 0))
        .where(col(QuotaLease.quota_id) == col(Quota.id))
        .scalar_subquery()
    )
    query = select(Quota.id, Quota.amount, Quota.used, settled).where(
        *_of_account(account_id), col(Quota.id).in_([UUID(quota_id) for quota_id in quota_ids])
    )
    rows = (await session.execute(query)).all()
    return {str(row[0]): max(0, (row[1] or 0) - row[2] - int(row[3])) for row in rows}


async def _insert(
    session: AsyncSession, account_id: UUID, left: Mapping[AllowanceKey, int]
) -> None:
    made = insert(Quota).values([_row(account_id, key, units) for key, units in left.items()])
    await session.execute(
        made.on_conflict_do_update(index_elements=_SCOPE, set_={"amount": made.excluded.amount})
    )


def _of_account(account_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(Quota.account_id) == account_id, col(Quota.kind) == QuotaKind.ALLOWANCE.value


def _ref(row: Quota) -> QuotaRef:
    model, _, meter = (row.scope or "").rpartition("/")
    return QuotaRef(str(row.id), QuotaKind.ALLOWANCE, False, row.amount, model, meter)


def _row(account_id: UUID, key: AllowanceKey, units: int) -> dict[str, object]:
    return {
        "id": ids.new_id(),
        "account_id": account_id,
        "key_id": None,
        "kind": QuotaKind.ALLOWANCE.value,
        "period_start": key.period_start,
        "plan_version_id": key.version_id,
        "scope": key.scope,
        "amount": units,
        "used": 0,
        "leased": 0,
        "recalls": 0,
    }
