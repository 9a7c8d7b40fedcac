"""The queries that gather an account's facts for its credit policy."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency, get_profile
from billing.credit.facts import CreditFacts, GuaranteeFact, OverrideFact
from billing.credit.policy import CreditPolicy
from billing.invoices.suspension import is_worth_collecting
from billing.ledger.ledger import (
    Book,
    book_balance,
    invoice_book_balance,
    outstanding_amount,
)
from billing.tables import (
    CreditDecision,
    CreditGuarantee,
    CreditOverride,
    Invoice,
    InvoiceStatus,
)

# A charged invoice is due at once, so payment some days later is on time.
_HISTORY = """
    select
        (select created_at from account where id = :account),
        (
            select count(*) from invoice i
            where i.account_id = :account and i.status = 'paid' and i.total > 0
              and i.settled_at <= i.due_at + make_interval(days => :grace)
        ),
        (select greatest(0, coalesce(sum(minor), 0)) from payment where account_id = :account),
        (
            select coalesce(max(total), 0) from invoice
            where account_id = :account and status not in ('draft', 'void')
        ),
        (
            select coalesce(sum(l.minor), 0) from line_dispute d
            join invoice_line l on l.invoice_id = d.invoice_id and l.position = d.line - 1
            where d.account_id = :account and d.answered_at is null and l.minor > 0
        ),
        (
            select count(*) from payment_failure
            where account_id = :account and kind = 'chargeback' and occurred_at > :since
        ),
        (
            select count(*) from payment_failure
            where account_id = :account and kind = 'declined' and occurred_at > :since
        )
"""


async def gather_facts(
    session: AsyncSession, account_id: UUID, policy: CreditPolicy, now: datetime
) -> CreditFacts:
    """Gather an account's facts at a time; its billing profile must be locked."""
    values = {
        "account": account_id,
        "grace": policy.on_time_grace_days,
        "since": now - timedelta(days=policy.freeze.window_days),
    }
    opened_at, on_time, paid, highest, disputed, chargebacks, failed = (
        await session.execute(text(_HISTORY), values)
    ).one()
    overdue, days_overdue = await _sum_overdue(session, account_id, now)
    return CreditFacts(
        currency=await get_account_currency(session, account_id),
        opened_at=opened_at,
        paid_on_time=on_time,
        paid=int(paid),
        highest_invoice=int(highest),
        days_overdue=days_overdue,
        overdue=overdue,
        disputed=int(disputed),
        chargebacks=chargebacks,
        failed_payments=failed,
        deposit=-await book_balance(session, account_id, Book.DEPOSIT),
        guarantees=await _list_guarantees(session, account_id, now),
        override=await _find_override(session, account_id, now),
        earned_before=await _earned_before(session, account_id),
    )


def override_in_force(account_id: UUID, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of an account's overrides that apply at a time."""
    return (
        col(CreditOverride.account_id) == account_id,
        col(CreditOverride.ended_at).is_(None),
        col(CreditOverride.expires_at) > now,
    )


async def _sum_overdue(session: AsyncSession, account_id: UUID, now: datetime) -> tuple[int, int]:
    """Return the overdue amount and the days of the oldest overdue invoice worth collecting.

    An invoice that was written off counts until it is paid.
    """
    profile = await get_profile(session, account_id)
    query = select(Invoice).where(
        col(Invoice.account_id) == account_id,
        col(Invoice.status).in_([InvoiceStatus.OPEN.value, InvoiceStatus.UNCOLLECTIBLE.value]),
        col(Invoice.due_at) < now,
    )
    total = days = 0
    for invoice in (await session.scalars(query)).all():
        owed = await outstanding_amount(session, account_id, invoice.id)
        owed += await invoice_book_balance(session, account_id, invoice.id, Book.BAD_DEBT)
        if invoice.due_at is not None and is_worth_collecting(profile, invoice, owed):
            total += owed
            days = max(days, (now - invoice.due_at).days)
    return total, days


async def _list_guarantees(
    session: AsyncSession, account_id: UUID, now: datetime
) -> tuple[GuaranteeFact, ...]:
    """Return the guarantees that count at a time, oldest first."""
    query = select(CreditGuarantee).where(
        col(CreditGuarantee.account_id) == account_id,
        col(CreditGuarantee.refusal).is_(None),
        col(CreditGuarantee.ended_at).is_(None),
        col(CreditGuarantee.valid_until) > now,
    )
    rows = (await session.scalars(query.order_by(col(CreditGuarantee.id)))).all()
    return tuple(
        GuaranteeFact(
            id=row.id, guarantor=row.guarantor, minor=row.minor, valid_until=row.valid_until
        )
        for row in rows
    )


async def _find_override(
    session: AsyncSession, account_id: UUID, now: datetime
) -> OverrideFact | None:
    """Return the newest override in force; None if there is none."""
    query = select(CreditOverride).where(*override_in_force(account_id, now))
    newest = query.order_by(col(CreditOverride.created_at).desc(), col(CreditOverride.id).desc())
    row = (await session.scalars(newest.limit(1))).one_or_none()
    if row is None:
        return None
    return OverrideFact(id=row.id, minor=row.minor, expires_at=row.expires_at)


async def _earned_before(session: AsyncSession, account_id: UUID) -> int | None:
    """Return the earned limit of the newest decision; None before the first."""
    query = select(CreditDecision.earned).where(col(CreditDecision.account_id) == account_id)
    newest = query.order_by(col(CreditDecision.decided_at).desc(), col(CreditDecision.id).desc())
    return (await session.execute(newest.limit(1))).scalar_one_or_none()
