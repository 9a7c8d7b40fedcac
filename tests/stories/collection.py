"""Checks for any Stripe fault: one customer, one invoice, one charge."""

from typing import Any

from tests.support.stories.story import Firm
from tests.support.stories.stripe_story import StripeStory

LINES, FINALISE = "POST /v1/invoices/{id}/add_lines", "POST /v1/invoices/{id}/finalize"


async def figures(firm: Firm) -> list[tuple[Any, ...]]:
    """All amounts and lines of our invoices, whatever their status."""
    return [
        (one.id, one.number, *firm.amounts(one), await firm.lines(one))
        for one in await firm.invoices()
    ]


async def is_collected_once(stripe: StripeStory, firm: Firm) -> None:
    theirs = stripe.theirs()
    assert (theirs["status"], theirs["total"]) == ("paid", 3000)
    assert stripe.charges() == [3000]
    assert len(stripe.fake.objects("customer")) == 1
    assert (await stripe.ours(firm)).status == "paid"
    assert await firm.wallet() == "0.00"
    assert await stripe.differences() == ()
