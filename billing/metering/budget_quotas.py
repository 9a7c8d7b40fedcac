"""Budgets of projects and keys as quotas: per day, per calendar month and in total, in money.

A budget is a quota like the account's credit: gateways lease parts of it, and it holds across
processes and hosts. Only projects and keys with a budget have such quotas. When a budget is set,
what its owner has spent in the period is counted from usage; calls that run at that moment are
counted when they have ended (budget_recounts.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.audit_events import MoneyEvent, log_event
from billing.metering.budget_periods import (
    BUDGET_COLUMNS,
    BudgetOwner,
    BudgetPeriod,
    BudgetQuotaRef,
    budget_scope,
    period_in_scope,
    scoped_budgets,
    stored_start,
)
from billing.metering.budget_recounts import recount_budget
from billing.metering.key_epoch import advance_epoch
from billing.metering.quotas import QuotaRef, lock_quotas, unfolded_units, validate_limit
from billing.tables import ApiKey, Project, Quota, QuotaKind
from infra import ids


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget of a project or key in the current period: limit, spent and reserved, nano-units."""

    owner_id: UUID
    period: BudgetPeriod
    amount: int
    used: int
    leased: int
    since: datetime
    resets_at: datetime | None


async def find_budget_quotas(
    session: AsyncSession, owner: BudgetOwner, at: datetime
) -> tuple[BudgetQuotaRef, ...]:
    """Return the budgets of a project or key that limit its call at a time, by id.

    Creates missing quotas. The monthly budget of a key is not among them.
    """
    budgets = scoped_budgets(owner)
    if not budgets:
        return ()
    rows = [_quota_row(owner, period, amount, at) for period, amount in budgets.items()]
    await session.execute(insert(Quota).values(rows).on_conflict_do_nothing())
    found = await session.scalars(_select_quotas(owner, at))
    refs = (_quota_ref(owner, period_in_scope(row.scope), row, at) for row in found)
    return tuple(ref for ref in refs if ref.period in budgets)


def name_monthly_budget(quotas: Sequence[QuotaRef], key: ApiKey, at: datetime) -> list[QuotaRef]:
    """Return the quotas of a key's call, its monthly budget with the key's name and the reset."""
    month = BudgetPeriod.MONTH

    def named(quota: QuotaRef) -> QuotaRef:
        """Return a budget with its owner and period, every other quota as it is."""
        if quota.kind is not QuotaKind.BUDGET:
            return quota
        place = (quota.id, quota.kind, quota.is_key_quota, quota.amount)
        return BudgetQuotaRef(*place, owner_name=key.name, period=month, resets_at=month.end(at))

    return [named(quota) for quota in quotas]


async def set_budgets(
    session: AsyncSession,
    owner: BudgetOwner,
    budgets: Mapping[BudgetPeriod, int | None],
    at: datetime,
) -> None:
    """Set budgets of a project or key in nano-units from now on; None removes one.

    What was spent in the period before counts. A budget may be below it: calls are then refused
    until it resets. For a key, per day and in total only. Raises LimitInvalid.
    """
    name = "key_id" if isinstance(owner, ApiKey) else "project_id"
    for period, amount in budgets.items():
        validate_limit(amount)
        setattr(owner, BUDGET_COLUMNS[period], amount)
        facts = {name: owner.id, "period": period.value, "nano": amount}
        log_event(session, MoneyEvent.BUDGET_CHANGED, owner.account_id, **facts)
    owner.budgets_set_at = at
    await session.flush()
    await lock_quotas(session, owner.account_id)
    for period, amount in budgets.items():
        await _set_quota(session, owner, period, amount, at)
    await advance_epoch(session, owner.account_id)


async def list_budget_states(
    session: AsyncSession, account_id: UUID, at: datetime
) -> list[BudgetState]:
    """List the budgets of an account's active projects in the current periods."""
    query = select(Project).where(
        col(Project.account_id) == account_id, col(Project.archived_at).is_(None)
    )
    projects = (await session.scalars(query.order_by(col(Project.id)))).all()
    return await _list_states(session, account_id, projects, at)


