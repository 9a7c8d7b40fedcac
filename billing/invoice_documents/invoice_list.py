"""Lists of an account's invoices, and finding one by what people call it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.dates import day_of, zone_of
from billing.invoices.balances import booked_for
from billing.invoices.lifecycle import PREFIX, InvoiceNotFound
from billing.invoices.numbering import invoice_number
from billing.ledger.ledger import Book
from billing.money import minor_text
from billing.tables import Invoice, InvoiceLine, InvoiceStatus, LegalEntity
from infra import ids


@dataclass(frozen=True, slots=True)
class Listed:
    """An invoice in a list; `owed` in minor units, `kinds` of its lines, each once."""

    invoice: Invoice
    number: str | None
    owed: int
    kinds: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Amounts as decimal text, times in UTC."""
        invoice = self.invoice
        amounts = {
            "net": invoice.net,
            "tax": invoice.tax,
            "total": invoice.total,
            "owed": self.owed,
        }
        return {
            "object": "invoice",
            "id": ids.show(PREFIX, invoice.id),
            "number": self.number,
            "status": invoice.status,
            "currency": invoice.currency,
            **{name: minor_text(minor, invoice.currency) for name, minor in amounts.items()},
            "kinds": list(self.kinds),
            "starts_at": invoice.starts_at.isoformat(),
            "ends_at": invoice.ends_at.isoformat(),
            "issued_at": invoice.finalised_at and invoice.finalised_at.isoformat(),
            "due_at": invoice.due_at and invoice.due_at.isoformat(),
        }


async def invoice_page(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> list[Listed]:
    """An account's invoices, drafts too, the newest first; those before `after` where given."""
    query = (
        select(Invoice, LegalEntity.code)
        .join(LegalEntity, col(LegalEntity.id) == col(Invoice.legal_entity_id))
        .where(col(Invoice.account_id) == account_id)
        .order_by(col(Invoice.id).desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(col(Invoice.id) < after)
    rows = (await session.execute(query)).all()
    listed = [invoice.id for invoice, _ in rows]
    booked = await booked_for(session, account_id, listed)
    kinds = await _kinds_in(session, account_id, listed)
    return [
        Listed(
            invoice,
            invoice_number(code, invoice.number) if invoice.number else None,
            booked.get(invoice.id, {}).get(Book.RECEIVABLE, 0),
            kinds.get(invoice.id, ()),
        )
        for invoice, code in rows
    ]


async def _kinds_in(
    session: AsyncSession, account_id: UUID, invoices: Sequence[UUID]
) -> dict[UUID, tuple[str, ...]]:
    query = (
        select(InvoiceLine.invoice_id, InvoiceLine.kind)
        .where(col(InvoiceLine.account_id) == account_id, col(InvoiceLine.invoice_id).in_(invoices))
        .group_by(col(InvoiceLine.invoice_id), col(InvoiceLine.kind))
        .order_by(func.min(InvoiceLine.position))
    )
    found: dict[UUID, tuple[str, ...]] = {}
    for invoice_id, kind in (await session.execute(query)).all():
        found[invoice_id] = (*found.get(invoice_id, ()), kind)
    return found


async def find_invoice(session: AsyncSession, account_id: UUID, name: str) -> Invoice:
    """By id (`inv_…`) or number (`MAAS-000012`). Raises InvoiceNotFound."""
    code, _, number = name.rpartition("-")
    query = select(Invoice).where(col(Invoice.account_id) == account_id)
    if identity := ids.parse(PREFIX, name):
        query = query.where(col(Invoice.id) == identity)
    else:
        query = query.join(LegalEntity, col(LegalEntity.id) == col(Invoice.legal_entity_id)).where(
            col(LegalEntity.code) == code,
            col(Invoice.number) == (int(number) if number.isdecimal() and len(number) < 18 else 0),
        )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise InvoiceNotFound(f"The account has no invoice {name[:60]!r}.", param="invoice")
    return found


async def final_invoices(
    session: AsyncSession, account_id: UUID, month: date | None = None
) -> list[UUID]:
    """An account's final invoices, the oldest first; with a month only those whose time begins in
    it, by the account's days as they were then."""
    zone = col(Invoice.parties)["time_zone"].astext
    query = (
        select(Invoice.id, Invoice.starts_at, zone)
        .where(
            col(Invoice.account_id) == account_id,
            col(Invoice.status) != InvoiceStatus.DRAFT.value,
        )
        .order_by(col(Invoice.id))
    )
    rows = (await session.execute(query)).all()
    return [
        invoice_id
        for invoice_id, starts_at, zone in rows
        if month is None or day_of(starts_at, zone_of(zone)).replace(day=1) == month
    ]
