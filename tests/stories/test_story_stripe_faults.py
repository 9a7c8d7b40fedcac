"""Stripe faults: it is down, slow, limits our rate, or executes a request without a response.

After every fault there are one customer, one invoice and one charge of 30.00, and our own amounts
are unchanged.
"""

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.collection.stripe.client import StripeClient
from billing.collection.stripe.collector import StripeCollector
from tests.stories.collection import FINALISE, LINES, figures, is_collected_once
from tests.support.nightly import at_length, nightly
from tests.support.stories.story import Firm
from tests.support.stories.stripe_story import CHARGE, SEND, StripeStory

CUSTOMERS, INVOICES = "POST /v1/customers", "POST /v1/invoices"
SENDING, PAYING = "POST /v1/invoices/{id}/send", "POST /v1/invoices/{id}/pay"
CREDITS = "POST /v1/credit_notes"
# Within and after the day for which Stripe stores idempotency keys.
WITHIN, AFTER = timedelta(minutes=1), timedelta(hours=25)
ENDS, PAUSES = ("void", "uncollectible", "paid"), (WITHIN, AFTER, WITHIN)
EACH_END = tuple(itertools.product(ENDS, (WITHIN, AFTER)))


def each_pause(brief: timedelta) -> pytest.MarkDecorator:
    """Both pauses nightly, this one otherwise."""
    return pytest.mark.parametrize("pause", at_length((WITHIN, AFTER), (brief,)))


async def charged_firm(stripe: StripeStory) -> Firm:
    firm = await stripe.firm(CHARGE)
    await stripe.leaves_card(firm)
    await stripe.exchanges()
    return firm


async def test_collection_resumes_after_stripe_is_down_for_hours(stripe: StripeStory) -> None:
    """Stripe is down from before 1 November, 1:00, until after 4:00, while requests are retried."""
    firm = await charged_firm(stripe)
    stripe.fake.down()
    await stripe.invoiced(firm, rows=30_000)
    before = await figures(firm)
    await stripe.worker.sync_collector()
    for _ in range(3):
        stripe.story.clock.pass_(hours=1)
        await stripe.worker.sync_collector()
    assert await stripe.outbox(firm) == [("collect", "waits")]
    assert (stripe.fake.objects("invoice"), await figures(firm)) == ([], before)
    stripe.fake.up()
    await stripe.later(hours=1)
    await is_collected_once(stripe, firm)
    assert await figures(firm) == before


async def test_collection_is_given_up_after_three_days_and_retried_by_an_operator(
    stripe: StripeStory,
) -> None:
    """After three days of retries the collection is given up and the operator is notified; a week
    later the operator retries it. The invoice is overdue: reminders on day 1 and day 5."""
    firm = await charged_firm(stripe)
    stripe.fake.down()
    await stripe.invoiced(firm, rows=30_000)
    for _ in range(5):
        stripe.story.clock.pass_(hours=24)
        await stripe.worker.run_dunning()
        await stripe.worker.sync_collector()
    assert await stripe.outbox(firm) == [
        ("collect", "given up"),
        ("email", "waits"),
        ("email", "waits"),
    ]
    stripe.fake.up()
    await stripe.retries(firm, "collect")
    await stripe.later(days=2)
    await is_collected_once(stripe, firm)


def is_executing(stripe: StripeStory) -> bool:
    """Whether Stripe has a request that it has not answered."""
    return any(one.status is None for one in stripe.fake.requests)


async def test_collection_charges_once_when_stripe_exceeds_the_timeout(stripe: StripeStory) -> None:
    """Our timeout is 0.1 s, and Stripe takes 0.4 s per response; later Stripe is fast again."""
    firm = await charged_firm(stripe)
    hasty = StripeClient(stripe.fake.key, stripe.fake.url, timeout_s=0.1)
    stripe.worker, patient = replace(stripe.worker, collector=StripeCollector(hasty)), stripe.worker
    stripe.fake.slow(0.4)
    await stripe.invoiced(firm, rows=30_000)
    await stripe.worker.sync_collector()
    assert {state for _, state in await stripe.outbox(firm)} >= {"waits"}
    await hasty.close()
    # Stripe still executes requests after our timeout, and refuses the same request while it does.
    async with asyncio.timeout(20):
        while not stripe.fake.objects("invoice") or is_executing(stripe):  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.01)
    assert len(stripe.fake.objects("invoice")) == 1
    stripe.fake.slow(0)
    stripe.worker = patient
    await stripe.later(hours=1)
    await is_collected_once(stripe, firm)


async def test_collection_charges_once_after_rate_limits_and_server_errors(
    stripe: StripeStory,
) -> None:
    """Each of the first requests is rate limited, or fails before Stripe executes it."""
    firm = await charged_firm(stripe)
    await stripe.invoiced(firm, rows=30_000)
    for status in (429, 500, 503, 409, 429):
        if status == 429:
            stripe.fake.rate_limit(1)
        else:
            stripe.fake.fail_next(3, status)
        await stripe.worker.sync_collector()
        stripe.story.clock.pass_(minutes=30)
    await stripe.works()
    await is_collected_once(stripe, firm)


SENT = (CUSTOMERS, INVOICES, LINES, FINALISE, SENDING)
EACH = tuple((at, pause) for pause in (WITHIN, AFTER) for at in SENT)
# Every request with one of the two pauses, alternating.
EVEN = tuple(zip(SENT, itertools.cycle((WITHIN, AFTER)), strict=False))
ODD = tuple(zip(SENT, itertools.cycle((AFTER, WITHIN)), strict=False))


