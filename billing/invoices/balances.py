"""Where invoices stand in the ledger: what was paid, credited, written off, and is owed.

What is owed and written off is the ledger's word; what was paid follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.ledger.ledger import Book
from billing.tables import CreditNote, Invoice, InvoiceStatus, LedgerPosting


@dataclass(frozen=True, slots=True)
class Balance:
    """Minor units. `credited` is what credit notes took off what was owed; what of them went into
    the wallet or back to the customer had been paid. A void invoice has nothing of all this."""

    paid: int = 0
    credited: int = 0
    written_off: int = 0
    owed: int = 0


async def balance_of(
    session: AsyncSession, invoice: Invoice, notes: Sequence[CreditNote]
) -> Balance:
    """The balance of a final invoice with its credit notes."""
    if invoice.status == InvoiceStatus.VOID:
        return Balance()
    booked = (await booked_for(session, invoice.account_id, [invoice.id])).get(invoice.id, {})
    owed, lost = booked.get(Book.RECEIVABLE, 0), booked.get(Book.BAD_DEBT, 0)
    credited = sum(note.total - note.to_wallet - note.refunded for note in notes)
    return Balance(invoice.total - owed - lost - credited, credited, lost, owed)


async def booked_for(
    session: AsyncSession, account_id: UUID, invoice_ids: Sequence[UUID]
) -> dict[UUID, dict[Book, int]]:
    """What is booked for invoices, by book."""
    query = (
        select(LedgerPosting.invoice_id, LedgerPosting.book, func.sum(LedgerPosting.minor))
        .where(
            col(LedgerPosting.account_id) == account_id,
            col(LedgerPosting.invoice_id).in_(invoice_ids),
        )
        .group_by(col(LedgerPosting.invoice_id), col(LedgerPosting.book))
    )
    found: dict[UUID, dict[Book, int]] = {}
    for invoice_id, book, total in (await session.execute(query)).all():
        found.setdefault(invoice_id, {})[Book(book)] = int(total)
    return found
