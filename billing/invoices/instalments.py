"""Instalments: an invoice in dated parts, paid in their order.

The due date of the invoice is that of its first unpaid part. When a part is paid, the due date
moves to the next one and dunning begins anew, so an overdue part counts as overdue.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.money import allocate
from billing.rating.payment_terms import InstalmentTerms
from billing.tables import Invoice, InvoicePart


def create_parts(session: AsyncSession, invoice: Invoice, terms: InstalmentTerms) -> None:
    """Split an invoice that becomes final into parts; the first is due on its due date."""
    assert invoice.due_at is not None  # noqa: S101  # a final invoice has a due date
    for number, minor in enumerate(allocate(invoice.total, [1] * terms.parts), 1):
        days = (number - 1) * terms.days_between
        session.add(
            InvoicePart(
                invoice_id=invoice.id,
                number=number,
                account_id=invoice.account_id,
                due_at=invoice.due_at + timedelta(days=days),
                minor=minor,
            )
        )


async def list_parts(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> Sequence[InvoicePart]:
    """List the parts of an invoice in their order; empty if it has no instalments."""
    query = select(InvoicePart).where(
        col(InvoicePart.account_id) == account_id, col(InvoicePart.invoice_id) == invoice_id
    )
    return (await session.scalars(query.order_by(col(InvoicePart.number)))).all()


def find_unpaid_part(parts: Sequence[InvoicePart], owed: int) -> InvoicePart | None:
    """Return the first part that is not paid in full; None if all are, or there are none."""
    rest = sum(part.minor for part in parts) - owed
    for part in parts:
        rest -= part.minor
        if rest < 0:
            return part
    return None


def sum_due_parts(parts: Sequence[InvoicePart], owed: int, now: datetime) -> int:
    """Return how much of the amount owed is due by now: all of it without parts."""
    later = sum(part.minor for part in parts if part.due_at > now)
    return max(0, owed - later)


async def move_due_date(session: AsyncSession, invoice: Invoice, owed: int) -> None:
    """Move the due date of an open invoice on to its first unpaid part's; dunning begins anew.

    It never moves back: a chargeback must not make an invoice overdue in the past.
    """
    parts = await list_parts(session, invoice.account_id, invoice.id)
    part = find_unpaid_part(parts, owed)
    if part is not None and (invoice.due_at is None or part.due_at > invoice.due_at):
        invoice.due_at, invoice.reminders = part.due_at, 0
        await session.flush()
