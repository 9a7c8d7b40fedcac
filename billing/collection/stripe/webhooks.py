"""Webhooks: what follows for us from an event of Stripe's.

Whatever an event says, the object is read again from Stripe, and what is new there is recorded
under Stripe's own ids: handling an event twice, late or out of order changes nothing more. What
belongs to nobody here is left alone.
"""

from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import Collection, read_profile
from billing.collection.stripe.client import Payments
from billing.collection.stripe.values import Event, StripeInvoice
from billing.invoices.payments import STRIPE, Receipt, record_payment
from billing.outbox import put
from billing.tables import BillingProfile, Invoice, InvoiceStatus
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

FOREIGN = "not ours"
IGNORED = "of no concern"
METHOD_LEFT = "setup_intent.succeeded"


class StripeEvents:
    """Handles the events of one Stripe account."""

    def __init__(self, database: Database, clock: Clock, payments: Payments) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments

    async def handle(self, event: Event) -> str:
        """What came of it, in a word. Raises TryLater, Refused."""
        if event.kind.startswith("invoice."):
            return await self.look_at(event.object_id)
        if event.kind == METHOD_LEFT:
            return await self._method(event)
        return IGNORED

    async def look_at(self, stripe_id: str) -> str:
        """Record what was paid for an invoice at Stripe. Raises TryLater, Refused."""
        theirs = await self._payments.read_invoice(stripe_id)
        async with self._database.transaction() as session:
            ours = await _find(session, theirs)
        if ours is None:
            return FOREIGN
        recorded = 0
        for part in await self._payments.paid_parts(theirs.id):
            receipt = Receipt(STRIPE, part.reference, part.minor, self._clock.now())
            async with self._database.transaction() as session:
                place = (session, self._clock, ours.account_id, ours.id)
                ours = await record_payment(*place, receipt)
            recorded += part.minor
        if ours.status == InvoiceStatus.OPEN and theirs.status not in ("draft", "open"):
            # Somebody settled it in Stripe's dashboard: that is nothing we could book.
            log = structlog.get_logger()
            log.error("Stripe has settled what is owed", invoice=ours.id.hex, status=theirs.status)
        return f"{theirs.status}, {recorded} paid"

    async def _method(self, event: Event) -> str:
        """A payment method was left: it pays from now on, and what is owed at once."""
        found = await self._payments.method_of_setup(event.object_id)
        if found is None:
            return IGNORED
        customer, method = found
        async with self._database.transaction() as session:
            query = select(BillingProfile).where(col(BillingProfile.stripe_customer) == customer)
            profile = (await session.scalars(query)).one_or_none()
        if profile is None:
            return FOREIGN
        key = f"method:{event.object_id}"
        await self._payments.set_default_method(key, customer, method)
        async with self._database.transaction() as session:
            return await self._charge_open(session, profile, event.object_id)

    async def _charge_open(
        self, session: AsyncSession, profile: BillingProfile, setup_intent: str
    ) -> str:
        if profile.collection != Collection.STRIPE_CHARGE:
            return "method kept"
        for invoice in await _open_invoices(session, profile.account_id):
            await charge_again(session, self._clock, invoice, setup_intent)
        return "method kept, open invoices are charged"


async def charge_again(
    session: AsyncSession, clock: Clock, invoice: Invoice, occasion: str
) -> None:
    """Try to charge an open invoice, once for each occasion."""
    subject = f"invoice:{invoice.id}"
    payload = {"invoice": invoice.id.hex}
    key = f"{subject}:pay:{occasion}"
    await put(session, clock, invoice.account_id, "stripe_pay", subject, key, payload)


async def _find(session: AsyncSession, theirs: StripeInvoice) -> Invoice | None:
    """Our invoice: known by Stripe's id and told by its metadata, both of which must agree.

    Across accounts: the event itself says whose it is (account_id is the invoice's own).
    """
    query = select(Invoice).where(col(Invoice.stripe_invoice) == theirs.id)
    ours = (await session.scalars(query)).one_or_none()
    named = ids.parse("", f"_{theirs.ours}")
    if ours is None and named is not None:
        ours = await _not_kept_yet(session, theirs, named)
    return ours if ours is not None and ours.id == named else None


async def _not_kept_yet(
    session: AsyncSession, theirs: StripeInvoice, named: UUID
) -> Invoice | None:
    """An invoice's first events can come before its id was kept. Metadata alone is no proof:
    Stripe's dashboard copies it onto other invoices."""
    ours = await session.get(Invoice, named)
    if ours is None or ours.stripe_invoice is not None or ours.currency != theirs.currency:
        return None
    profile = await read_profile(session, ours.account_id)
    if profile.stripe_customer != theirs.customer:
        return None
    ours.stripe_invoice = theirs.id
    await session.flush()
    return ours


async def _open_invoices(session: AsyncSession, account_id: UUID) -> list[Invoice]:
    query = select(Invoice).where(
        col(Invoice.account_id) == account_id,
        col(Invoice.status) == InvoiceStatus.OPEN.value,
        col(Invoice.stripe_invoice).is_not(None),
    )
    return list((await session.scalars(query.order_by(col(Invoice.id)))).all())
