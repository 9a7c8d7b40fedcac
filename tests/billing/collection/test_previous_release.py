"""Rows written by the previous release, whose gateways run beside workers of this release."""

import pytest

from billing.collection.outbox_handlers import CollectionHandlers
from billing.collection.stripe.info import STRIPE
from billing.invoices.collection_items import CollectionAction
from tests.support.billing.making import sql
from tests.support.stories.stripe_story import SEND, StripeStory


def test_each_action_has_handler_under_both_names(stripe: StripeStory) -> None:
    handlers = CollectionHandlers(
        stripe.story.database, stripe.story.clock, stripe.collector
    ).handlers
    assert set(handlers) == {*CollectionAction, *STRIPE.previous_actions}
    assert set(STRIPE.previous_actions.values()) == set(CollectionAction)
    for previous, action in STRIPE.previous_actions.items():
        assert handlers[previous] == handlers[action]


async def test_items_with_previous_action_names_are_handled_in_order(stripe: StripeStory) -> None:
    """The previous release invoices 30.00, credits 10.00 and voids the rest."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await firm.is_credited(invoice, "10.00")
    await stripe.story.voids(invoice)
    for previous, action in STRIPE.previous_actions.items():
        statement = "update outbox set action = :previous where action = :action"
        await sql(stripe.story.database, statement, previous=previous, action=action)
    await sql(stripe.story.database, "update invoice set collector = null")
    await stripe.works()
    assert await stripe.outbox(firm) == [
        ("stripe_invoice", "done"),
        ("stripe_credit", "done"),
        ("stripe_void", "done"),
    ]
    assert stripe.fake.objects("invoice") == []  # it was void before the first item ran


@pytest.mark.parametrize("settled", ["mark_paid", "void"])
async def test_invoice_finalised_by_previous_release_is_collected(
    stripe: StripeStory, settled: str
) -> None:
    """The invoice row names no collector yet; later changes still reach Stripe."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await sql(stripe.story.database, "update outbox set action = 'stripe_invoice'")
    await sql(stripe.story.database, "update invoice set collector = null")
    await stripe.works()
    found = await stripe.ours(firm)
    assert (found.collector, found.external_invoice) == ("stripe", stripe.theirs()["id"])
    await sql(stripe.story.database, "update invoice set collector = null")
    if settled == "void":
        await stripe.story.voids(invoice)
    else:
        await firm.pays(invoice, "30.00")
    await stripe.works()
    assert await stripe.outbox(firm) == [
        ("stripe_invoice", "done"),
        ("send", "done"),
        (settled, "done"),
    ]
    assert stripe.theirs()["status"] == ("void" if settled == "void" else "paid")
