"""Events of invoices: finalized and paid. Overdue ones are in billing/collection/dunning.py."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import profile_time_zone
from billing.dates import local_day
from billing.events.emission import Event, emit_event
from billing.events.texts import event_texts
from billing.invoices.numbering import format_invoice_number
from billing.money import Money, minor_text
from billing.tables import BillingProfile, Invoice, LegalEntity
from infra import ids
from infra.clock import Clock


async def emit_finalized(
    session: AsyncSession, clock: Clock, profile: BillingProfile, invoice: Invoice
) -> None:
    """Emit `invoice.finalized`."""
    data = await invoice_data(session, invoice)
    due = invoice.due_at or clock.now()
    values = {
        "number": data["number"],
        "total": str(Money(invoice.total, invoice.currency)),
        "due": local_day(due, profile_time_zone(profile)).isoformat(),
    }
    await _emit(session, clock, invoice, "invoice.finalized", data, values)


async def emit_paid(session: AsyncSession, clock: Clock, invoice: Invoice) -> None:
    """Emit `invoice.paid`."""
    data = await invoice_data(session, invoice)
    values = {"number": data["number"], "total": str(Money(invoice.total, invoice.currency))}
    await _emit(session, clock, invoice, "invoice.paid", data, values)


async def invoice_data(session: AsyncSession, invoice: Invoice) -> dict[str, Any]:
    """Return what events contain of a final invoice."""
    entity = await session.get_one(LegalEntity, invoice.legal_entity_id)
    return {
        "id": ids.format_id("inv", invoice.id),
        "number": format_invoice_number(entity.code, invoice.number or 0),
        "status": invoice.status,
        "currency": invoice.currency,
        "total": minor_text(invoice.total, invoice.currency),
        "tax": minor_text(invoice.tax, invoice.currency),
        "due_at": _iso_text(invoice.due_at),
        "settled_at": _iso_text(invoice.settled_at),
    }


def invoice_page(invoice: Invoice) -> str:
    """Return the path of the invoice's page."""
    return f"/dashboard/invoices/{ids.format_id('inv', invoice.id)}"


async def _emit(
    session: AsyncSession,
    clock: Clock,
    invoice: Invoice,
    event_type: str,
    data: dict[str, Any],
    values: dict[str, str],
) -> None:
    """Emit an event of an invoice, once."""
    texts, key = event_texts(event_type, values), f"{event_type}:{invoice.id}"
    event = Event(invoice.account_id, event_type, key, data, texts, invoice_page(invoice))
    await emit_event(session, clock, event)


def _iso_text(at: datetime | None) -> str | None:
    """Return a time in ISO 8601, None if there is none."""
    return None if at is None else at.isoformat()
