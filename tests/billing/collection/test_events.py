"""Handling of collector events, by kind and owner, once and repeatedly.

Delivery of events is tested in tests/stories/test_story_stripe_webhooks.py.
"""

import pytest
from structlog.testing import capture_logs

from billing.collection.collector import CollectorEvent, InvoiceItem
from billing.collection.events import (
    OUTCOME_IGNORED,
    OUTCOME_NOT_OURS,
    CollectorEventHandler,
)
from billing.invoices.collection_items import enqueue_charge
from billing.outbox import PermanentFailure
from infra import ids
from tests.support.stories.stripe_story import CHARGE, SEND, StripeStory


def events(stripe: StripeStory) -> CollectorEventHandler:
    return CollectorEventHandler(stripe.story.database, stripe.story.clock, stripe.collector)


def event(kind: str, object_id: str) -> CollectorEvent:
    return CollectorEvent("stripe", "evt_1", kind, {"data": {"object": {"id": object_id}}})


async def foreign(stripe: StripeStory, customer: str, ours: str, currency: str = "CNY") -> str:
    """Create and finalise an invoice of 99.00 without the outbox; its events are lost."""
    stripe.fake.webhooks.drop(1000)
    key = f"foreign:{len(stripe.fake.objects('invoice'))}"
    made = await stripe.payments.create_invoice(f"{key}:make", customer, ours, key, currency, 30)
    await stripe.payments.add_line_items(
        f"{key}:lines", made, [InvoiceItem("something else", 9900)]
    )
    await stripe.payments.finalize_invoice(f"{key}:final", made.id)
    return made.id


class TestEventKinds:
    @pytest.mark.parametrize(
        "kind", ["customer.updated", "charge.succeeded", "invoiceitem.created", "balance.available"]
    )
    async def test_unrelated_kinds_are_ignored_without_request(
        self, stripe: StripeStory, kind: str
    ) -> None:
        before = len(stripe.fake.requests)
        assert await events(stripe).handle(event(kind, "x_1")) == OUTCOME_IGNORED
        assert len(stripe.fake.requests) == before

    async def test_event_of_missing_invoice_raises_permanent_failure(
        self, stripe: StripeStory
    ) -> None:
        with pytest.raises(PermanentFailure, match="No such invoice"):
            await events(stripe).handle(event("invoice.deleted", "in_gone"))


class TestInvoiceEvents:
    async def test_any_event_reads_current_invoice_state(self, stripe: StripeStory) -> None:
        """The handler reads the invoice's current state from Stripe, whatever the event says."""
        firm = await stripe.firm(SEND)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        theirs = stripe.theirs()["id"]
        failed = event("invoice.payment_failed", theirs)
        assert await events(stripe).handle(failed) == "open, 0 paid"
        stripe.fake.pay_hosted_invoice(theirs)
        for _ in range(3):
            assert await events(stripe).handle(failed) == "paid, 3000 paid"
        assert ((await stripe.ours(firm)).status, await firm.wallet()) == ("paid", "0.00")
        assert await stripe.differences() == ()

    async def test_invoice_with_unknown_metadata_id_is_ignored(self, stripe: StripeStory) -> None:
        firm = await stripe.firm(SEND)
        customer = await stripe.customer_of(firm)
        for ours in ("nothing of ours", ids.new_id().hex):
            theirs = await foreign(stripe, customer, ours)
            assert await events(stripe).handle(event("invoice.paid", theirs)) == OUTCOME_NOT_OURS
        assert await firm.invoices() == []

    async def test_invoice_with_other_customer_or_currency_is_ignored(
        self, stripe: StripeStory
    ) -> None:
        """The firm's invoice of 30.00 is collected manually and was never sent to Stripe."""
        firm = await stripe.firm(CHARGE)
        customer = await stripe.customer_of(firm)
        stranger = await stripe.payments.create_customer("stranger", "0" * 32, "Other", "")
        await firm.billed(collection="manual")
        ours = await stripe.invoiced(firm, rows=30_000)
        for owner, currency in ((stranger, "CNY"), (customer, "USD")):
            theirs = await foreign(stripe, owner, ours.id.hex, currency)
            stripe.fake.pay_hosted_invoice(theirs)
            assert await events(stripe).handle(event("invoice.paid", theirs)) == OUTCOME_NOT_OURS
        found = await stripe.ours(firm)
        assert (found.status, found.external_invoice, await firm.wallet()) == ("open", None, "0.00")

    async def test_copy_of_collected_invoice_is_ignored(self, stripe: StripeStory) -> None:
        """Stripe's dashboard copies an invoice together with its metadata."""
        firm = await stripe.firm(SEND)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.exchanges()
        ours, customer = await stripe.ours(firm), stripe.theirs()["customer"]
        copy = await foreign(stripe, customer, ours.id.hex)
        stripe.fake.pay_hosted_invoice(copy)
        assert await events(stripe).handle(event("invoice.paid", copy)) == OUTCOME_NOT_OURS
        found = await stripe.ours(firm)
        assert (found.status, found.external_invoice) == ("open", ours.external_invoice)

    async def test_first_event_stores_external_invoice_id(self, stripe: StripeStory) -> None:
        """The invoice names ours and has the firm's customer: 99.00 pay 30.00, the rest goes to the
        wallet."""
        firm = await stripe.firm(SEND)
        customer = await stripe.customer_of(firm)
        ours = await stripe.invoiced(firm, rows=30_000)
        theirs = await foreign(stripe, customer, ours.id.hex)
        stripe.fake.pay_hosted_invoice(theirs)
        paid = event("invoice.paid", theirs)
        assert await events(stripe).handle(paid) == "paid, 9900 paid"
        found = await stripe.ours(firm)
        assert (found.status, found.external_invoice) == ("paid", theirs)
        assert await firm.wallet() == "69.00"

    async def test_invoice_voided_at_stripe_stays_owed_and_logs_error(
        self, stripe: StripeStory
    ) -> None:
        """After a void in Stripe's dashboard an error is logged and 30.00 stay owed."""
        firm = await stripe.firm(SEND)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.exchanges()
        ours = await stripe.ours(firm)
        await stripe.payments.void_invoice("dashboard", ours.external_invoice or "")
        with capture_logs() as said:
            voided = event("invoice.voided", ours.external_invoice or "")
            assert await events(stripe).handle(voided) == "void, 0 paid"
        told = [one for one in said if one["event"] == "the collector has settled what is owed"]
        assert [(one["log_level"], one["invoice"], one["status"]) for one in told] == [
            ("error", ours.id.hex, "void")
        ]
        assert ((await stripe.ours(firm)).status, await firm.owes(ours)) == ("open", "30.00")


