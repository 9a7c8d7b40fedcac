"""What comes of an event: by its kind, by whose it is, and however often it is handled.

Events on their way are in tests/stories/test_story_stripe_webhooks.py.
"""

import pytest

from billing.collecting.stripe_facts import Event
from billing.collecting.webhooks import FOREIGN, IGNORED, StripeEvents, charge_again
from billing.outbox import Refused
from tests.support.stories.stripe_story import CHARGE, SEND, StripeStory


def events(stripe: StripeStory) -> StripeEvents:
    return StripeEvents(stripe.story.database, stripe.story.clock, stripe.payments)


def event(kind: str, object_id: str) -> Event:
    return Event("evt_1", kind, object_id, {})


class TestKinds:
    @pytest.mark.parametrize(
        "kind", ["customer.updated", "charge.succeeded", "invoiceitem.created", "balance.available"]
    )
    async def test_of_no_concern(self, stripe: StripeStory, kind: str) -> None:
        before = len(stripe.fake.requests)
        assert await events(stripe).handle(event(kind, "x_1")) == IGNORED
        assert len(stripe.fake.requests) == before

    async def test_of_an_invoice_that_is_gone(self, stripe: StripeStory) -> None:
        with pytest.raises(Refused, match="No such invoice"):
            await events(stripe).handle(event("invoice.deleted", "in_gone"))


class TestInvoices:
    async def test_any_of_its_events_will_do(self, stripe: StripeStory) -> None:
        """Whatever the event says, it is Stripe's word now that counts."""
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


class TestMethods:
    async def test_of_an_account_that_is_sent_its_invoices(self, stripe: StripeStory) -> None:
        """It is kept, but nothing is charged to it by itself."""
        firm = await stripe.firm(SEND)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        await stripe.leaves_card(firm)
        intent = stripe.fake.objects("setup_intent")[-1]["id"]
        left = event("setup_intent.succeeded", intent)
        assert await events(stripe).handle(left) == "method kept"
        assert (stripe.theirs()["status"], stripe.charges()) == ("open", [])

    async def test_twice(self, stripe: StripeStory) -> None:
        firm = await stripe.firm(CHARGE)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        await stripe.leaves_card(firm)
        left = event("setup_intent.succeeded", stripe.fake.objects("setup_intent")[-1]["id"])
        for _ in range(2):
            outcome = await events(stripe).handle(left)
            assert outcome == "method kept, open invoices are charged"
        await stripe.works()
        pays = [action for action, _ in await stripe.outbox(firm) if action == "stripe_pay"]
        assert (len(pays), stripe.charges()) == (2, [3000])

    async def test_of_an_account_that_owes_nothing(self, stripe: StripeStory) -> None:
        firm = await stripe.firm(CHARGE)
        await stripe.leaves_card(firm)
        await stripe.works()
        assert await stripe.outbox(firm) == []

    async def test_that_was_not_left_after_all(self, stripe: StripeStory) -> None:
        firm = await stripe.firm(CHARGE)
        customer = await stripe.collector.customer(firm.account.id)
        await stripe.payments.setup_page("page", customer, "CNY", "https://a.b", "https://a.b")
        intent = stripe.fake.objects("setup_intent")[-1]["id"]
        assert await events(stripe).handle(event("setup_intent.succeeded", intent)) == IGNORED

    async def test_of_a_stranger(self, stripe: StripeStory) -> None:
        customer = await stripe.payments.make_customer("stranger", "0" * 32, "Other", "")
        await stripe.payments.setup_page("page", customer, "CNY", "https://a.b", "https://a.b")
        stripe.fake.complete_checkout(stripe.fake.objects("checkout.session")[-1]["id"])
        left = event("setup_intent.succeeded", stripe.fake.objects("setup_intent")[-1]["id"])
        assert await events(stripe).handle(left) == FOREIGN


async def test_each_occasion_brings_one_try(stripe: StripeStory) -> None:
    firm = await stripe.firm(CHARGE)
    invoice = await stripe.invoiced(firm, rows=30_000)
    async with stripe.story.database.transaction() as session:
        for occasion in ("dunning:1", "dunning:1", "dunning:2"):
            await charge_again(session, stripe.story.clock, invoice, occasion)
    assert [action for action, _ in await stripe.outbox(firm)][1:] == ["stripe_pay", "stripe_pay"]
