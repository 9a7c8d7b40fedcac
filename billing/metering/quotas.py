"""Quotas: limits and credit of accounts and their keys, and which of them apply to a call.

A quota's row is locked for every change of its amount. Several quotas are locked in the order of
their ids everywhere, so that changes of limits and leases never deadlock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ScalarSelect, func, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.audit_events import MoneyEvent, log_event
from billing.metering.key_epoch import advance_epoch
from billing.tables import ApiKey, CreditEntry, CreditReason, Quota, QuotaKind, QuotaLease
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

_MONEY_KINDS = tuple(kind.value for kind in QuotaKind if kind.money)
_MAX_LIMIT = 10**18  # nano-units (a thousand million of the currency), or tokens


class LimitInvalid(AppError):
    """The limit is negative or too large."""

    status = 400
    type = "invalid_request_error"
    code = "limit_invalid"


@dataclass(frozen=True, slots=True)
class QuotaRef:
    """A quota that applies to a call; `amount` is its limit when it was looked up, if any.

    The id is a string because the hot path uses it as a dictionary key many times per call.
    Allowance quotas have a `meter` and a `model`, which is `*` for all models.
    """

    id: str
    kind: QuotaKind
    is_key_quota: bool
    amount: int | None
    model: str = ""
    meter: str = ""


@dataclass(frozen=True, slots=True)
class QuotaState:
    """A quota as shown to people: `used` by settled calls, `leased` to gateway processes for
    running and future calls; `amount` None means no limit."""

    kind: QuotaKind
    key_id: UUID | None
    period_start: datetime | None
    amount: int | None
    used: int
    leased: int
    scope: str | None = None


def month_start(moment: datetime) -> datetime:
    """Return the start of the calendar month in UTC."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month_start(moment: datetime) -> datetime:
    """Return the start of the next calendar month in UTC."""
    start = month_start(moment)
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)


async def find_call_quotas(
    session: AsyncSession, account_id: UUID, key_id: UUID, at: datetime
) -> tuple[QuotaRef, ...]:
    """Return the quotas that limit a key's call at a time, by id, without allowances.

    Creates the account's credit quota and the key's budget quota of the month if missing. These
    two are returned even without a limit: usage is counted from the first call, so that a limit
    set later applies to it.
    """
    month = month_start(at)
    found = await _select_call_quotas(session, account_id, key_id, month)
    if sum(quota.kind.money for quota in found) < len(_MONEY_KINDS):
        await _create_missing_quotas(session, account_id, key_id, month)
        found = await _select_call_quotas(session, account_id, key_id, month)
    return found


async def _select_call_quotas(
    session: AsyncSession, account_id: UUID, key_id: UUID, month: datetime
) -> tuple[QuotaRef, ...]:
    """Return the quotas that limit a key's call in a month and exist, by id."""
    columns = select(Quota.id, Quota.kind, Quota.key_id, Quota.amount)
    query = columns.where(
        col(Quota.account_id) == account_id,
        col(Quota.kind) != QuotaKind.ALLOWANCE.value,
        col(Quota.project_id).is_(None),
        or_(col(Quota.key_id).is_(None), col(Quota.key_id) == key_id),
        or_(col(Quota.period_start).is_(None), col(Quota.period_start) == month),
        or_(col(Quota.amount).is_not(None), col(Quota.kind).in_(_MONEY_KINDS)),
    )
    return tuple(
        QuotaRef(str(row.id), QuotaKind(row.kind), row.key_id is not None, row.amount)
        for row in await session.execute(query.order_by(col(Quota.id)))
    )


async def find_request_rate_quotas(session: AsyncSession, account_id: UUID) -> tuple[QuotaRef, ...]:
    """Return the account's requests-per-minute quota if it has a limit, for calls without a key."""
    query = select(Quota).where(
        col(Quota.account_id) == account_id,
        col(Quota.kind) == QuotaKind.REQUESTS.value,
        col(Quota.key_id).is_(None),
        col(Quota.amount).is_not(None),
    )
    rows = await session.scalars(query)
    return tuple(QuotaRef(str(row.id), QuotaKind.REQUESTS, False, row.amount) for row in rows)


async def create_account_quotas(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    credit_nano: int,
    limits: Mapping[QuotaKind, int | None],
) -> None:
    """Create the quotas of a new account: its credit limit in nano-units and its other limits.

    Takes no locks, because no other transaction can see the account yet. Raises LimitInvalid.
    """
    rows = _limit_rows(account_id, None, {QuotaKind.CREDIT: credit_nano, **limits})
    reason = CreditReason.CREDIT_LIMIT
    session.add(_credit_entry(clock, account_id, reason, credit_nano, "on opening"))
    _log_credit_change(session, account_id, reason, credit_nano, credit_nano)
    await _upsert_limits(session, rows)
    await advance_epoch(session, account_id)