class TestInvoiceSendingFaults:
    """An invoice of 30.00 is sent; one request has no response, or an error after execution."""

    @pytest.mark.parametrize(("at", "pause"), at_length(EACH, EVEN))
    async def test_lost_response_sends_one_invoice(
        self, stripe: StripeStory, at: str, pause: timedelta
    ) -> None:
        stripe.fake.lose_answers(3, at)  # the library itself sends a request three times
        await self.tell(stripe, pause)

    @nightly
    @pytest.mark.parametrize(("at", "pause"), at_length(EACH, ODD))
    async def test_error_after_success_sends_one_invoice(
        self, stripe: StripeStory, at: str, pause: timedelta
    ) -> None:
        stripe.fake.fail_after(1, at)
        await self.tell(stripe, pause)

    async def tell(self, stripe: StripeStory, pause: timedelta) -> None:
        firm = await stripe.firm(SEND)
        await stripe.invoiced(firm, rows=30_000)
        before = await figures(firm)
        await stripe.worker.sync_collector()
        assert (await stripe.outbox(firm))[-1][1] == "waits"
        stripe.story.clock.pass_(seconds=pause.total_seconds())
        await stripe.exchanges()
        if (await stripe.outbox(firm))[-1][1] == "waits":
            # Stripe replays its response to this key until the key expires.
            stripe.story.clock.pass_(hours=25)
            await stripe.exchanges()
        stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
        await stripe.works()
        assert {state for _, state in await stripe.outbox(firm)} == {"done"}
        await is_collected_once(stripe, firm)
        assert await figures(firm) == before


class TestChargeFaults:
    """30.00 are charged without a successful response."""

    @each_pause(WITHIN)
    async def test_lost_response_charges_once(self, stripe: StripeStory, pause: timedelta) -> None:
        stripe.fake.lose_answers(3, PAYING)
        await self.tell(stripe, pause)

    @nightly
    @each_pause(AFTER)
    async def test_error_after_success_charges_once(
        self, stripe: StripeStory, pause: timedelta
    ) -> None:
        stripe.fake.fail_after(1, PAYING)
        await self.tell(stripe, pause)

    async def tell(self, stripe: StripeStory, pause: timedelta) -> None:
        firm = await charged_firm(stripe)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.worker.sync_collector()
        assert (await stripe.outbox(firm))[-1] == ("charge", "waits")
        await stripe.later(seconds=pause.total_seconds())
        assert (await stripe.outbox(firm))[-1] == ("charge", "done")
        await is_collected_once(stripe, firm)


class TestRefundFaults:
    """30.00 were charged; 10.00 are refunded, once, without a successful response."""

    @each_pause(AFTER)
    async def test_lost_response_refunds_once(self, stripe: StripeStory, pause: timedelta) -> None:
        stripe.fake.lose_answers(3, CREDITS)
        await self.tell(stripe, pause)

    @nightly
    @each_pause(WITHIN)
    async def test_error_after_success_refunds_once(
        self, stripe: StripeStory, pause: timedelta
    ) -> None:
        stripe.fake.fail_after(1, CREDITS)
        await self.tell(stripe, pause)

    async def tell(self, stripe: StripeStory, pause: timedelta) -> None:
        firm = await charged_firm(stripe)
        invoice = await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        await firm.is_credited(invoice, "10.00", refund=True)
        await stripe.worker.sync_collector()
        assert (await stripe.outbox(firm))[-1] == ("credit", "waits")
        await stripe.later(seconds=pause.total_seconds())
        assert (await stripe.outbox(firm))[-1] == ("credit", "done")
        assert [refund["amount"] for refund in stripe.fake.objects("refund")] == [1000]
        assert await stripe.differences() == ()


@each_pause(WITHIN)
async def test_partial_payment_is_reported_to_stripe_once_after_a_lost_response(
    stripe: StripeStory, pause: timedelta
) -> None:
    """12.00 of 30.00 are paid by bank. Stripe collects 18.00, also if its response is lost."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await firm.pays(invoice, "12.00")
    stripe.fake.lose_answers(3, CREDITS)
    await stripe.worker.sync_collector()
    await stripe.later(seconds=pause.total_seconds())
    assert stripe.theirs()["amount_remaining"] == 1800
    assert len(stripe.fake.objects("credit_note")) == 1


@nightly
@pytest.mark.parametrize(
    ("end", "pause"), at_length(EACH_END, tuple(zip(ENDS, PAUSES, strict=True)))
)
async def test_final_invoice_status_is_reported_to_stripe_once_after_a_lost_response(
    stripe: StripeStory, end: str, pause: timedelta
) -> None:
    """30.00 are voided, uncollectible or paid by bank; Stripe's response to the update is lost."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    match end:
        case "void":
            await stripe.story.voids(invoice)
            stripe.fake.lose_answers(3, "POST /v1/invoices/{id}/void")
        case "uncollectible":
            await stripe.story.gives_up(invoice)
            stripe.fake.lose_answers(3, "POST /v1/invoices/{id}/mark_uncollectible")
        case _:
            await firm.pays(invoice, "30.00")
            stripe.fake.lose_answers(3, PAYING)
    await stripe.worker.sync_collector()
    assert (await stripe.outbox(firm))[-1][1] == "waits"
    await stripe.later(seconds=pause.total_seconds())
    assert (await stripe.outbox(firm))[-1][1] == "done"
    assert ((await stripe.ours(firm)).status, stripe.theirs()["status"]) == (end, end)
    assert stripe.charges() == []
    assert await stripe.differences() == ()
