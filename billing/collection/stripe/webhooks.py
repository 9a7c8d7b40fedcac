"""Handling of Stripe events: records payments and stores payment methods.

The handler ignores the event's payload beyond the object's id: it retrieves the object from Stripe
and records changes under Stripe's ids, so it is idempotent and independent of the order of events.
Objects that belong to no account here are ignored.
"""

from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import Collection, get_profile
from billing.collection.stripe.client import StripeClient
from billing.collection.stripe.values import StripeEvent, StripeInvoice
from billing.invoices.payments import STRIPE_METHOD, IncomingPayment, record_payment
from billing.outbox import enqueue
from billing.tables import BillingProfile, Invoice, InvoiceStatus
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

OUTCOME_NOT_OURS = "not ours"
OUTCOME_IGNORED = "of no concern"
SETUP_SUCCEEDED = "setup_intent.succeeded"


class StripeEventHandler:
    """Handler of the events of one Stripe account."""

    def __init__(self, database: Database, clock: Clock, payments: StripeClient) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments

    async def handle(self, event: StripeEvent) -> str:
        """Handle an event; return a short outcome text. Raises RetryLater, PermanentFailure."""
        if event.kind.startswith("invoice."):
            return await self.record_invoice_payments(event.object_id)
        if event.kind == SETUP_SUCCEEDED:
            return await self._set_default_payment_method(event)
        return OUTCOME_IGNORED

    async def record_invoice_payments(self, stripe_id: str) -> str:
        """Record the payments of a Stripe invoice. Raises RetryLater, PermanentFailure."""
        stripe_invoice = await self._payments.retrieve_invoice(stripe_id)
        async with self._database.transaction() as session:
            invoice = await _find_invoice(session, stripe_invoice)
        if invoice is None:
            return OUTCOME_NOT_OURS
        recorded = 0
        for part in await self._payments.list_payments(stripe_invoice.id):
            payment = IncomingPayment(STRIPE_METHOD, part.reference, part.minor, self._clock.now())
            async with self._database.transaction() as session:
                invoice = await record_payment(
                    session, self._clock, invoice.account_id, invoice.id, payment
                )
            recorded += part.minor
        if invoice.status == InvoiceStatus.OPEN and stripe_invoice.status not in ("draft", "open"):
            # Settled in Stripe's dashboard without a payment, which the ledger cannot represent.
            log = structlog.get_logger()
            log.error(
                "Stripe has settled what is owed",
                invoice=invoice.id.hex,
                status=stripe_invoice.status,
            )
        return f"{stripe_invoice.status}, {recorded} paid"

    async def _set_default_payment_method(self, event: StripeEvent) -> str:
        """Make a newly stored payment method the default, and charge open invoices with it."""
        setup = await self._payments.find_setup_payment_method(event.object_id)
        if setup is None:
            return OUTCOME_IGNORED
        customer, method = setup
        async with self._database.transaction() as session:
            query = select(BillingProfile).where(col(BillingProfile.stripe_customer) == customer)
            profile = (await session.scalars(query)).one_or_none()
        if profile is None:
            return OUTCOME_NOT_OURS
        key = f"method:{event.object_id}"
        await self._payments.set_default_payment_method(key, customer, method)
        async with self._database.transaction() as session:
            return await self._charge_open_invoices(session, profile, event.object_id)

    async def _charge_open_invoices(
        self, session: AsyncSession, profile: BillingProfile, setup_intent: str
    ) -> str:
        if profile.collection != Collection.STRIPE_CHARGE:
            return "method kept"
        for invoice in await _list_open_stripe_invoices(session, profile.account_id):
            await enqueue_charge_attempt(session, self._clock, invoice, setup_intent)
        return "method kept, open invoices are charged"


async def enqueue_charge_attempt(
    session: AsyncSession, clock: Clock, invoice: Invoice, occasion: str
) -> None:
    """Enqueue an attempt to charge an open invoice, once per occasion."""
    subject = f"invoice:{invoice.id}"
    payload = {"invoice": invoice.id.hex}
    key = f"{subject}:pay:{occasion}"
    await enqueue(session, clock, invoice.account_id, "stripe_pay", subject, key, payload)


async def _find_invoice(session: AsyncSession, stripe_invoice: StripeInvoice) -> Invoice | None:
    """Find our invoice by Stripe's id; the metadata must name the same invoice.

    Reads across accounts: the event identifies the account (account_id is the invoice's own).
    """
    query = select(Invoice).where(col(Invoice.stripe_invoice) == stripe_invoice.id)
    invoice = (await session.scalars(query)).one_or_none()
    metadata_id = ids.parse_id("", f"_{stripe_invoice.our_invoice_id}")
    if invoice is None and metadata_id is not None:
        invoice = await _link_invoice_from_metadata(session, stripe_invoice, metadata_id)
    return invoice if invoice is not None and invoice.id == metadata_id else None


async def _link_invoice_from_metadata(
    session: AsyncSession, stripe_invoice: StripeInvoice, metadata_id: UUID
) -> Invoice | None:
    """Find our invoice by the metadata alone, and store Stripe's id.

    The first events of an invoice can arrive before its id is stored. The customer and currency
    must match, because Stripe's dashboard copies metadata to other invoices.
    """
    invoice = await session.get(Invoice, metadata_id)
    if (
        invoice is None
        or invoice.stripe_invoice is not None
        or invoice.currency != stripe_invoice.currency
    ):
        return None
    profile = await get_profile(session, invoice.account_id)
    if profile.stripe_customer != stripe_invoice.customer:
        return None
    invoice.stripe_invoice = stripe_invoice.id
    await session.flush()
    return invoice


async def _list_open_stripe_invoices(session: AsyncSession, account_id: UUID) -> list[Invoice]:
    query = select(Invoice).where(
        col(Invoice.account_id) == account_id,
        col(Invoice.status) == InvoiceStatus.OPEN.value,
        col(Invoice.stripe_invoice).is_not(None),
    )
    return list((await session.scalars(query.order_by(col(Invoice.id)))).all())
