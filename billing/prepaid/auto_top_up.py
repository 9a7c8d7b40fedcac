"""Automatic top-ups: consent of an account, and when one is due.

    balance of the wallet less usage that is not invoiced < threshold -> one payment of the amount

At most one payment of an account is pending (a unique index of the database), and the payments of
a calendar month in the account's time zone never exceed the ceiling. Payments that fail stop it
after a few attempts, until somebody consents again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency, lock_profile, profile_time_zone
from billing.collection.payments.orders import TopUpLimits
from billing.invoices.available_credit import sum_uninvoiced_usage
from billing.ledger.ledger import Book, book_balance
from billing.money import minor_text
from billing.notifications.messages import EmailNotice, enqueue_email
from billing.tables import AutoTopUp, AutoTopUpAttempt, BillingProfile, PaymentOrder
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

METHOD = "stripe_saved"
"""The method of payment orders that are charged to a saved payment method."""
MAX_FAILURES = 3
_RETRY_AFTER = (timedelta(hours=1), timedelta(hours=6))
_MAX_MINOR = 10**13
# An order of an attempt: a charge is decided within seconds, or by the bank within days.
_LIFETIME = timedelta(days=7)
CONSENT_TEXT = (
    "I authorize automatic payments from the saved payment method whenever the balance falls below "
    "the threshold, up to the monthly ceiling, until I turn automatic top-up off."
)


class AutoTopUpInvalid(AppError):
    """A value of an automatic top-up is out of range, or consent is missing."""

    status = 400
    type = "invalid_request_error"
    code = "auto_top_up_invalid"


@dataclass(frozen=True, slots=True)
class AutoTopUpTerms:
    """What an account consents to, in minor units; `consented_by` names the person or key."""

    threshold: int
    minor: int
    monthly_ceiling: int
    consented_by: str


async def set_auto_top_up(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    terms: AutoTopUpTerms,
    limits: TopUpLimits,
) -> AutoTopUp:
    """Turn automatic top-up on, or change it; failures so far are forgotten.

    Raises AutoTopUpInvalid.
    """
    currency = await get_account_currency(session, account_id)
    if not limits.minimum <= terms.minor <= limits.maximum:
        raise AutoTopUpInvalid(
            f"amount: must be from {minor_text(limits.minimum, currency)} to "
            f"{minor_text(limits.maximum, currency)} {currency}.",
            param="amount",
        )
    if not 0 < terms.threshold <= _MAX_MINOR:
        raise AutoTopUpInvalid("threshold: must be more than zero.", param="threshold")
    if not terms.minor <= terms.monthly_ceiling <= _MAX_MINOR:
        raise AutoTopUpInvalid(
            "monthly_ceiling: must be at least the amount.", param="monthly_ceiling"
        )
    await lock_profile(session, account_id)
    row = AutoTopUp(
        account_id=account_id,
        threshold=terms.threshold,
        minor=terms.minor,
        monthly_ceiling=terms.monthly_ceiling,
        consent_text=CONSENT_TEXT,
        consented_by=terms.consented_by[:200],
        consented_at=clock.now(),
        failures=0,
        retry_at=None,
        stopped_at=None,
    )
    stored = await session.merge(row)
    await session.flush()
    return stored


async def remove_auto_top_up(session: AsyncSession, account_id: UUID) -> bool:
    """Turn automatic top-up off; return whether it was on. A pending payment is still credited."""
    await lock_profile(session, account_id)
    row = await session.get(AutoTopUp, account_id)
    if row is None:
        return False
    await session.delete(row)
    await session.flush()
    return True


async def find_auto_top_up(session: AsyncSession, account_id: UUID) -> AutoTopUp | None:
    """Return the account's automatic top-up, None if it is off."""
    query = select(AutoTopUp).where(col(AutoTopUp.account_id) == account_id)
    return (await session.scalars(query)).one_or_none()


async def list_accounts_to_check(session: AsyncSession, now: datetime) -> list[UUID]:
    """List accounts whose automatic top-up is on and does not wait, or has a pending payment.

    For operators: reads across accounts (no account_id filter).
    """
    active = select(AutoTopUp.account_id).where(
        col(AutoTopUp.stopped_at).is_(None),
        or_(col(AutoTopUp.retry_at).is_(None), col(AutoTopUp.retry_at) <= now),
    )
    pending = select(AutoTopUpAttempt.account_id).where(col(AutoTopUpAttempt.state) == "pending")
    return sorted(set((await session.scalars(active.union(pending))).all()))


