"""Outbox items that have a collector collect an invoice, or tell it of changes.

Items of one invoice are handled in the order of their creation (billing/collection).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outbox import enqueue
from billing.tables import Invoice, OutboxItem
from infra.clock import Clock


class CollectionAction(StrEnum):
    """What a collector is to do with an invoice."""

    COLLECT = "collect"
    CHARGE = "charge"
    SEND = "send"
    MARK_PAID = "mark_paid"
    MARK_PART_PAID = "mark_part_paid"
    CREDIT = "credit"
    VOID = "void"
    WRITE_OFF = "write_off"


# Key of the item that has an invoice collected. Gateways of the release before look for it to know
# whether an invoice is collected, so the next release can rename it, not this one.
_COLLECT_KEY = "stripe_invoice"


async def enqueue_collection(
    session: AsyncSession, clock: Clock, invoice: Invoice, collector: str
) -> None:
    """Have a collector collect an invoice from now on."""
    invoice.collector = collector
    await session.flush()
    await _enqueue(session, clock, invoice, CollectionAction.COLLECT, _COLLECT_KEY)


async def enqueue_change(
    session: AsyncSession, clock: Clock, invoice: Invoice, action: CollectionAction
) -> None:
    """Tell the collector, if the invoice has one, that it was paid, voided or written off."""
    if await is_collected(session, invoice):
        await _enqueue(session, clock, invoice, action, action.value)


async def enqueue_credit(
    session: AsyncSession, clock: Clock, invoice: Invoice, note_id: UUID
) -> None:
    """Tell the collector, if the invoice has one, of a credit note."""
    if await is_collected(session, invoice):
        action, payload = CollectionAction.CREDIT, {"credit_note": note_id.hex}
        await _enqueue(session, clock, invoice, action, f"{action}:{note_id.hex}", payload)


async def enqueue_part_payment(
    session: AsyncSession, clock: Clock, invoice: Invoice, payment_id: UUID, minor: int
) -> None:
    """Tell the collector, if the invoice has one, of a part that was paid elsewhere."""
    if await is_collected(session, invoice):
        action = CollectionAction.MARK_PART_PAID
        payload = {"payment": payment_id.hex, "minor": minor}
        await _enqueue(session, clock, invoice, action, f"{action}:{payment_id}", payload)


async def enqueue_charge(
    session: AsyncSession, clock: Clock, invoice: Invoice, occasion: str
) -> None:
    """Have the payment method charged for an open invoice, once per occasion."""
    await _enqueue(session, clock, invoice, CollectionAction.CHARGE, f"pay:{occasion}")


async def enqueue_sending(session: AsyncSession, clock: Clock, invoice: Invoice) -> None:
    """Have the invoice sent to the customer."""
    await _enqueue(session, clock, invoice, CollectionAction.SEND, "send")


async def is_collected(session: AsyncSession, invoice: Invoice) -> bool:
    """Return whether a collector was told to collect the invoice."""
    if invoice.collector is not None:
        return True
    # Finalized by a gateway of the release before, which does not fill the column.
    query = select(OutboxItem.id).where(
        col(OutboxItem.account_id) == invoice.account_id,
        col(OutboxItem.business_key) == f"invoice:{invoice.id}:{_COLLECT_KEY}",
    )
    return (await session.execute(query)).first() is not None


async def _enqueue(
    session: AsyncSession,
    clock: Clock,
    invoice: Invoice,
    action: CollectionAction,
    key: str,
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Enqueue an item; the key tells items of one invoice apart."""
    subject = f"invoice:{invoice.id}"
    await enqueue(
        session,
        clock,
        invoice.account_id,
        action.value,
        subject,
        f"{subject}:{key}",
        {"invoice": invoice.id.hex, **(payload or {})},
    )
