"""Reads what was paid on an invoice, and its fapiao, for the rules of amounts.py."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.fapiao.amounts import FapiaoAmount, InvoiceFunds, requestable_amount
from billing.invoices.balances import read_invoice_balance
from billing.invoices.credit_notes import list_credit_notes
from billing.ledger.ledger import Book
from billing.tables import Fapiao, Invoice, InvoiceStatus, LedgerPosting, WalletGrant

CURRENCY = "CNY"


async def load_funds(session: AsyncSession, invoice: Invoice) -> InvoiceFunds:
    """Return what was paid on an invoice and returned again; nothing on a draft."""
    if invoice.status == InvoiceStatus.DRAFT:
        return InvoiceFunds(0)
    notes = await list_credit_notes(session, invoice.account_id, invoice.id)
    balance = await read_invoice_balance(session, invoice, notes)
    promotional = await _sum_promotional(session, invoice)
    returned = sum(note.to_wallet + note.refunded for note in notes)
    return InvoiceFunds(balance.paid, promotional, returned)


async def list_invoice_fapiaos(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> Sequence[Fapiao]:
    """List the fapiao of an invoice, oldest first."""
    query = select(Fapiao).where(
        col(Fapiao.account_id) == account_id, col(Fapiao.invoice_id) == invoice_id
    )
    return (await session.scalars(query.order_by(col(Fapiao.id)))).all()


async def load_requestable(session: AsyncSession, invoice: Invoice) -> int:
    """Return the amount of an invoice that can be requested now, in minor units.

    0 in other currencies than CNY. Without a lock it may change; requests take the lock.
    """
    if invoice.currency != CURRENCY:
        return 0
    rows = await list_invoice_fapiaos(session, invoice.account_id, invoice.id)
    return requestable_amount(await load_funds(session, invoice), fapiao_amounts(rows))


def fapiao_amounts(rows: Sequence[Fapiao]) -> list[FapiaoAmount]:
    """Return what the rules of amounts.py need of stored fapiao, in their order."""
    return [
        FapiaoAmount(row.id, row.colour, row.status, row.total, row.original_id) for row in rows
    ]


async def _sum_promotional(session: AsyncSession, invoice: Invoice) -> int:
    """Return what promotional wallet credit paid of an invoice, in minor units."""
    query = (
        select(func.coalesce(func.sum(LedgerPosting.minor), 0))
        .join(WalletGrant, col(WalletGrant.id) == col(LedgerPosting.grant_id))
        .where(
            col(LedgerPosting.account_id) == invoice.account_id,
            col(LedgerPosting.invoice_id) == invoice.id,
            col(LedgerPosting.book) == Book.WALLET.value,
            col(WalletGrant.paid).is_(False),
        )
    )
    return int((await session.execute(query)).scalar_one())
