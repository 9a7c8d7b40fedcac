"""Events of line disputes: opened and answered."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.events.emission import Event, emit_event
from billing.events.texts import EventText, event_texts, localised
from billing.invoices.invoice_events import invoice_data, invoice_page
from billing.notifications.messages import EmailNotice
from billing.tables import Invoice, LineDispute
from infra import ids
from infra.clock import Clock


async def emit_dispute_opened(
    session: AsyncSession, clock: Clock, invoice: Invoice, dispute: LineDispute
) -> None:
    """Emit `line_dispute.opened`."""
    data = await _data(session, invoice, dispute, "open")
    number = data["invoice_number"]
    values = {"line": dispute.line, "number": number, "reason": dispute.reason}
    texts = event_texts("line_dispute.opened", values)
    await _emit(session, clock, invoice, dispute, "line_dispute.opened", data, texts)


async def emit_dispute_answered(
    session: AsyncSession,
    clock: Clock,
    invoice: Invoice,
    dispute: LineDispute,
    notice: EmailNotice,
    status: str,
) -> None:
    """Emit `line_dispute.answered`."""
    data = await _data(session, invoice, dispute, status)
    texts = localised(notice.render_without_greeting)
    await _emit(session, clock, invoice, dispute, "line_dispute.answered", data, texts)


async def _data(
    session: AsyncSession, invoice: Invoice, dispute: LineDispute, status: str
) -> dict[str, Any]:
    """Return what events contain of a line dispute."""
    shown = await invoice_data(session, invoice)
    return {
        "id": ids.format_id("ldsp", dispute.id),
        "invoice": shown["id"],
        "invoice_number": shown["number"],
        "line": dispute.line,
        "status": status,
        "reason": dispute.reason,
        "answer": dispute.answer,
    }


async def _emit(
    session: AsyncSession,
    clock: Clock,
    invoice: Invoice,
    dispute: LineDispute,
    event_type: str,
    data: dict[str, Any],
    texts: dict[str, EventText],
) -> None:
    """Emit an event of a line dispute, once."""
    page, key = invoice_page(invoice), f"{event_type}:{dispute.id}"
    event = Event(dispute.account_id, event_type, key, data, texts, page)
    await emit_event(session, clock, event)
