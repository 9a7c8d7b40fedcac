"""Handling of collector events: records payments and stores payment methods.

The handler ignores the content of events: it retrieves the objects from the collector and records
changes under the collector's ids, so it is idempotent and independent of the order of events.
Objects that belong to no account here are ignored.
"""

from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.payers import record_payer
from billing.accounts.profiles import get_profile, profile_collection
from billing.collection.collector import (
    Collector,
    CollectorEvent,
    CollectorInfo,
    ExternalInvoice,
    InvoiceChanged,
    PaymentMethodStored,
)
from billing.collection.external_ids import external_customer_id
from billing.invoices.collection_items import enqueue_charge
from billing.invoices.payments import IncomingPayment, record_payment
from billing.outbox import PermanentFailure
from billing.tables import BillingProfile, Invoice, InvoiceStatus
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

OUTCOME_NOT_OURS = "not ours"
OUTCOME_IGNORED = "of no concern"


class CollectorEventHandler:
    """Handler of the events of one collector."""

    def __init__(self, database: Database, clock: Clock, collector: Collector) -> None:
        self._database = database
        self._clock = clock
        self._collector = collector

    @property
    def collector(self) -> str:
        """The name of the collector."""
        return self._collector.info.name

    async def handle(self, event: CollectorEvent) -> str:
        """Handle an event; return a short outcome text. Raises RetryLater, PermanentFailure."""
        if event.collector != self.collector:
            raise PermanentFailure(f"It is an event of {event.collector}, which is not configured.")
        match await self._collector.interpret(event):
            case InvoiceChanged(external_id):
                return await self.record_invoice_payments(external_id)
            case PaymentMethodStored() as stored:
                return await self._use_payment_method(stored)
        return OUTCOME_IGNORED

    async def record_invoice_payments(self, external_id: str) -> str:
        """Record an invoice's payments at the collector; return a short outcome text.

        Raises RetryLater, PermanentFailure.
        """
        external = await self._collector.retrieve_invoice(external_id)
        async with self._database.transaction() as session:
            invoice = await _find_invoice(session, self._collector.info, external)
        if invoice is None:
            return OUTCOME_NOT_OURS
        recorded = 0
        for part in await self._collector.list_payments(external.id):
            payment = IncomingPayment(self.collector, part.reference, part.minor, self._clock.now())
            async with self._database.transaction() as session:
                invoice = await record_payment(
                    session, self._clock, invoice.account_id, invoice.id, payment
                )
                await record_payer(
                    session, invoice.account_id, self.collector, part.payer, payment.received_at
                )
            recorded += part.minor
        if invoice.status == InvoiceStatus.OPEN and external.status not in ("draft", "open"):
            # Settled on the collector's pages without a payment, which the ledger cannot represent.
            log = structlog.get_logger()
            log.error(
                "the collector has settled what is owed",
                collector=self.collector,
                invoice=invoice.id.hex,
                status=external.status,
            )
        return f"{external.status}, {recorded} paid"

    async def _use_payment_method(self, stored: PaymentMethodStored) -> str:
        """Make a newly stored payment method the default, and charge open invoices with it."""
        async with self._database.transaction() as session:
            query = select(BillingProfile).where(
                col(BillingProfile.collector) == self.collector,
                col(BillingProfile.external_customer) == stored.customer,
            )
            profile = (await session.scalars(query)).one_or_none()
        if profile is None:
            return OUTCOME_NOT_OURS
        await self._collector.use_payment_method(f"method:{stored.occasion}", stored)
        async with self._database.transaction() as session:
            await record_payer(
                session, profile.account_id, self.collector, stored.payer, self._clock.now()
            )
            return await self._charge_open_invoices(session, profile, stored.occasion)

    async def _charge_open_invoices(
        self, session: AsyncSession, profile: BillingProfile, occasion: str
    ) -> str:
        """Enqueue charges of open invoices if the account is charged; return an outcome text."""
        if not profile_collection(profile).is_charged:
            return "method kept"
        for invoice in await _list_open_invoices(session, self.collector, profile.account_id):
            await enqueue_charge(session, self._clock, invoice, occasion)
        return "method kept, open invoices are charged"


async def _find_invoice(
    session: AsyncSession, collector: CollectorInfo, external: ExternalInvoice
) -> Invoice | None:
    """Find our invoice by the collector's id; None if the collector's record names another one.

    Reads across accounts: the event identifies the account (account_id is the invoice's own).
    """
    query = select(Invoice).where(
        col(Invoice.collector) == collector.name, col(Invoice.external_invoice) == external.id
    )
    invoice = (await session.scalars(query)).one_or_none()
    our_id = ids.parse_id("", f"_{external.our_invoice_id}")
    if invoice is None and our_id is not None:
        invoice = await _link_invoice(session, collector, external, our_id)
    return invoice if invoice is not None and invoice.id == our_id else None


async def _link_invoice(
    session: AsyncSession, collector: CollectorInfo, external: ExternalInvoice, our_id: UUID
) -> Invoice | None:
    """Find our invoice by our id, as stored at the collector; store the collector's id in it.

    The first events of an invoice can arrive before its id is stored. The customer and currency
    must match, because the collector's pages may copy our id to other invoices.
    """
    invoice = await session.get(Invoice, our_id)
    if (
        invoice is None
        or invoice.external_invoice is not None
        or invoice.currency != external.currency
    ):
        return None
    profile = await get_profile(session, invoice.account_id)
    if external_customer_id(profile, collector) != external.customer:
        return None
    invoice.collector, invoice.external_invoice = collector.name, external.id
    await session.flush()
    return invoice


async def _list_open_invoices(
    session: AsyncSession, collector: str, account_id: UUID
) -> list[Invoice]:
    """List an account's open invoices that the collector already has, oldest first."""
    query = select(Invoice).where(
        col(Invoice.account_id) == account_id,
        col(Invoice.status) == InvoiceStatus.OPEN.value,
        col(Invoice.collector) == collector,
        col(Invoice.external_invoice).is_not(None),
    )
    return list((await session.scalars(query.order_by(col(Invoice.id)))).all())
