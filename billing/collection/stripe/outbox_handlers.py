"""Collecting: what Stripe is told of our invoices, item by item of the outbox.

    stripe_invoice -> stripe_pay | stripe_send          Stripe collects
    stripe_part_paid, stripe_credit                     less is to be collected
    stripe_paid_elsewhere, stripe_void, stripe_give_up  nothing is any more

Items of one invoice are done in this order of their making. What happened to an invoice while
Stripe could not be reached is told before the first charge: that is an item of its own, made
when Stripe has the invoice. Each handler may run again at any point: what was done is found
again, under the same key or by our ids.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import read_profile
from billing.collection.stripe.client import PaymentDeclined, Payments
from billing.collection.stripe.invoice_mapping import Bill, bill_of, share_of_credit
from billing.collection.stripe.values import KnownCredit, StripeCredit, StripeInvoice
from billing.invoices.lifecycle import get_invoice
from billing.outbox import Handler, Item, Refused, put
from billing.tables import Account, BillingProfile, CreditNote, Invoice
from infra.clock import Clock
from infra.database.database import Database

# Clocks differ; a customer is not older than so much before its account.
_CLOCKS = timedelta(hours=1)


class Collector:
    """The handlers of one process; `handlers` names the outbox's actions."""

    def __init__(self, database: Database, clock: Clock, payments: Payments) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {
            "stripe_invoice": self._collect,
            "stripe_pay": self._pay,
            "stripe_send": self._send,
            "stripe_part_paid": self._part_paid,
            "stripe_credit": self._credit,
            "stripe_paid_elsewhere": self._paid_elsewhere,
            "stripe_void": self._void,
            "stripe_give_up": self._give_up,
        }

    async def customer(self, account_id: UUID, *, again: bool = False) -> str:
        """The account's customer at Stripe; made where there is none yet.

        `again` looks first for one that an earlier try made: Stripe forgets idempotency keys.
        """
        async with self._database.transaction() as session:
            profile = await read_profile(session, account_id)
            account = await session.get_one(Account, account_id)
        if profile.stripe_customer is not None:
            return profile.stripe_customer
        found, of, name = None, account_id.hex, profile.billing_name or account.name
        if again:
            found = await self._payments.find_customer(of, account.created_at - _CLOCKS)
        key = f"customer:{account_id}"
        made = found or await self._payments.make_customer(key, of, name, profile.email)
        async with self._database.transaction() as session:
            await session.execute(
                update(BillingProfile)
                .where(col(BillingProfile.account_id) == account_id)
                .values(stripe_customer=made)
            )
        return made

    async def _collect(self, item: Item) -> None:
        async with self._database.transaction() as session:
            bill = await bill_of(session, item.account_id, UUID(hex=item.payload["invoice"]))
        there = await self._earlier(item, bill)
        if bill.is_to_collect:
            bill.require_collectable()
            there = await self._push(item, bill, there)
        if there is None:
            return  # settled, or taken over by hand, before Stripe was given it
        async with self._database.transaction() as session:
            await _keep(session, bill.invoice, there.id)
            if bill.is_to_collect:
                await self._start(session, item, bill)

    async def _earlier(self, item: Item, bill: Bill) -> StripeInvoice | None:
        """What an earlier try made: Stripe forgets idempotency keys after a day."""
        if bill.invoice.stripe_invoice is not None:
            return await self._payments.read_invoice(bill.invoice.stripe_invoice)
        if item.attempts == 1:
            return None
        customer = await self.customer(item.account_id, again=item.attempts > 1)
        return await self._payments.find_invoice(customer, bill.invoice.id.hex)

    async def _push(self, item: Item, bill: Bill, there: StripeInvoice | None) -> StripeInvoice:
        """A final invoice at Stripe that says what ours says."""
        place = f"invoice:{bill.invoice.id}"
        if there is None:
            customer = await self.customer(item.account_id, again=item.attempts > 1)
            ours = bill.invoice.id.hex, bill.number, bill.invoice.currency
            there = await self._payments.make_invoice(f"{place}:make", customer, *ours, bill.days)
        if there.status != "draft":
            return there
        if there.total != bill.due:
            there = await self._payments.add_charges(f"{place}:charges", there, bill.charges)
        if (there.total, there.due) != (bill.due, bill.due):
            raise Refused(
                f"Stripe would collect {there.due} of {there.total}, our invoice is {bill.due}."
            )
        return await self._payments.finalise(f"{place}:final", there.id)

    async def _start(self, session: AsyncSession, item: Item, bill: Bill) -> None:
        """Charge, or have it sent: after all that is to be told of this invoice by now."""
        action, key = ("stripe_pay", "pay:0") if bill.days is None else ("stripe_send", "send")
        place = (session, self._clock, item.account_id, action)
        await put(*place, item.subject, f"{item.subject}:{key}", {"invoice": bill.invoice.id.hex})

    async def _pay(self, item: Item) -> None:
        """A try to charge; the key says which one."""
        there = await self._there(item)
        if there is None or there.status != "open":
            return
        try:
            await self._payments.charge(item.business_key, there.id)
        except PaymentDeclined as error:
            # Dunning tries again; a customer who has to authenticate does it on the page.
            log = structlog.get_logger()
            log.info("a charge was declined", invoice=item.payload["invoice"], reason=error.code)
        except Refused as error:
            # No payment method yet, or paid meanwhile.
            log = structlog.get_logger()
            log.info("a charge was refused", invoice=item.payload["invoice"], reason=str(error))

    async def _send(self, item: Item) -> None:
        there = await self._there(item)
        if there is not None and there.status == "open":
            await self._payments.send(item.business_key, there.id)

    async def _paid_elsewhere(self, item: Item) -> None:
        await self._end(item, self._payments.paid_elsewhere, "paid")

    async def _void(self, item: Item) -> None:
        await self._end(item, self._payments.void, "void")

    async def _give_up(self, item: Item) -> None:
        await self._end(item, self._payments.give_up, "uncollectible")

    async def _end(
        self, item: Item, tell: Callable[[str, str], Awaitable[None]], status: str
    ) -> None:
        """Unless an earlier try did it; a draft that was never finished is collected by nobody."""
        there = await self._there(item)
        if there is not None and there.status not in ("draft", status):
            await tell(item.business_key, there.id)

    async def _part_paid(self, item: Item) -> None:
        """Stripe knows no payment from elsewhere for a part: a credit note lowers what is due."""
        there = await self._there(item)
        if there is None or there.status != "open":
            return
        ours, part = (
            f"payment:{item.payload['payment']}",
            min(item.payload["minor"], there.remaining),
        )
        credit = StripeCredit(ours, part, 0, 0, "Paid by another way")
        await self._credit_once(item, there, credit, await self._payments.credits_of(there.id))

    async def _credit(self, item: Item) -> None:
        there = await self._there(item)
        if there is None:
            return
        async with self._database.transaction() as session:
            query = select(CreditNote).where(
                col(CreditNote.account_id) == item.account_id,
                col(CreditNote.id) == UUID(hex=item.payload["credit_note"]),
            )
            note = (await session.scalars(query)).one()
        charged = sum(part.minor for part in await self._payments.paid_parts(there.id))
        known = await self._payments.credits_of(there.id)
        refundable = charged - sum(credit.refunded for credit in known)
        await self._credit_once(item, there, share_of_credit(note, there, refundable), known)

    async def _credit_once(
        self,
        item: Item,
        there: StripeInvoice,
        credit: StripeCredit,
        known: Sequence[KnownCredit],
    ) -> None:
        """An earlier try is known by what it is for: Stripe forgets idempotency keys."""
        if credit.total and all(one.ours != credit.ours for one in known):
            await self._payments.credit(item.business_key, there.id, credit)

    async def _there(self, item: Item) -> StripeInvoice | None:
        """The invoice as Stripe has it; None where it was settled before Stripe was given it."""
        async with self._database.transaction() as session:
            invoice = await get_invoice(session, item.account_id, UUID(hex=item.payload["invoice"]))
        if invoice.stripe_invoice is None:
            return None
        return await self._payments.read_invoice(invoice.stripe_invoice)


async def _keep(session: AsyncSession, invoice: Invoice, stripe_id: str) -> None:
    await session.execute(
        update(Invoice)
        .where(col(Invoice.account_id) == invoice.account_id, col(Invoice.id) == invoice.id)
        .values(stripe_invoice=stripe_id)
    )
