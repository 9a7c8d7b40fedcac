"""Outbox items for Stripe: retries after lost responses, part payments and ends of invoices.

Stripe forgets idempotency keys after a day, so earlier results are found by our ids.
"""

from datetime import timedelta

import pytest

from tests.support.stories.story import Firm
from tests.support.stories.stripe_story import CHARGE, SEND, StripeStory

CUSTOMERS, INVOICES = "POST /v1/customers", "POST /v1/invoices"
FINALISE, CREDITS = "POST /v1/invoices/{id}/finalize", "POST /v1/credit_notes"
# Longer than Stripe keeps idempotency keys.
FORGOTTEN = timedelta(hours=25)
ENDS = {
    "void": "POST /v1/invoices/{id}/void",
    "uncollectible": "POST /v1/invoices/{id}/mark_uncollectible",
    "paid": "POST /v1/invoices/{id}/pay",
}


async def states(stripe: StripeStory, firm: Firm) -> set[str]:
    return {state for _, state in await stripe.outbox(firm)}


@pytest.mark.parametrize("at", [CUSTOMERS, INVOICES, FINALISE])
async def test_objects_of_lost_responses_are_found_and_not_duplicated(
    stripe: StripeStory, at: str
) -> None:
    """Stripe has one customer and one invoice of 30.00, finalised once and sent once."""
    firm = await stripe.firm(SEND)
    await stripe.invoiced(firm, rows=30_000)
    stripe.fake.webhooks.drop(1000)  # otherwise an event would name the invoice before the retry
    stripe.fake.lose_answers(3, at)
    await stripe.worker.sync_collector()
    assert await stripe.outbox(firm) == [("collect", "waits")]
    stripe.story.clock.pass_(seconds=FORGOTTEN.total_seconds())
    await stripe.exchanges()
    assert await states(stripe, firm) == {"done"}
    assert len(stripe.fake.objects("customer")) == 1
    theirs = stripe.theirs()
    assert (theirs["status"], theirs["total"]) == ("open", 3000)
    assert theirs["metadata"]["maas_invoice"] == (await stripe.ours(firm)).id.hex
    assert stripe.fake.executed(FINALISE) == 1
    assert stripe.fake.executed("POST /v1/invoices/{id}/send") == 1
    assert (await stripe.ours(firm)).external_invoice == theirs["id"]
    assert await stripe.differences() == ()


async def test_declined_charge_completes_its_outbox_item(stripe: StripeStory) -> None:
    """30.00 stay owed at Stripe and here; dunning retries the charge."""
    firm = await stripe.firm(CHARGE)
    await stripe.leaves_card(firm, "pm_card_chargeCustomerFail")
    await stripe.exchanges()
    await stripe.invoiced(firm, rows=30_000)
    await stripe.exchanges()
    assert await stripe.outbox(firm) == [("collect", "done"), ("charge", "done")]
    assert (stripe.charges("failed"), stripe.charges()) == ([3000], [])
    assert ((await stripe.ours(firm)).status, stripe.theirs()["status"]) == ("open", "open")


class TestPartPayment:
    async def test_bank_payment_reduces_amount_at_stripe(self, stripe: StripeStory) -> None:
        """12.00 of 30.00 are paid by bank and Stripe's response is lost: 18.00 stay to collect."""
        firm = await stripe.firm(SEND)
        invoice = await stripe.invoiced(firm, rows=30_000)
        await stripe.exchanges()
        await firm.pays(invoice, "12.00")
        stripe.fake.lose_answers(3, CREDITS)
        await stripe.worker.sync_collector()
        assert (await stripe.outbox(firm))[-1] == ("mark_part_paid", "waits")
        stripe.story.clock.pass_(seconds=FORGOTTEN.total_seconds())
        await stripe.exchanges()
        assert (await stripe.outbox(firm))[-1] == ("mark_part_paid", "done")
        assert stripe.theirs()["amount_remaining"] == 1800
        (note,) = stripe.fake.objects("credit_note")
        assert note["amount"] == 1200
        assert await stripe.differences() == ()

    async def test_bank_payment_after_stripe_payment_goes_to_wallet(
        self, stripe: StripeStory
    ) -> None:
        """Stripe cannot reduce the amount of a paid invoice, so the 12.00 go to the wallet."""
        firm = await stripe.firm(SEND)
        invoice = await stripe.invoiced(firm, rows=30_000)
        await stripe.exchanges()
        stripe.fake.webhooks.hold()
        stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
        await firm.pays(invoice, "12.00")
        await stripe.worker.sync_collector()
        assert (await stripe.outbox(firm))[-1] == ("mark_part_paid", "done")
        assert stripe.fake.objects("credit_note") == []
        stripe.fake.webhooks.release()
        await stripe.exchanges()
        assert ((await stripe.ours(firm)).status, await firm.wallet()) == ("paid", "12.00")


@pytest.mark.parametrize("end", ENDS)
async def test_end_of_invoice_is_retried_until_response_and_applied_once(
    stripe: StripeStory, end: str
) -> None:
    """30.00 are voided, written off or paid by bank. Stripe applies it; its response is lost."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.exchanges()
    match end:
        case "void":
            await stripe.story.voids(invoice)
        case "uncollectible":
            await stripe.story.gives_up(invoice)
        case _:
            await firm.pays(invoice, "30.00")
    stripe.fake.lose_answers(3, ENDS[end])
    await stripe.worker.sync_collector()
    assert (await stripe.outbox(firm))[-1][1] == "waits"
    stripe.story.clock.pass_(seconds=FORGOTTEN.total_seconds())
    await stripe.exchanges()
    assert await states(stripe, firm) == {"done"}
    assert stripe.fake.executed(ENDS[end]) == 1
    assert ((await stripe.ours(firm)).status, stripe.theirs()["status"]) == (end, end)
    assert stripe.charges() == []
    assert await stripe.differences() == ()
