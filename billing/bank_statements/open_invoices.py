"""Reads the open invoices of all accounts, with the names that their payers may have."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.bank_statements.matching import LineStatus, OpenInvoice, normalize_name
from billing.ledger.ledger import Book
from billing.tables import (
    Account,
    BankLine,
    BankProposal,
    FapiaoTitle,
    Invoice,
    InvoiceStatus,
    LedgerPosting,
    LegalEntity,
)


async def list_open_invoices(session: AsyncSession) -> list[OpenInvoice]:
    """List the open invoices of all accounts (account_id), oldest first."""
    owed = func.sum(LedgerPosting.minor)
    query = (
        select(Invoice, LegalEntity.code, owed)
        .join(LegalEntity, col(LegalEntity.id) == col(Invoice.legal_entity_id))
        .join(LedgerPosting, col(LedgerPosting.invoice_id) == col(Invoice.id))
        .where(
            col(Invoice.status) == InvoiceStatus.OPEN.value,
            col(LedgerPosting.book) == Book.RECEIVABLE.value,
        )
        .group_by(col(Invoice.id), col(LegalEntity.code))
        .order_by(col(Invoice.id))
    )
    names = await _payer_names(session)
    return [
        OpenInvoice(
            invoice.id,
            invoice.account_id,
            code,
            invoice.number or 0,
            invoice.currency,
            int(minor),
            names[invoice.account_id] | {normalize_name((invoice.parties or {})["buyer"]["name"])},
        )
        for invoice, code, minor in (await session.execute(query)).all()
    ]


async def list_codes(session: AsyncSession) -> Sequence[str]:
    """List the codes of the legal entities, with which invoice numbers begin."""
    return (await session.scalars(select(LegalEntity.code).order_by(col(LegalEntity.code)))).all()


async def _payer_names(session: AsyncSession) -> dict[UUID, frozenset[str]]:
    """Return the known names of payers by account_id: its own, its titles', and confirmed ones."""
    confirmed = (
        select(BankProposal.account_id, BankLine.payer_name)
        .join(BankLine, col(BankLine.id) == col(BankProposal.line_id))
        .where(
            col(BankLine.status) == LineStatus.CONFIRMED.value,
            col(BankProposal.rejected).is_(False),
        )
    )
    found: dict[UUID, set[str]] = defaultdict(set)
    for query in (
        select(Account.id, Account.name),
        select(FapiaoTitle.account_id, FapiaoTitle.name),
        confirmed,
    ):
        for account_id, name in (await session.execute(query)).all():
            found[account_id].add(normalize_name(name))
    return {account_id: frozenset(names - {""}) for account_id, names in found.items()}
