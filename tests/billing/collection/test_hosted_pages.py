"""Hosted pages on which a customer pays invoices that Stripe collects."""

import pytest

from billing.collection.hosted_pages import get_payment_page_url
from billing.invoices.lifecycle import InvoiceNotFound
from infra import ids
from tests.support.stories.story import Firm
from tests.support.stories.stripe_story import SEND, StripeStory

BACK = "https://maas.example/dashboard/invoices/x"


async def page(stripe: StripeStory, firm: Firm) -> str:
    story = stripe.story
    place = story.database, stripe.collector, firm.account.id
    return await get_payment_page_url(*place, (await firm.invoices())[-1].id, BACK)


async def test_payment_page_is_hosted_invoice_once_stripe_has_it(stripe: StripeStory) -> None:
    firm = await stripe.firm(SEND, net_days=14)
    await stripe.invoiced(firm, rows=30_000)
    before = await page(stripe, firm)
    await stripe.works()
    after = await page(stripe, firm)
    assert after == stripe.theirs()["hosted_invoice_url"]
    assert before != after
    assert before.startswith("https://billing.stripe.com/")


async def test_payment_page_of_unknown_invoice_raises_not_found(stripe: StripeStory) -> None:
    firm = await stripe.firm(SEND)
    story = stripe.story
    place = story.database, stripe.collector, firm.account.id
    with pytest.raises(InvoiceNotFound):
        await get_payment_page_url(*place, ids.new_id(), BACK)
