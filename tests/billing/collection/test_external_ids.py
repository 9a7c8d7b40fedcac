"""External ids are valid only at the collector that issued them."""

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


def test_external_invoice_id_is_valid_only_at_its_collector() -> None:
    invoice = Invoice(collector="stripe", external_invoice="in_1")
    assert external_invoice_id(invoice, STRIPE) == "in_1"
    with pytest.raises(PermanentFailure, match="through stripe, which is not configured"):
        external_invoice_id(invoice, OTHER)


def test_invoice_without_collector_has_no_external_id() -> None:
    assert external_invoice_id(Invoice(), STRIPE) is None


def test_external_customer_id_is_valid_only_at_its_collector() -> None:
    profile = BillingProfile(collector="stripe", external_customer="cus_1")
    assert external_customer_id(profile, STRIPE) == "cus_1"
    assert external_customer_id(profile, OTHER) is None


async def test_account_of_another_collector_is_registered_again(stripe: StripeStory) -> None:
    firm = await stripe.firm()
    await sql(
        stripe.story.database,
        "update billing_profile set collector = 'other', external_customer = 'o_1'",
    )
    customer = await stripe.customer_of(firm)
    assert customer == stripe.fake.objects("customer")[0]["id"]
    assert await stripe.customer_of(firm) == customer


async def test_event_of_another_collector_raises_permanent_failure(stripe: StripeStory) -> None:
    events = CollectorEventHandler(stripe.story.database, stripe.story.clock, stripe.collector)
    event = CollectorEvent("other", "evt_1", "invoice.paid", {"data": {"object": {"id": "in_1"}}})
    with pytest.raises(PermanentFailure, match="of other, which is not configured"):
        await events.handle(event)
