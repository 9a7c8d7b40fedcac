"""Outbox handlers that have a collector collect invoices and tell it of changes.

    collect -> charge | send                the collector collects the invoice
    mark_part_paid, credit                  the amount to collect is reduced
    mark_paid, void, write_off              collection ends

Items of one invoice are handled in the order of their creation. The first charge is an item of its
own, created when the collector has the invoice, so that changes made while it was unavailable are
sent before it. Changes that were skipped while `collect` was given up are repeated after its retry.
Every handler is idempotent: earlier attempts are found by the idempotency key or by our ids at the
collector.
"""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.collection.collector import (
    Collector,
    CreditRequest,
    ExternalInvoice,
    PartPayment,
    PaymentDeclined,
)
from billing.collection.customers import ensure_customer
from billing.collection.external_ids import external_invoice_id, store_external_invoice
from billing.collection.invoice_request import InvoiceToCollect, build_invoice_to_collect
from billing.invoices.collection_items import CollectionAction, enqueue_charge, enqueue_sending
from billing.invoices.lifecycle import get_invoice
from billing.invoices.payment_failures import record_declined_charge
from billing.outbox import ClaimedItem, Handler, PermanentFailure, repeat_later_items
from billing.tables import CreditNote
from infra.clock import Clock
from infra.database.database import Database

# What tells the collector of changes; the others have it collect.
_CHANGES = frozenset(CollectionAction) - {
    CollectionAction.COLLECT,
    CollectionAction.CHARGE,
    CollectionAction.SEND,
}


