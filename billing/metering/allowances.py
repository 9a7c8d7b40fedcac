"""Allowance quotas: included units of plans and contracts, leased by gateways like other quotas.

There is one quota per allowance of a plan version (or of the terms of a contract's covered calls)
and billing period, in units of its meter. It rejects no call: units beyond it are charged.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.quotas import QuotaRef, lock_quotas, unfolded_units
from billing.rating.terms import ANY_MODEL
from billing.tables import Quota, QuotaKind
from infra import ids

_QUOTA_KEY_COLUMNS = ("account_id", "key_id", "kind", "period_start", "plan_version_id", "scope")


@dataclass(frozen=True, slots=True)
class AllowanceKey:
    """Identifies an allowance of a plan version in the billing period with this start."""

    period_start: datetime
    version_id: UUID
    model: str
    meter: str

    @property
    def scope(self) -> str:
        """The value of the quota's `scope` column, `model/meter`."""
        return f"{self.model}/{self.meter}"


async def find_allowance_quotas(
    session: AsyncSession, account_id: UUID, period_start: datetime, version_ids: Collection[UUID]
) -> dict[UUID, list[QuotaRef]]:
    """Return the allowance quotas of plan versions in a period, by version id.

    Quotas of one model come before quotas of all models.
    """
    query = select(Quota).where(
        *_account_allowances(account_id),
        col(Quota.period_start) == period_start,
        col(Quota.plan_version_id).in_(version_ids),
    )
    rows = (await session.scalars(query.order_by(col(Quota.id)))).all()
    refs = [(row.plan_version_id, _quota_ref(row)) for row in rows]
    return {
        version_id: sorted(
            (ref for ref_version_id, ref in refs if ref_version_id == version_id),
            key=lambda ref: ref.model == ANY_MODEL,
        )
        for version_id in version_ids
    }


async def create_missing_allowances(
    session: AsyncSession, account_id: UUID, available: Mapping[AllowanceKey, int]
) -> None:
    """Create the allowance quotas that do not exist yet, with their available units.

    No call can have used a missing quota. Waits for concurrent transactions that create the same
    quotas, and leaves existing quotas unchanged.
    """
    rows = [_quota_row(account_id, key, units) for key, units in available.items()]
    await session.execute(insert(Quota).values(rows).on_conflict_do_nothing())


async def set_allowance_quotas(
    session: AsyncSession,
    account_id: UUID,
    available: Mapping[AllowanceKey, int],
    aggregated: Mapping[UUID, int],
) -> dict[AllowanceKey, int]:
    """Set allowance quotas to `aggregated` (units used by calls in the totals) plus `available`.

    `available` units are left for calls that are not in the usage totals yet. `aggregated` is by
    quota id. Returns by how many units the used and leased units of a quota exceed the new amount.
    """
    await lock_quotas(session, account_id)
    missing: dict[tuple[object, ...], AllowanceKey] = {
        (key.period_start, key.version_id, key.scope): key for key in available
    }
    periods = {key.period_start for key in available}
    versions = {key.version_id for key in available}
    query = select(Quota).where(
        *_account_allowances(account_id),
        col(Quota.period_start).in_(periods),
        col(Quota.plan_version_id).in_(versions),
    )
    excess: dict[AllowanceKey, int] = {}
    # Read again under the lock: the session may have older values of these rows.
    for row in await session.scalars(query.execution_options(populate_existing=True)):
        key = missing.pop((row.period_start, row.plan_version_id, row.scope), None)
        if key is None:
            continue
        amount = available[key] + aggregated.get(row.id, 0)
        if amount != row.amount:
            # Request that processes return their leases, so that the new amount applies soon.
            row.amount, row.recalls = amount, row.recalls + 1
        if row.used + row.leased > amount:
            excess[key] = row.used + row.leased - amount
    await session.flush()
    if missing:
        new = {key: available[key] for key in missing.values()}
        await _upsert_quotas(session, account_id, new)
    return excess


async def remaining_units_by_quota(
    session: AsyncSession, account_id: UUID, quota_ids: Sequence[str]
) -> dict[str, int]:
    """Return each quota's units that settled calls have not used; running calls do not count."""
    query = select(Quota.id, Quota.amount, Quota.used, unfolded_units()).where(
        *_account_allowances(account_id),
        col(Quota.id).in_([UUID(quota_id) for quota_id in quota_ids]),
    )
    rows = (await session.execute(query)).all()
    return {
        str(quota_id): max(0, (amount or 0) - used - int(unfolded))
        for quota_id, amount, used, unfolded in rows
    }


async def _upsert_quotas(
    session: AsyncSession, account_id: UUID, available: Mapping[AllowanceKey, int]
) -> None:
    """Insert allowance quotas, or set the amounts of existing ones."""
    statement = insert(Quota).values(
        [_quota_row(account_id, key, units) for key, units in available.items()]
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=_QUOTA_KEY_COLUMNS, set_={"amount": statement.excluded.amount}
        )
    )


def _account_allowances(account_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the SQL conditions that match an account's allowance quotas."""
    return col(Quota.account_id) == account_id, col(Quota.kind) == QuotaKind.ALLOWANCE.value


def _quota_ref(row: Quota) -> QuotaRef:
    """Return a call's reference to an allowance quota, with model and meter from its scope."""
    model, _, meter = (row.scope or "").rpartition("/")
    return QuotaRef(str(row.id), QuotaKind.ALLOWANCE, False, row.amount, model, meter)


def _quota_row(account_id: UUID, key: AllowanceKey, units: int) -> dict[str, object]:
    """Return the column values of a new allowance quota with `units` and no usage."""
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
