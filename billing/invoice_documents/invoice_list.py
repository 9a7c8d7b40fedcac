"""Lists of an account's invoices, and look-up by id or number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.dates import local_day, parse_time_zone
from billing.invoices.balances import sum_postings_by_invoice
from billing.invoices.lifecycle import INVOICE_ID_PREFIX, InvoiceNotFound
from billing.invoices.numbering import format_invoice_number
from billing.ledger.ledger import Book
from billing.money import minor_text
from billing.tables import Invoice, InvoiceLine, InvoiceStatus, LegalEntity
from infra import ids


@dataclass(frozen=True, slots=True)
class InvoiceListItem:
    """An invoice as shown in lists; `owed` in minor units, `kinds` are the distinct line kinds."""

    invoice: Invoice
    number: str | None
    owed: int
    kinds: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the invoice as the API lists it: decimal amounts, UTC times."""
        invoice = self.invoice
        amounts = {
            "net": invoice.net,
            "tax": invoice.tax,
            "total": invoice.total,
            "owed": self.owed,
        }
        return {
            "object": "invoice",
            "id": ids.format_id(INVOICE_ID_PREFIX, invoice.id),
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


async def list_invoices(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> list[InvoiceListItem]:
    """List an account's invoices including drafts, newest first, after the invoice `after`."""
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
    invoice_ids = [invoice.id for invoice, _ in rows]
    postings = await sum_postings_by_invoice(session, account_id, invoice_ids)
    kinds = await _list_line_kinds(session, account_id, invoice_ids)
    return [
        InvoiceListItem(
            invoice,
            format_invoice_number(code, invoice.number) if invoice.number else None,
            postings.get(invoice.id, {}).get(Book.RECEIVABLE, 0),
            kinds.get(invoice.id, ()),
        )
        for invoice, code in rows
    ]


async def _list_line_kinds(
    session: AsyncSession, account_id: UUID, invoices: Sequence[UUID]
) -> dict[UUID, tuple[str, ...]]:
    """Return the distinct kinds of lines by invoice id, ordered by first position."""
    query = (
        select(InvoiceLine.invoice_id, InvoiceLine.kind)
        .where(col(InvoiceLine.account_id) == account_id, col(InvoiceLine.invoice_id).in_(invoices))
        .group_by(col(InvoiceLine.invoice_id), col(InvoiceLine.kind))
        .order_by(func.min(InvoiceLine.position))
    )
    kinds: dict[UUID, tuple[str, ...]] = {}
    for invoice_id, kind in (await session.execute(query)).all():
        kinds[invoice_id] = (*kinds.get(invoice_id, ()), kind)
    return kinds


async def find_invoice(session: AsyncSession, account_id: UUID, name: str) -> Invoice:
    """Find an invoice by id (`inv_…`) or number (`MAAS-000012`). Raises InvoiceNotFound."""
    code, _, number = name.rpartition("-")
    query = select(Invoice).where(col(Invoice.account_id) == account_id)
    if identity := ids.parse_id(INVOICE_ID_PREFIX, name):
        query = query.where(col(Invoice.id) == identity)
    else:
        query = query.join(LegalEntity, col(LegalEntity.id) == col(Invoice.legal_entity_id)).where(
            col(LegalEntity.code) == code,
            col(Invoice.number) == (int(number) if number.isdecimal() and len(number) < 18 else 0),
        )
    invoice = (await session.scalars(query)).one_or_none()
    if invoice is None:
        raise InvoiceNotFound(
            f"Invoice not found: {name[:60]!r}. Use its number or ID (inv_…).", param="invoice"
        )
    return invoice


async def list_final_invoice_ids(
    session: AsyncSession, account_id: UUID, month: date | None = None
) -> list[UUID]:
    """List the ids of an account's final invoices, oldest first.

    With `month` (its first day), only invoices whose service period starts in that month, by the
    account's time zone at finalization.
    """
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
        if month is None or local_day(starts_at, parse_time_zone(zone)).replace(day=1) == month
    ]