class CollectionHandlers:
    """The outbox handlers of one process and collector; `handlers` maps actions to them."""

    def __init__(self, database: Database, clock: Clock, collector: Collector) -> None:
        self._database = database
        self._clock = clock
        self._collector = collector

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by outbox action, including action names of the previous release."""
        handlers: Mapping[str, Handler] = {
            CollectionAction.COLLECT.value: self._collect,
            CollectionAction.CHARGE.value: self._charge,
            CollectionAction.SEND.value: self._send,
            CollectionAction.MARK_PART_PAID.value: self._mark_part_paid,
            CollectionAction.CREDIT.value: self._credit,
            CollectionAction.MARK_PAID.value: self._mark_paid,
            CollectionAction.VOID.value: self._void,
            CollectionAction.WRITE_OFF.value: self._write_off,
        }
        previous = self._collector.info.previous_actions
        return {**handlers, **{name: handlers[action] for name, action in previous.items()}}

    @property
    def _change_actions(self) -> frozenset[str]:
        """The actions that tell the collector of changes, as both releases name them."""
        previous = self._collector.info.previous_actions
        return _CHANGES | {name for name, action in previous.items() if action in _CHANGES}

    async def _collect(self, item: ClaimedItem) -> None:
        """Create the invoice at the collector, then enqueue its charge or sending."""
        async with self._database.transaction() as session:
            invoice = await build_invoice_to_collect(
                session, self._collector.info, item.account_id, UUID(hex=item.payload["invoice"])
            )
        external = await self._find_earlier_attempt(item, invoice)
        if invoice.is_to_collect:
            invoice.require_collectable(self._collector.info)
            customer = (
                external.customer if external is not None else await self._ensure_customer(item)
            )
            external = await self._collector.invoice(invoice.request(customer), external)
        if external is None:
            return  # settled, or switched to manual collection, before the collector had it
        async with self._database.transaction() as session:
            await store_external_invoice(
                session, invoice.invoice, self._collector.info.name, external.id
            )
            # Payments and credits since an earlier, given-up attempt found no invoice to reduce:
            # without them, the whole amount would be charged.
            await repeat_later_items(session, self._clock, item, self._change_actions)
            if invoice.is_to_collect:
                await self._enqueue_collection(session, invoice)

    async def _find_earlier_attempt(
        self, item: ClaimedItem, invoice: InvoiceToCollect
    ) -> ExternalInvoice | None:
        """Find the invoice that an earlier attempt created at the collector, or None."""
        external_id = external_invoice_id(invoice.invoice, self._collector.info)
        if external_id is not None:
            return await self._collector.retrieve_invoice(external_id)
        if item.attempts == 1:
            return None
        customer = await self._ensure_customer(item)
        return await self._collector.find_invoice(customer, invoice.invoice.id)

    async def _ensure_customer(self, item: ClaimedItem) -> str:
        """Return the account's customer id at the collector; register it if needed."""
        return await ensure_customer(
            self._database, self._collector, item.account_id, is_retry=item.attempts > 1
        )

    async def _enqueue_collection(self, session: AsyncSession, invoice: InvoiceToCollect) -> None:
        """Enqueue the charge of an invoice due at once, or the sending of one with days to pay.

        It is handled after the pending items of the invoice.
        """
        if invoice.days_until_due is None:
            await enqueue_charge(session, self._clock, invoice.invoice, "0")
        else:
            await enqueue_sending(session, self._clock, invoice.invoice)

    async def _charge(self, item: ClaimedItem) -> None:
        """Charge an open invoice; a declined or refused charge is logged, not raised."""
        external = await self._retrieve_invoice(item)
        if external is None or external.status != "open":
            return
        try:
            await self._collector.charge(item.business_key, external.id)
        except PaymentDeclined as error:
            # Dunning retries; a customer who must authenticate does so on the collector's page.
            log = structlog.get_logger()
            log.info("a charge was declined", invoice=item.payload["invoice"], reason=error.code)
            async with self._database.transaction() as session:
                invoice_id = UUID(hex=item.payload["invoice"])
                place = (session, self._clock, item.account_id, invoice_id)
                await record_declined_charge(*place, item.business_key)
        except PermanentFailure as error:
            # The customer has no payment method, or the invoice was paid meanwhile.
            log = structlog.get_logger()
            log.info("a charge was refused", invoice=item.payload["invoice"], reason=str(error))

    async def _send(self, item: ClaimedItem) -> None:
        """Have the collector send an open invoice to the customer; skip other statuses."""
        external = await self._retrieve_invoice(item)
        if external is not None and external.status == "open":
            await self._collector.send(item.business_key, external.id)

    async def _mark_paid(self, item: ClaimedItem) -> None:
        """Tell the collector that the invoice was paid elsewhere."""
        await self._end_collection(item, self._collector.mark_paid, "paid")

    async def _void(self, item: ClaimedItem) -> None:
        """Void the invoice at the collector."""
        await self._end_collection(item, self._collector.void, "void")

    async def _write_off(self, item: ClaimedItem) -> None:
        """Mark the invoice as uncollectible at the collector."""
        await self._end_collection(item, self._collector.write_off, "uncollectible")

    async def _end_collection(
        self, item: ClaimedItem, change: Callable[[str, str], Awaitable[None]], status: str
    ) -> None:
        """Apply `change`, which ends collection, unless the invoice has `status` already.

        Drafts are skipped: an invoice that was never completed is not collected.
        """
        external = await self._retrieve_invoice(item)
        if external is not None and external.status not in ("draft", status):
            await change(item.business_key, external.id)

    async def _mark_part_paid(self, item: ClaimedItem) -> None:
        """Reduce the amount due of an open invoice at the collector by a payment made elsewhere."""
        external = await self._retrieve_invoice(item)
        if external is None or external.status != "open":
            return
        payment = PartPayment(f"payment:{item.payload['payment']}", item.payload["minor"])
        await self._collector.mark_part_paid(item.business_key, external, payment)

    async def _credit(self, item: ClaimedItem) -> None:
        """Create the credit note at the collector, if the collector has the invoice."""
        external = await self._retrieve_invoice(item)
        if external is None:
            return
        async with self._database.transaction() as session:
            query = select(CreditNote).where(
                col(CreditNote.account_id) == item.account_id,
                col(CreditNote.id) == UUID(hex=item.payload["credit_note"]),
            )
            note = (await session.scalars(query)).one()
        credit = CreditRequest(
            reference=note.id.hex,
            total=note.total,
            to_wallet=note.to_wallet,
            refunded=note.refunded,
            reason=note.reason,
        )
        await self._collector.credit(item.business_key, external, credit)

    async def _retrieve_invoice(self, item: ClaimedItem) -> ExternalInvoice | None:
        """Retrieve the invoice from the collector; None if the collector does not have it."""
        async with self._database.transaction() as session:
            invoice = await get_invoice(session, item.account_id, UUID(hex=item.payload["invoice"]))
        external_id = external_invoice_id(invoice, self._collector.info)
        return None if external_id is None else await self._collector.retrieve_invoice(external_id)