async def set_limit(
    session: AsyncSession,
    account_id: UUID,
    kind: QuotaKind,
    amount: int | None,
    key_id: UUID | None = None,
) -> None:
    """Set one limit of an account or a key; None removes it. Raises LimitInvalid.

    Use `add_credit_entry` for CREDIT and `set_budget` for BUDGET: they keep a history.
    """
    await set_limits(session, account_id, {kind: amount}, key_id)


async def set_limits(
    session: AsyncSession,
    account_id: UUID,
    amounts: Mapping[QuotaKind, int | None],
    key_id: UUID | None = None,
) -> None:
    """Set one or more limits of an account or a key. Raises LimitInvalid."""
    rows = _limit_rows(account_id, key_id, amounts)
    await lock_quotas(session, account_id)
    await _upsert_limits(session, rows)
    await advance_epoch(session, account_id)


async def set_budget(
    session: AsyncSession, clock: Clock, account_id: UUID, key_id: UUID, amount: int | None
) -> None:
    """Set the monthly budget of a key in nano-units, from the current calendar month (UTC) on.

    None removes the budget. The key must belong to the account. Raises LimitInvalid.
    """
    validate_limit(amount)
    await session.execute(
        update(ApiKey)
        .where(col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id)
        .values(monthly_budget_nano=amount)
    )
    log_event(session, MoneyEvent.BUDGET_CHANGED, account_id, key_id=key_id, nano=amount)
    month = month_start(clock.now())
    await lock_quotas(session, account_id)
    await _upsert_limits(session, [_quota_row(account_id, key_id, QuotaKind.BUDGET, month, amount)])
    await advance_epoch(session, account_id)


async def add_credit_entry(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    reason: CreditReason,
    amount_nano: int,
    note: str = "",
) -> int:
    """Add a credit entry, positive or negative, in nano-units; return the sum of all entries.

    Raises LimitInvalid if the granted credit would become negative.
    """
    validate_limit(abs(amount_nano))
    await lock_quotas(session, account_id)
    # Creates the quota if needed; its row lock serializes changes of the account's credit.
    await _upsert_limits(session, [_quota_row(account_id, None, QuotaKind.CREDIT, None, None)])
    session.add(_credit_entry(clock, account_id, reason, amount_nano, note))
    await session.flush()
    entries = await _sum_entries_by_reason(session, account_id)
    # The total may be negative, as billing subtracts what is owed; granted credit may not.
    total = sum(entries.values())
    validate_limit(total - entries.get(CreditReason.BILLING, 0))
    _log_credit_change(session, account_id, reason, amount_nano, total)
    await _upsert_limits(session, [_quota_row(account_id, None, QuotaKind.CREDIT, None, total)])
    await advance_epoch(session, account_id)
    return total


def _credit_entry(
    clock: Clock, account_id: UUID, reason: CreditReason, amount_nano: int, note: str
) -> CreditEntry:
    """Build the row of a credit entry; the note is cut to 500 characters."""
    return CreditEntry(
        id=ids.new_id(),
        account_id=account_id,
        reason=reason.value,
        amount_nano=amount_nano,
        note=note.strip()[:500],
        created_at=clock.now(),
    )


def _log_credit_change(
    session: AsyncSession, account_id: UUID, reason: CreditReason, amount_nano: int, total: int
) -> None:
    """Log the audit event of a credit change; amounts are in nano-units."""
    facts = {"reason": reason.value, "nano": amount_nano, "total_nano": total}
    log_event(session, MoneyEvent.CREDIT_CHANGED, account_id, **facts)


async def set_credit_limit(
    session: AsyncSession, clock: Clock, account_id: UUID, amount_nano: int, note: str = ""
) -> int:
    """Set the account's credit limit in nano-units; return the previous limit.

    Changes nothing if the limit is the same. Raises LimitInvalid.
    """
    validate_limit(amount_nano)
    await lock_quotas(session, account_id)
    previous = await sum_credit_entries(session, account_id, CreditReason.CREDIT_LIMIT)
    if amount_nano != previous:
        change = amount_nano - previous
        await add_credit_entry(session, clock, account_id, CreditReason.CREDIT_LIMIT, change, note)
    return previous


async def set_billing_credit(
    session: AsyncSession, clock: Clock, account_id: UUID, amount_nano: int
) -> None:
    """Set billing's correction of the account's credit, in nano-units; it may be negative.

    Changes nothing for an account without other credit entries, which has no credit limit. The
    access epoch is not advanced, because gateways poll the amounts of quotas anyway.
    """
    await lock_quotas(session, account_id)
    entries = await _sum_entries_by_reason(session, account_id)
    change = amount_nano - entries.get(CreditReason.BILLING, 0)
    if not entries.keys() - {CreditReason.BILLING} or not change:
        return
    session.add(_credit_entry(clock, account_id, CreditReason.BILLING, change, ""))
    await session.flush()
    total = sum(entries.values()) + change
    await _upsert_limits(session, [_quota_row(account_id, None, QuotaKind.CREDIT, None, total)])


