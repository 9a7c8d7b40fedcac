"""Quotas: what limits an account and its keys, as set by people.

Owns setting limits, an account's credit (the sum of its credit entries) and finding which quotas a
call is under.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.audit_events import MoneyEvent, tell
from billing.metering.key_epoch import advance_epoch
from billing.tables import ApiKey, CreditEntry, CreditReason, Quota, QuotaKind, QuotaLease
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

_MONEY = tuple(kind.value for kind in QuotaKind if kind.money)
_MOST = 10**18  # a thousand million of the currency, or that many tokens


class LimitInvalid(AppError):
    """A limit that is negative or beyond all sense."""

    status = 400
    type = "invalid_request_error"
    code = "limit_invalid"


@dataclass(frozen=True, slots=True)
class QuotaRef:
    """One quota that a call is under; `amount` is the limit when it was looked up, if any.

    The id is a text, which the hottest path looks up many times for each call. Included units are
    of a `meter`, and of one `model` or of all (`*`).
    """

    id: str
    kind: QuotaKind
    of_key: bool
    amount: int | None
    model: str = ""
    meter: str = ""


@dataclass(frozen=True, slots=True)
class QuotaState:
    """A quota as people see it: `used` by settled calls, `lent` to gateways for running and next
    ones."""

    kind: QuotaKind
    key_id: UUID | None
    period_start: datetime | None
    amount: int | None
    used: int
    lent: int
    scope: str | None = None


def month_of(moment: datetime) -> datetime:
    """The start of the calendar month, UTC."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(moment: datetime) -> datetime:
    """The start of the month after."""
    start = month_of(moment)
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)


async def quotas_over(
    session: AsyncSession, account_id: UUID, key_id: UUID, at: datetime
) -> tuple[QuotaRef, ...]:
    """The quotas that a key's call at that moment is under, in the order of their ids; included
    units, which limit nothing, are not among them (billing/metering/allowances.py).

    Those of money are there without a limit too: what an account has spent, and a key in a month,
    is counted from the first call on, so that a limit set later knows of it.
    """
    month = month_of(at)
    await _open_month(session, account_id, key_id, month)
    query = (
        select(Quota)
        .where(
            col(Quota.account_id) == account_id,
            col(Quota.kind) != QuotaKind.ALLOWANCE.value,
            or_(col(Quota.key_id).is_(None), col(Quota.key_id) == key_id),
            or_(col(Quota.period_start).is_(None), col(Quota.period_start) == month),
            or_(col(Quota.amount).is_not(None), col(Quota.kind).in_(_MONEY)),
        )
        .order_by(col(Quota.id))
    )
    return tuple(
        QuotaRef(str(row.id), QuotaKind(row.kind), row.key_id is not None, row.amount)
        for row in await session.scalars(query)
    )


async def request_quotas_of(session: AsyncSession, account_id: UUID) -> tuple[QuotaRef, ...]:
    """The account's own limit of requests a minute, where it has one: for requests without a
    key."""
    query = select(Quota).where(
        col(Quota.account_id) == account_id,
        col(Quota.kind) == QuotaKind.REQUESTS.value,
        col(Quota.key_id).is_(None),
        col(Quota.amount).is_not(None),
    )
    rows = await session.scalars(query)
    return tuple(QuotaRef(str(row.id), QuotaKind.REQUESTS, False, row.amount) for row in rows)


async def open_quotas(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    credit_nano: int,
    limits: Mapping[QuotaKind, int | None],
) -> None:
    """Create the quotas of a new account: its credit limit in nano-units, and its other limits.

    Locks nothing: no other transaction can see the account yet. Raises LimitInvalid.
    """
    rows = _limits(account_id, None, {QuotaKind.CREDIT: credit_nano, **limits})
    reason = CreditReason.CREDIT_LIMIT
    session.add(_entry(clock, account_id, reason, credit_nano, "on opening"))
    _tell_credit(session, account_id, reason, credit_nano, credit_nano)
    await _put(session, rows)
    await advance_epoch(session, account_id)


async def set_limit(
    session: AsyncSession,
    account_id: UUID,
    kind: QuotaKind,
    amount: int | None,
    key_id: UUID | None = None,
) -> None:
    """Limit an account or a key; None lifts the limit. Raises LimitInvalid.

    For CREDIT use `change_credit`, for BUDGET `set_budget`: they have a history.
    """
    await set_limits(session, account_id, {kind: amount}, key_id)


