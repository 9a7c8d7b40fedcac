"""Balances of invoices, from the ledger: paid, credited, written off and owed amounts.

The owed and written-off amounts are ledger balances; the paid amount is the remainder.
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
class InvoiceBalance:
    """The balance of an invoice in minor units; all amounts of a void invoice are 0.

    `credited` is the amount by which credit notes reduced the receivable. Amounts of credit notes
    that went to the wallet or were refunded count as paid. The field names are part of the
    invoice document's JSON.
    """

    paid: int = 0
    credited: int = 0
    written_off: int = 0
    owed: int = 0


async def read_invoice_balance(
    session: AsyncSession, invoice: Invoice, notes: Sequence[CreditNote]
) -> InvoiceBalance:
    """Compute the balance of a final invoice, given its credit notes."""
    if invoice.status == InvoiceStatus.VOID:
        return InvoiceBalance()
    by_book = (await sum_postings_by_invoice(session, invoice.account_id, [invoice.id])).get(
        invoice.id, {}
    )
    owed, lost = by_book.get(Book.RECEIVABLE, 0), by_book.get(Book.BAD_DEBT, 0)
    credited = sum(note.total - note.to_wallet - note.refunded for note in notes)
    return InvoiceBalance(invoice.total - owed - lost - credited, credited, lost, owed)


async def sum_postings_by_invoice(
    session: AsyncSession, account_id: UUID, invoice_ids: Sequence[UUID]
) -> dict[UUID, dict[Book, int]]:
    """Sum the ledger postings of invoices, by invoice id and ledger account."""
    query = (
        select(LedgerPosting.invoice_id, LedgerPosting.book, func.sum(LedgerPosting.minor))
        .where(
            col(LedgerPosting.account_id) == account_id,
            col(LedgerPosting.invoice_id).in_(invoice_ids),
        )
        .group_by(col(LedgerPosting.invoice_id), col(LedgerPosting.book))
    )
    totals: dict[UUID, dict[Book, int]] = {}
    for invoice_id, book, total in (await session.execute(query)).all():
        totals.setdefault(invoice_id, {})[Book(book)] = int(total)
    return totals