class TestPaymentMethodEvents:
    async def test_method_of_account_with_sent_invoices_is_not_charged(
        self, stripe: StripeStory
    ) -> None:
        """The method is stored, but no open invoice is charged automatically."""
        firm = await stripe.firm(SEND)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        await stripe.leaves_card(firm)
        intent = stripe.fake.objects("setup_intent")[-1]["id"]
        left = event("setup_intent.succeeded", intent)
        assert await events(stripe).handle(left) == "method kept"
        assert (stripe.theirs()["status"], stripe.charges()) == ("open", [])

    async def test_repeated_event_charges_once(self, stripe: StripeStory) -> None:
        firm = await stripe.firm(CHARGE)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        await stripe.leaves_card(firm)
        left = event("setup_intent.succeeded", stripe.fake.objects("setup_intent")[-1]["id"])
        for _ in range(2):
            outcome = await events(stripe).handle(left)
            assert outcome == "method kept, open invoices are charged"
        await stripe.works()
        pays = [action for action, _ in await stripe.outbox(firm) if action == "charge"]
        assert (len(pays), stripe.charges()) == (2, [3000])

    async def test_method_without_open_invoices_enqueues_no_charge(
        self, stripe: StripeStory
    ) -> None:
        firm = await stripe.firm(CHARGE)
        await stripe.leaves_card(firm)
        await stripe.works()
        assert await stripe.outbox(firm) == []

    async def test_unfinished_setup_is_ignored(self, stripe: StripeStory) -> None:
        firm = await stripe.firm(CHARGE)
        customer = await stripe.customer_of(firm)
        await stripe.payments.create_setup_page(
            "page", customer, "CNY", "https://a.b", "https://a.b"
        )
        intent = stripe.fake.objects("setup_intent")[-1]["id"]
        assert (
            await events(stripe).handle(event("setup_intent.succeeded", intent)) == OUTCOME_IGNORED
        )

    async def test_method_of_unknown_customer_is_ignored(self, stripe: StripeStory) -> None:
        customer = await stripe.payments.create_customer("stranger", "0" * 32, "Other", "")
        await stripe.payments.create_setup_page(
            "page", customer, "CNY", "https://a.b", "https://a.b"
        )
        stripe.fake.complete_checkout(stripe.fake.objects("checkout.session")[-1]["id"])
        left = event("setup_intent.succeeded", stripe.fake.objects("setup_intent")[-1]["id"])
        assert await events(stripe).handle(left) == OUTCOME_NOT_OURS


async def test_charge_is_enqueued_once_per_occasion(stripe: StripeStory) -> None:
    firm = await stripe.firm(CHARGE)
    invoice = await stripe.invoiced(firm, rows=30_000)
    async with stripe.story.database.transaction() as session:
        for occasion in ("dunning:1", "dunning:1", "dunning:2"):
            await enqueue_charge(session, stripe.story.clock, invoice, occasion)
    assert [action for action, _ in await stripe.outbox(firm)][1:] == ["charge", "charge"]