async def sum_granted_credit(session: AsyncSession, account_id: UUID) -> int:
    """Return the credit granted to an account in nano-units, without billing's corrections."""
    entries = await _sum_entries_by_reason(session, account_id)
    return sum(amount for reason, amount in entries.items() if reason != CreditReason.BILLING)


async def _sum_entries_by_reason(
    session: AsyncSession, account_id: UUID
) -> dict[CreditReason, int]:
    """Return the sum of an account's credit entries in nano-units, by reason."""
    query = (
        select(CreditEntry.reason, func.sum(CreditEntry.amount_nano))
        .where(col(CreditEntry.account_id) == account_id)
        .group_by(col(CreditEntry.reason))
    )
    return {CreditReason(reason): int(total) for reason, total in await session.execute(query)}


async def sum_credit_entries(
    session: AsyncSession, account_id: UUID, reason: CreditReason | None = None
) -> int:
    """Return the sum of an account's credit entries in nano-units, of one reason or of all."""
    query = select(func.coalesce(func.sum(CreditEntry.amount_nano), 0)).where(
        col(CreditEntry.account_id) == account_id
    )
    if reason is not None:
        query = query.where(col(CreditEntry.reason) == reason.value)
    return int((await session.execute(query)).scalar_one())


def unfolded_units() -> ScalarSelect[int]:
    """Return the subquery of used units of leases not yet added to the quota's own count."""
    return (
        select(func.coalesce(func.sum(QuotaLease.used - QuotaLease.folded), 0))
        .where(col(QuotaLease.quota_id) == col(Quota.id))
        .scalar_subquery()
    )


async def list_quota_states(session: AsyncSession, account_id: UUID) -> list[QuotaState]:
    """List all quotas of an account and its keys, with or without a limit, not of projects."""
    of_account = col(Quota.account_id) == account_id, col(Quota.project_id).is_(None)
    query = select(Quota, unfolded_units()).where(*of_account)
    rows = (await session.execute(query.order_by(col(Quota.id)))).all()
    return [
        QuotaState(
            kind=QuotaKind(quota.kind),
            key_id=quota.key_id,
            period_start=quota.period_start,
            amount=quota.amount,
            used=quota.used + int(unfolded),
            leased=quota.leased - int(unfolded),
            scope=quota.scope,
        )
        for quota, unfolded in rows
    ]


async def _create_missing_quotas(
    session: AsyncSession, account_id: UUID, key_id: UUID, month: datetime
) -> None:
    """Create the account's credit quota and the key's budget quota of a month if missing."""
    query = select(ApiKey.monthly_budget_nano).where(
        col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id
    )
    budget = (await session.execute(query)).scalar_one()
    rows = [
        _quota_row(account_id, None, QuotaKind.CREDIT, None, None),
        _quota_row(account_id, key_id, QuotaKind.BUDGET, month, budget),
    ]
    await session.execute(insert(Quota).values(rows).on_conflict_do_nothing())


async def lock_quotas(session: AsyncSession, account_id: UUID) -> None:
    """Lock all quotas of an account in the order of their ids, which prevents deadlocks."""
    query = select(Quota.id).where(col(Quota.account_id) == account_id)
    await session.execute(query.order_by(col(Quota.id)).with_for_update())


async def _upsert_limits(session: AsyncSession, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert or update quotas with their limits.

    Also requests that processes return their unused leases, so that new limits apply soon.
    """
    statement = insert(Quota).values(rows)
    key = ["account_id", "key_id", "kind", "period_start", "plan_version_id", "scope"]
    changed = {"amount": statement.excluded.amount, "recalls": col(Quota.recalls) + 1}
    await session.execute(statement.on_conflict_do_update(index_elements=key, set_=changed))


def _limit_rows(
    account_id: UUID, key_id: UUID | None, amounts: Mapping[QuotaKind, int | None]
) -> list[dict[str, object]]:
    """Return the quota rows that store these limits, without a period. Raises LimitInvalid."""
    for amount in amounts.values():
        validate_limit(amount)
    return [_quota_row(account_id, key_id, kind, None, amount) for kind, amount in amounts.items()]


def _quota_row(
    account_id: UUID,
    key_id: UUID | None,
    kind: QuotaKind,
    period_start: datetime | None,
    amount: int | None,
) -> dict[str, object]:
    """Return the column values of a new quota without usage; `amount` None means no limit."""
    return {
        "id": ids.new_id(),
        "account_id": account_id,
        "key_id": key_id,
        "kind": kind.value,
        "period_start": period_start,
        "amount": amount,
        "used": 0,
        "leased": 0,
        "recalls": 0,
    }


def validate_limit(amount: int | None) -> None:
    """Check that a limit is between 0 and 10^18; None is valid. Raises LimitInvalid."""
    if amount is not None and not 0 <= amount <= _MAX_LIMIT:
        raise LimitInvalid(f"A limit must be from 0 to {_MAX_LIMIT}.")