async def list_key_budget_states(
    session: AsyncSession, account_id: UUID, at: datetime
) -> list[BudgetState]:
    """List the budgets of an account's keys per day and in total in the current periods.

    Keys that were revoked or have expired have none.
    """
    query = select(ApiKey).where(
        col(ApiKey.account_id) == account_id,
        col(ApiKey.revoked_at).is_(None),
        or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > at),
        or_(col(ApiKey.daily_budget_nano).is_not(None), col(ApiKey.total_budget_nano).is_not(None)),
    )
    keys = (await session.scalars(query.order_by(col(ApiKey.id)))).all()
    return await _list_states(session, account_id, keys, at)


async def _list_states(
    session: AsyncSession, account_id: UUID, owners: Sequence[BudgetOwner], at: datetime
) -> list[BudgetState]:
    """Return the states of the owners' budgets; a quota that does not exist has counted nothing."""
    if not owners:
        return []
    quotas = await _read_quotas(session, account_id, at)
    return [
        BudgetState(
            owner.id,
            period,
            amount,
            *quotas.get((owner.id, period), (0, 0)),
            period.start(at),
            period.end(at),
        )
        for owner in owners
        for period, amount in scoped_budgets(owner).items()
    ]


async def _set_quota(
    session: AsyncSession,
    owner: BudgetOwner,
    period: BudgetPeriod,
    amount: int | None,
    at: datetime,
) -> None:
    """Set the limit of the current period's quota and count what was spent in the period."""
    statement = insert(Quota).values([_quota_row(owner, period, amount, at)])
    key = ["account_id", "key_id", "kind", "period_start", "plan_version_id", "scope"]
    changed = {"amount": statement.excluded.amount, "recalls": col(Quota.recalls) + 1}
    upsert = statement.on_conflict_do_update(index_elements=key, set_=changed)
    quota_id = (await session.execute(upsert.returning(col(Quota.id)))).scalar_one()
    query = select(Quota).where(
        col(Quota.account_id) == owner.account_id, col(Quota.id) == quota_id
    )
    found = await session.scalars(query, execution_options={"populate_existing": True})
    await recount_budget(session, found.one())


async def _read_quotas(
    session: AsyncSession, account_id: UUID, at: datetime
) -> dict[tuple[UUID, BudgetPeriod], tuple[int, int]]:
    """Return used and leased nano-units of an account's budgets in the current periods."""
    query = select(Quota, unfolded_units()).where(
        col(Quota.account_id) == account_id,
        col(Quota.kind) == QuotaKind.BUDGET.value,
        col(Quota.scope).is_not(None),
        col(Quota.period_start).in_([stored_start(period, at) for period in BudgetPeriod]),
    )
    found = {}
    for row, more in (await session.execute(query)).all():
        period, owner_id = period_in_scope(row.scope), row.key_id or row.project_id
        if owner_id is not None and row.period_start == stored_start(period, at):
            found[owner_id, period] = (row.used + int(more), row.leased - int(more))
    return found


def _select_quotas(owner: BudgetOwner, at: datetime) -> Any:
    """Return the query of an owner's quotas in the periods that contain a moment, by id."""
    scopes = [(budget_scope(owner.id, period), stored_start(period, at)) for period in BudgetPeriod]
    return (
        select(Quota)
        .where(
            col(Quota.account_id) == owner.account_id,
            col(Quota.kind) == QuotaKind.BUDGET.value,
            tuple_(col(Quota.scope), col(Quota.period_start)).in_(scopes),
        )
        .order_by(col(Quota.id))
    )


def _quota_ref(
    owner: BudgetOwner, period: BudgetPeriod, row: Quota, at: datetime
) -> BudgetQuotaRef:
    """Return the reference of a budget's quota for calls at a moment."""
    return BudgetQuotaRef(
        str(row.id),
        QuotaKind.BUDGET,
        is_key_quota=isinstance(owner, ApiKey),
        amount=row.amount,
        owner_name=owner.name,
        period=period,
        resets_at=period.end(at),
    )


def _quota_row(
    owner: BudgetOwner, period: BudgetPeriod, amount: int | None, at: datetime
) -> dict[str, object]:
    """Return the column values of a new quota in the period that contains `at`."""
    of_key = isinstance(owner, ApiKey)
    return {
        "id": ids.new_id(),
        "account_id": owner.account_id,
        "key_id": owner.id if of_key else None,
        "kind": QuotaKind.BUDGET.value,
        "period_start": stored_start(period, at),
        "scope": budget_scope(owner.id, period),
        "project_id": None if of_key else owner.id,
        "amount": amount,
        "used": 0,
        "leased": 0,
        "recalls": 0,
    }
