"""Outbox handlers that send invoices and their changes to Stripe.

    stripe_invoice -> stripe_pay | stripe_send          Stripe collects the invoice
    stripe_part_paid, stripe_credit                     the amount to collect is reduced
    stripe_paid_elsewhere, stripe_void, stripe_give_up  collection ends

Items of one invoice are handled in the order of their creation. The first charge is an item of its
own, created when Stripe has the invoice, so that changes made while Stripe was unavailable are sent
before it. Every handler is idempotent: earlier attempts are found by the idempotency key or by our
ids in Stripe's metadata.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile
from billing.collection.stripe.client import PaymentDeclined, StripeClient
from billing.collection.stripe.invoice_mapping import (
    InvoiceForStripe,
    build_invoice_for_stripe,
    map_credit_note,
)
from billing.collection.stripe.values import (
    StripeCreditNote,
    StripeCreditNoteRequest,
    StripeInvoice,
)
from billing.invoices.lifecycle import get_invoice
from billing.outbox import ClaimedItem, Handler, PermanentFailure, enqueue
from billing.tables import Account, BillingProfile, CreditNote, Invoice
from infra.clock import Clock
from infra.database.database import Database

# Clocks differ: a Stripe customer is at most this much older than our account.
_CLOCK_SKEW = timedelta(hours=1)


class StripeOutboxHandlers:
    """The Stripe outbox handlers of one process; `handlers` maps outbox actions to them."""

    def __init__(self, database: Database, clock: Clock, payments: StripeClient) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by outbox action."""
        return {
            "stripe_invoice": self._create_invoice,
            "stripe_pay": self._charge,
            "stripe_send": self._send,
            "stripe_part_paid": self._record_partial_payment,
            "stripe_credit": self._create_credit_note,
            "stripe_paid_elsewhere": self._mark_paid_out_of_band,
            "stripe_void": self._void,
            "stripe_give_up": self._mark_uncollectible,
        }

    async def ensure_customer(self, account_id: UUID, *, is_retry: bool = False) -> str:
        """Return the id of the account's Stripe customer; create the customer if needed.

        With `is_retry`, first searches for a customer that an earlier attempt created, because
        Stripe forgets idempotency keys after a day.
        """
        async with self._database.transaction() as session:
            profile = await get_profile(session, account_id)
            account = await session.get_one(Account, account_id)
        if profile.stripe_customer is not None:
            return profile.stripe_customer
        customer_id = None
        if is_retry:
            customer_id = await self._payments.find_customer(
                account_id.hex, account.created_at - _CLOCK_SKEW
            )
        if customer_id is None:
            customer_id = await self._payments.create_customer(
                f"customer:{account_id}",
                account_id.hex,
                profile.billing_name or account.name,
                profile.email,
            )
        async with self._database.transaction() as session:
            await session.execute(
                update(BillingProfile)
                .where(col(BillingProfile.account_id) == account_id)
                .values(stripe_customer=customer_id)
            )
        return customer_id

    async def _create_invoice(self, item: ClaimedItem) -> None:
        """Create and finalize the invoice at Stripe, then enqueue its charge or sending."""
        async with self._database.transaction() as session:
            bill = await build_invoice_for_stripe(
                session, item.account_id, UUID(hex=item.payload["invoice"])
            )
        stripe_invoice = await self._find_earlier_attempt(item, bill)
        if bill.is_to_collect:
            bill.require_collectable()
            stripe_invoice = await self._finalize_at_stripe(item, bill, stripe_invoice)
        if stripe_invoice is None:
            return  # settled, or switched to manual collection, before it was sent to Stripe
        async with self._database.transaction() as session:
            await _store_stripe_id(session, bill.invoice, stripe_invoice.id)
            if bill.is_to_collect:
                await self._enqueue_collection(session, item, bill)

    async def _find_earlier_attempt(
        self, item: ClaimedItem, bill: InvoiceForStripe
    ) -> StripeInvoice | None:
        """Find the Stripe invoice that an earlier attempt created, or None."""
        if bill.invoice.stripe_invoice is not None:
            return await self._payments.retrieve_invoice(bill.invoice.stripe_invoice)
        if item.attempts == 1:
            return None
        customer = await self.ensure_customer(item.account_id, is_retry=item.attempts > 1)
        return await self._payments.find_invoice(customer, bill.invoice.id.hex)

    async def _finalize_at_stripe(
        self, item: ClaimedItem, bill: InvoiceForStripe, stripe_invoice: StripeInvoice | None
    ) -> StripeInvoice:
        """Create the invoice at Stripe if needed, add its lines and finalize it.

        Raises PermanentFailure if Stripe's total differs from ours.
        """
        key_prefix = f"invoice:{bill.invoice.id}"
        if stripe_invoice is None:
            customer = await self.ensure_customer(item.account_id, is_retry=item.attempts > 1)
            stripe_invoice = await self._payments.create_invoice(
                f"{key_prefix}:make",
                customer,
                bill.invoice.id.hex,
                bill.number,
                bill.invoice.currency,
                bill.days_until_due,
            )
        if stripe_invoice.status != "draft":
            return stripe_invoice
        expected = bill.amount_due
        if stripe_invoice.total != expected:
            stripe_invoice = await self._payments.add_line_items(
                f"{key_prefix}:charges", stripe_invoice, bill.line_items
            )
        total, due = stripe_invoice.total, stripe_invoice.due
        if (total, due) != (expected, expected):
            raise PermanentFailure(
                f"Stripe would collect {due} of {total}, but the invoice is {expected}."
            )
        return await self._payments.finalize_invoice(f"{key_prefix}:final", stripe_invoice.id)

    async def _enqueue_collection(
        self, session: AsyncSession, item: ClaimedItem, bill: InvoiceForStripe
    ) -> None:
        """Enqueue the first charge, or the sending, after the items enqueued meanwhile."""
        action, key = (
            ("stripe_pay", "pay:0") if bill.days_until_due is None else ("stripe_send", "send")
        )
        await enqueue(
            session,
            self._clock,
            item.account_id,
            action,
            item.subject,
            f"{item.subject}:{key}",
            {"invoice": bill.invoice.id.hex},
        )

    async def _charge(self, item: ClaimedItem) -> None:
        """Attempt a charge; the business key identifies the attempt."""
        stripe_invoice = await self._retrieve_invoice(item)
        if stripe_invoice is None or stripe_invoice.status != "open":
            return
        try:
            await self._payments.charge_invoice(item.business_key, stripe_invoice.id)
        except PaymentDeclined as error:
            # Dunning retries; a customer who must authenticate does so on Stripe's page.
            log = structlog.get_logger()
            log.info("a charge was declined", invoice=item.payload["invoice"], reason=error.code)
        except PermanentFailure as error:
            # The customer has no payment method, or the invoice was paid meanwhile.
            log = structlog.get_logger()
            log.info("a charge was refused", invoice=item.payload["invoice"], reason=str(error))

    async def _send(self, item: ClaimedItem) -> None:
        stripe_invoice = await self._retrieve_invoice(item)
        if stripe_invoice is not None and stripe_invoice.status == "open":
            await self._payments.send_invoice(item.business_key, stripe_invoice.id)

    async def _mark_paid_out_of_band(self, item: ClaimedItem) -> None:
        await self._end_collection(item, self._payments.mark_paid_out_of_band, "paid")

    async def _void(self, item: ClaimedItem) -> None:
        await self._end_collection(item, self._payments.void_invoice, "void")

    async def _mark_uncollectible(self, item: ClaimedItem) -> None:
        await self._end_collection(item, self._payments.mark_uncollectible, "uncollectible")

    async def _end_collection(
        self, item: ClaimedItem, change: Callable[[str, str], Awaitable[None]], status: str
    ) -> None:
        """Apply a change that ends collection, unless the invoice has the resulting status.

        Drafts are skipped: Stripe does not collect an invoice that was never finalized.
        """
        stripe_invoice = await self._retrieve_invoice(item)
        if stripe_invoice is not None and stripe_invoice.status not in ("draft", status):
            await change(item.business_key, stripe_invoice.id)

    async def _record_partial_payment(self, item: ClaimedItem) -> None:
        """Reduce the amount due by a credit note: Stripe has no partial out-of-band payments."""
        stripe_invoice = await self._retrieve_invoice(item)
        if stripe_invoice is None or stripe_invoice.status != "open":
            return
        request = StripeCreditNoteRequest(
            our_reference=f"payment:{item.payload['payment']}",
            total=min(item.payload["minor"], stripe_invoice.remaining),
            refund=0,
            out_of_band=0,
            memo="Paid by another way",
        )
        existing = await self._payments.list_credit_notes(stripe_invoice.id)
        await self._create_credit_note_once(item, stripe_invoice, request, existing)

    async def _create_credit_note(self, item: ClaimedItem) -> None:
        stripe_invoice = await self._retrieve_invoice(item)
        if stripe_invoice is None:
            return
        async with self._database.transaction() as session:
            query = select(CreditNote).where(
                col(CreditNote.account_id) == item.account_id,
                col(CreditNote.id) == UUID(hex=item.payload["credit_note"]),
            )
            note = (await session.scalars(query)).one()
        payments = await self._payments.list_payments(stripe_invoice.id)
        existing = await self._payments.list_credit_notes(stripe_invoice.id)
        charged = sum(payment.minor for payment in payments)
        refundable = charged - sum(credit.refunded for credit in existing)
        request = map_credit_note(note, stripe_invoice, refundable)
        await self._create_credit_note_once(item, stripe_invoice, request, existing)

    async def _create_credit_note_once(
        self,
        item: ClaimedItem,
        stripe_invoice: StripeInvoice,
        request: StripeCreditNoteRequest,
        existing: Sequence[StripeCreditNote],
    ) -> None:
        """Create a credit note unless one with our reference exists from an earlier attempt."""
        if request.total and all(note.our_reference != request.our_reference for note in existing):
            await self._payments.create_credit_note(item.business_key, stripe_invoice.id, request)

    async def _retrieve_invoice(self, item: ClaimedItem) -> StripeInvoice | None:
        """Retrieve the invoice from Stripe; None if it was settled before it was sent to Stripe."""
        async with self._database.transaction() as session:
            invoice = await get_invoice(session, item.account_id, UUID(hex=item.payload["invoice"]))
        if invoice.stripe_invoice is None:
            return None
        return await self._payments.retrieve_invoice(invoice.stripe_invoice)


async def _store_stripe_id(session: AsyncSession, invoice: Invoice, stripe_id: str) -> None:
    await session.execute(
        update(Invoice)
        .where(col(Invoice.account_id) == invoice.account_id, col(Invoice.id) == invoice.id)
        .values(stripe_invoice=stripe_id)
    )
