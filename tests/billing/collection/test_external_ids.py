"""Ids count only at the collector that gave them."""

from dataclasses import replace

import pytest

from billing.collection.collector import CollectorEvent
from billing.collection.events import CollectorEventHandler
from billing.collection.external_ids import external_customer_id, external_invoice_id
from billing.collection.stripe.info import STRIPE
from billing.outbox import PermanentFailure
from billing.tables import BillingProfile, Invoice
from tests.support.billing.making import sql
from tests.support.stories.stripe_story import StripeStory

OTHER = replace(STRIPE, name="other")


def test_an_invoice_has_its_id_at_its_collector() -> None:
    invoice = Invoice(collector="stripe", external_invoice="in_1")
    assert external_invoice_id(invoice, STRIPE) == "in_1"
    with pytest.raises(PermanentFailure, match="through stripe, which is not configured"):
        external_invoice_id(invoice, OTHER)


def test_an_invoice_without_a_collector_has_none() -> None:
    assert external_invoice_id(Invoice(), STRIPE) is None


def test_an_account_is_registered_at_one_collector() -> None:
    profile = BillingProfile(collector="stripe", external_customer="cus_1")
    assert external_customer_id(profile, STRIPE) == "cus_1"
    assert external_customer_id(profile, OTHER) is None


async def test_an_account_of_another_collector_is_registered_anew(stripe: StripeStory) -> None:
    firm = await stripe.firm()
    await sql(
        stripe.story.database,
        "update billing_profile set collector = 'other', external_customer = 'o_1'",
    )
    customer = await stripe.customer_of(firm)
    assert customer == stripe.fake.objects("customer")[0]["id"]
    assert await stripe.customer_of(firm) == customer


async def test_an_event_of_another_collector_is_refused(stripe: StripeStory) -> None:
    events = CollectorEventHandler(stripe.story.database, stripe.story.clock, stripe.collector)
    event = CollectorEvent("other", "evt_1", "invoice.paid", {"data": {"object": {"id": "in_1"}}})
    with pytest.raises(PermanentFailure, match="of other, which is not configured"):
        await events.handle(event)