async def find_pending_attempt(session: AsyncSession, account_id: UUID) -> AutoTopUpAttempt | None:
    """Return the account's pending attempt, None if there is none."""
    query = select(AutoTopUpAttempt).where(
        col(AutoTopUpAttempt.account_id) == account_id, col(AutoTopUpAttempt.state) == "pending"
    )
    return (await session.scalars(query)).one_or_none()


async def begin_due_top_up(
    session: AsyncSession, clock: Clock, account_id: UUID
) -> AutoTopUpAttempt | None:
    """Begin the top-up that is due now and return its attempt, or the one that is pending.

    Returns None if none is due: the balance suffices, calls are suspended, or the month's ceiling
    is reached.
    """
    profile = await lock_profile(session, account_id)
    pending = await find_pending_attempt(session, account_id)
    if pending is not None:
        return pending
    row = await session.get(AutoTopUp, account_id, populate_existing=True)
    now = clock.now()
    if row is None or row.stopped_at is not None or profile.suspended_at is not None:
        return None
    if row.retry_at is not None and row.retry_at > now:
        return None
    balance = -await book_balance(session, account_id, Book.WALLET)
    if balance - await sum_uninvoiced_usage(session, profile, now) >= row.threshold:
        return None
    month = account_month_start(profile, now)
    if await spent_in_month(session, account_id, month) + row.minor > row.monthly_ceiling:
        return None
    return await _begin(session, account_id, row, month, now)


def account_month_start(profile: BillingProfile, now: datetime) -> datetime:
    """Return the start of the calendar month in the account's time zone, as an instant."""
    local = now.astimezone(profile_time_zone(profile))
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


async def spent_in_month(session: AsyncSession, account_id: UUID, month: datetime) -> int:
    """Return what automatic top-ups of a month have paid or may still pay, in minor units."""
    query = select(func.coalesce(func.sum(AutoTopUpAttempt.minor), 0)).where(
        col(AutoTopUpAttempt.account_id) == account_id,
        col(AutoTopUpAttempt.month_start) == month,
        col(AutoTopUpAttempt.state) != "failed",
    )
    return int((await session.execute(query)).scalar_one())


async def end_attempt(
    session: AsyncSession, clock: Clock, attempt: AutoTopUpAttempt, *, paid: bool
) -> None:
    """End a pending attempt; failures are counted, and stop it after a few. Profile is locked."""
    attempt.state, attempt.ended_at = "paid" if paid else "failed", clock.now()
    row = await session.get(AutoTopUp, attempt.account_id, populate_existing=True)
    if row is not None and paid:
        row.failures, row.retry_at = 0, None
    elif row is not None:
        row.failures += 1
        if row.failures >= MAX_FAILURES:
            row.stopped_at, row.retry_at = clock.now(), None
            await _notify_stop(session, clock, row)
        else:
            row.retry_at = clock.now() + _RETRY_AFTER[row.failures - 1]
    await session.flush()


async def _begin(
    session: AsyncSession, account_id: UUID, row: AutoTopUp, month: datetime, now: datetime
) -> AutoTopUpAttempt:
    """Insert the payment order and the attempt of a top-up."""
    order_id = ids.new_id()
    order = PaymentOrder(
        id=order_id,
        account_id=account_id,
        method=METHOD,
        minor=row.minor,
        currency=await get_account_currency(session, account_id),
        number=order_id.hex,
        state="pending",
        created_at=now,
        expires_at=now + _LIFETIME,
    )
    session.add(order)
    await session.flush()
    attempt = AutoTopUpAttempt(
        id=ids.new_id(),
        account_id=account_id,
        order_id=order_id,
        month_start=month,
        minor=row.minor,
        state="pending",
        created_at=now,
    )
    session.add(attempt)
    await session.flush()
    return attempt


async def _notify_stop(session: AsyncSession, clock: Clock, row: AutoTopUp) -> None:
    """Enqueue the e-mail that automatic top-up has stopped."""
    profile = await lock_profile(session, row.account_id)
    currency = await get_account_currency(session, row.account_id)
    amount = f"{minor_text(row.minor, currency)} {currency}"
    values = {"failures": str(row.failures), "amount": amount}
    key = f"auto_top_up_stopped:{row.account_id}:{clock.now():%Y%m%dT%H%M%S}"
    await enqueue_email(session, clock, profile, key, EmailNotice("auto_top_up_stopped", values))