async def set_limits(
    session: AsyncSession,
    account_id: UUID,
    amounts: Mapping[QuotaKind, int | None],
    key_id: UUID | None = None,
) -> None:
    """Set several limits of an account or a key at once; `amounts` has at least one. Raises
    LimitInvalid."""
    rows = _limits(account_id, key_id, amounts)
    await lock_quotas(session, account_id)
    await _put(session, rows)
    await advance_epoch(session, account_id)


async def set_budget(
    session: AsyncSession, clock: Clock, account_id: UUID, key_id: UUID, amount: int | None
) -> None:
    """What a key may spend in each calendar month, this one included, in nano-units.

    Raises LimitInvalid. The key must be the account's.
    """
    require_sane(amount)
    await session.execute(
        update(ApiKey)
        .where(col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id)
        .values(monthly_budget_nano=amount)
    )
    tell(session, MoneyEvent.BUDGET_CHANGED, account_id, key_id=key_id, nano=amount)
    month = month_of(clock.now())
    await lock_quotas(session, account_id)
    await _put(session, [_row(account_id, key_id, QuotaKind.BUDGET, month, amount)])
    await advance_epoch(session, account_id)


async def change_credit(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    reason: CreditReason,
    amount_nano: int,
    note: str = "",
) -> int:
    """Add to what an account may spend, or take away; gives the sum of all such changes.

    Raises LimitInvalid where nothing would be left of it.
    """
    require_sane(abs(amount_nano))
    await lock_quotas(session, account_id)
    # The quota's lock makes changes of one account's credit follow one another.
    await _put(session, [_row(account_id, None, QuotaKind.CREDIT, None, None)])
    session.add(_entry(clock, account_id, reason, amount_nano, note))
    await session.flush()
    entries = await _entries(session, account_id)
    # What is owed may be more than the limit; what is granted is never below nothing.
    total = sum(entries.values())
    require_sane(total - entries.get(CreditReason.BILLING, 0))
    _tell_credit(session, account_id, reason, amount_nano, total)
    await _put(session, [_row(account_id, None, QuotaKind.CREDIT, None, total)])
    await advance_epoch(session, account_id)
    return total


def _entry(
    clock: Clock, account_id: UUID, reason: CreditReason, amount_nano: int, note: str
) -> CreditEntry:
    return CreditEntry(
        id=ids.new_id(),
        account_id=account_id,
        reason=reason.value,
        amount_nano=amount_nano,
        note=note.strip()[:500],
        created_at=clock.now(),
    )


def _tell_credit(
    session: AsyncSession, account_id: UUID, reason: CreditReason, amount_nano: int, total: int
) -> None:
    facts = {"reason": reason.value, "nano": amount_nano, "total_nano": total}
    tell(session, MoneyEvent.CREDIT_CHANGED, account_id, **facts)


async def set_credit_limit(
    session: AsyncSession, clock: Clock, account_id: UUID, amount_nano: int, note: str = ""
) -> int:
    """What an account may owe from now on, in nano-units; gives what it was. The same again changes
    nothing. Raises LimitInvalid."""
    require_sane(amount_nano)
    await lock_quotas(session, account_id)
    before = await credit_of(session, account_id, CreditReason.CREDIT_LIMIT)
    if amount_nano != before:
        change = amount_nano - before
        place = session, clock, account_id
        await change_credit(*place, CreditReason.CREDIT_LIMIT, change, note)
    return before


async def set_billing_credit(
    session: AsyncSession, clock: Clock, account_id: UUID, amount_nano: int
) -> None:
    """What billing adds to an account's credit, or takes away: what is left of it then may be
    below nothing. An account without any other credit may spend without limit, and still may.

    Gateways read a quota's amount all the time, so the access epoch stays as it is.
    """
    await lock_quotas(session, account_id)
    entries = await _entries(session, account_id)
    change = amount_nano - entries.get(CreditReason.BILLING, 0)
    if not entries.keys() - {CreditReason.BILLING} or not change:
        return
    session.add(
        CreditEntry(
            id=ids.new_id(),
            account_id=account_id,
            reason=CreditReason.BILLING.value,
            amount_nano=change,
            note="",
            created_at=clock.now(),
        )
    )
    await session.flush()
    total = sum(entries.values()) + change
    await _put(session, [_row(account_id, None, QuotaKind.CREDIT, None, total)])


