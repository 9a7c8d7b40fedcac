"""Late fees of overdue invoices, each on the account's next invoice as a line of its own.

A late fee is part of the price of what was sold late (in China 价外费用), so it has the tax of the
next invoice. No fee is computed on a late fee: interest is simple.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoices.instalments import list_parts
from billing.ledger.ledger import Book
from billing.rating.late_fees import BalanceChange, DuePart, compute_late_fee
from billing.rating.payment_terms import LateFeeTerms, parse_payment_terms
from billing.rating.statement import LineKind, StatementLine
from billing.tables import (
    Invoice,
    InvoicePaymentTerms,
    InvoiceStatus,
    LateFee,
    LedgerPosting,
    LedgerTransaction,
)
from infra import ids


@dataclass(frozen=True, slots=True)
class _LateInvoice:
    """An invoice that late fees apply to, with its terms."""

    invoice: Invoice
    terms: LateFeeTerms
    plan_version_id: UUID
    due_at: datetime


async def accrue_late_fees(
    session: AsyncSession, account_id: UUID, until: datetime
) -> Sequence[LateFee]:
    """Compute the late fees up to a time, once; return those that are on no invoice yet.

    The billing profile must be locked.
    """
    for late in await _list_late_invoices(session, account_id, until):
        await _accrue(session, late, until)
    return await list_late_fees(session, account_id, None)


async def attach_late_fees(
    session: AsyncSession, account_id: UUID, invoice_id: UUID, fees: Sequence[LateFee]
) -> list[StatementLine]:
    """Attach late fees to a draft; return the lines of all its late fees."""
    attached = [*await list_late_fees(session, account_id, invoice_id), *fees]
    for fee in fees:
        fee.invoice_id = invoice_id
    return [
        StatementLine(
            LineKind.LATE_FEE,
            fee.minor,
            fee.plan_version_id,
            starts_at=fee.since,
            ends_at=fee.until,
        )
        for fee in attached
    ]


async def _list_late_invoices(
    session: AsyncSession, account_id: UUID, until: datetime
) -> list[_LateInvoice]:
    """List the account's invoices with late fees that were due before a time."""
    query = (
        select(Invoice, InvoicePaymentTerms)
        .join(InvoicePaymentTerms, col(InvoicePaymentTerms.invoice_id) == col(Invoice.id))
        .where(
            col(Invoice.account_id) == account_id,
            col(Invoice.status).in_([InvoiceStatus.OPEN.value, InvoiceStatus.PAID.value]),
        )
        .order_by(col(Invoice.id))
    )
    found: list[_LateInvoice] = []
    for invoice, stored in (await session.execute(query)).all():
        terms = parse_payment_terms(stored.terms).late_fee
        if terms is not None and stored.plan_version_id is not None and invoice.due_at is not None:
            found.append(_LateInvoice(invoice, terms, stored.plan_version_id, invoice.due_at))
    return found


async def _accrue(session: AsyncSession, late: _LateInvoice, until: datetime) -> None:
    """Store what an invoice's late fee has grown by since it was last computed."""
    invoice = late.invoice
    rows = await list_parts(session, invoice.account_id, invoice.id)
    excluded = await _sum_own_late_fees(session, invoice)
    parts = [DuePart(row.due_at, row.minor) for row in rows]
    parts = parts or [DuePart(late.due_at, invoice.total - excluded)]
    changes = await _list_changes(session, invoice)
    # What is owed for late fees is paid last and bears no interest.
    changes = [*changes, BalanceChange(changes[0].at, -excluded)] if changes else []
    total = compute_late_fee(late.terms, parts, changes, until)
    query = select(func.coalesce(func.sum(LateFee.minor), 0), func.max(LateFee.until)).where(
        col(LateFee.account_id) == invoice.account_id,
        col(LateFee.overdue_invoice_id) == invoice.id,
    )
    charged, last = (await session.execute(query)).one()
    if total <= charged:
        return
    since = last or parts[0].due_at + timedelta(days=late.terms.grace_days)
    await session.execute(
        insert(LateFee)
        .values(
            id=ids.new_id(),
            account_id=invoice.account_id,
            overdue_invoice_id=invoice.id,
            plan_version_id=late.plan_version_id,
            minor=total - int(charged),
            since=since,
            until=until,
        )
        .on_conflict_do_nothing(index_elements=["overdue_invoice_id", "until"])
    )


async def _sum_own_late_fees(session: AsyncSession, invoice: Invoice) -> int:
    """Return the late fees that an invoice itself charges, in minor units with tax, rounded up."""
    query = select(func.coalesce(func.sum(LateFee.minor), 0)).where(
        col(LateFee.account_id) == invoice.account_id, col(LateFee.invoice_id) == invoice.id
    )
    minor = int((await session.execute(query)).scalar_one())
    return min(invoice.total, -(-minor * invoice.total // invoice.net)) if minor else 0


async def _list_changes(session: AsyncSession, invoice: Invoice) -> list[BalanceChange]:
    """List the changes of what is owed for an invoice, oldest first."""
    query = (
        select(LedgerTransaction.occurred_at, LedgerPosting.minor)
        .join(LedgerPosting, col(LedgerPosting.transaction_id) == col(LedgerTransaction.id))
        .where(
            col(LedgerPosting.account_id) == invoice.account_id,
            col(LedgerPosting.invoice_id) == invoice.id,
            col(LedgerPosting.book) == Book.RECEIVABLE.value,
        )
        .order_by(col(LedgerTransaction.occurred_at), col(LedgerTransaction.id))
    )
    return [BalanceChange(at, minor) for at, minor in (await session.execute(query)).all()]


async def list_late_fees(
    session: AsyncSession, account_id: UUID, invoice_id: UUID | None
) -> Sequence[LateFee]:
    """List the late fees of an invoice, or with None those on no invoice; not of void invoices."""
    query = (
        select(LateFee)
        .join(Invoice, col(Invoice.id) == col(LateFee.overdue_invoice_id))
        .where(
            col(LateFee.account_id) == account_id,
            col(LateFee.invoice_id).is_not_distinct_from(invoice_id),
            col(Invoice.status) != InvoiceStatus.VOID.value,
        )
        .order_by(col(LateFee.since), col(LateFee.id))
    )
    return (await session.scalars(query)).all()