async def granted(session: AsyncSession, account_id: UUID) -> int:
    """What was given to an account as credit, in nano-units, before what billing makes of it."""
    entries = await _entries(session, account_id)
    return sum(amount for reason, amount in entries.items() if reason != CreditReason.BILLING)


async def _entries(session: AsyncSession, account_id: UUID) -> dict[CreditReason, int]:
    query = (
        select(CreditEntry.reason, func.sum(CreditEntry.amount_nano))
        .where(col(CreditEntry.account_id) == account_id)
        .group_by(col(CreditEntry.reason))
    )
    return {CreditReason(reason): int(total) for reason, total in await session.execute(query)}


async def credit_of(
    session: AsyncSession, account_id: UUID, reason: CreditReason | None = None
) -> int:
    """The sum of an account's credit entries, of one reason or of all, in nano-units."""
    query = select(func.coalesce(func.sum(CreditEntry.amount_nano), 0)).where(
        col(CreditEntry.account_id) == account_id
    )
    if reason is not None:
        query = query.where(col(CreditEntry.reason) == reason.value)
    return int((await session.execute(query)).scalar_one())


async def list_limits(session: AsyncSession, account_id: UUID) -> list[QuotaState]:
    """All quotas of an account and its keys, those without a limit too."""
    settled = (
        select(func.coalesce(func.sum(QuotaLease.used - QuotaLease.folded), 0))
        .where(col(QuotaLease.quota_id) == col(Quota.id))
        .scalar_subquery()
    )
    query = select(Quota, settled).where(col(Quota.account_id) == account_id)
    rows = (await session.execute(query.order_by(col(Quota.id)))).all()
    return [
        QuotaState(
            kind=QuotaKind(quota.kind),
            key_id=quota.key_id,
            period_start=quota.period_start,
            amount=quota.amount,
            used=quota.used + int(more),
            lent=quota.leased - int(more),
            scope=quota.scope,
        )
        for quota, more in rows
    ]


async def _open_month(
    session: AsyncSession, account_id: UUID, key_id: UUID, month: datetime
) -> None:
    """A key has a quota of its own for each month, made on first use; its account has one."""
    key = (
        await session.execute(
            select(ApiKey.id, ApiKey.monthly_budget_nano).where(
                col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id
            )
        )
    ).one()
    rows = [
        _row(account_id, None, QuotaKind.CREDIT, None, None),
        _row(account_id, key_id, QuotaKind.BUDGET, month, key.monthly_budget_nano),
    ]
    await session.execute(insert(Quota).values(rows).on_conflict_do_nothing())


async def lock_quotas(session: AsyncSession, account_id: UUID) -> None:
    """All of an account's quotas in the order of their ids, as everywhere: who changes several
    and who borrows of several never wait in a ring."""
    query = select(Quota.id).where(col(Quota.account_id) == account_id)
    await session.execute(query.order_by(col(Quota.id)).with_for_update())


async def _put(session: AsyncSession, rows: Sequence[Mapping[str, object]]) -> None:
    """Set the limits of quotas. Processes give back what they have of them, so that they hold
    soon."""
    statement = insert(Quota).values(rows)
    scope = ["account_id", "key_id", "kind", "period_start", "plan_version_id", "scope"]
    changed = {"amount": statement.excluded.amount, "recalls": col(Quota.recalls) + 1}
    await session.execute(statement.on_conflict_do_update(index_elements=scope, set_=changed))


def _limits(
    account_id: UUID, key_id: UUID | None, amounts: Mapping[QuotaKind, int | None]
) -> list[dict[str, object]]:
    """Rows of quotas without a period. Raises LimitInvalid."""
    for amount in amounts.values():
        require_sane(amount)
    return [_row(account_id, key_id, kind, None, amount) for kind, amount in amounts.items()]


def _row(
    account_id: UUID,
    key_id: UUID | None,
    kind: QuotaKind,
    period_start: datetime | None,
    amount: int | None,
) -> dict[str, object]:
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


def require_sane(amount: int | None) -> None:
    """Raises LimitInvalid."""
    if amount is not None and not 0 <= amount <= _MOST:
        raise LimitInvalid(f"A limit is between 0 and {_MOST}.")
