"""Stories of cards that do not pay: reminders, suspension, and back again."""

import asyncio

import httpx

from tests.support.stories.stripe_story import SEND, StripeStory, chat

DECLINES = "pm_card_chargeCustomerFail"
ASKS = "pm_card_authenticationRequired"


async def until_calls_end(http: httpx.AsyncClient, status: int) -> httpx.Response:
    """Within a second calls are answered so; a loaded machine has twenty."""
    async with asyncio.timeout(20):
        while (answer := await chat(http)).status_code != status:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.05)
    return answer


async def test_declined_reminded_suspended_and_restored(stripe: StripeStory) -> None:
    """30.00 are due on 1 November, and the card declines.

        1 November     the first try
        2, 6, 11       days 1, 5 and 10: a reminder, and another try each
        16             day 15: calls are stopped, and a last try: five in all
        17             another card: 30.00 are charged, and calls go on

    Other records can be read all the time. A call costs less than half a fen: November's 0.00.
    """
    firm = await stripe.firm()
    await stripe.leaves_card(firm, DECLINES)
    await stripe.exchanges()
    await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    assert stripe.charges("failed") == [3000]
    async with stripe.calling(firm) as http:
        for day, tries in ((2, 2), (6, 3), (11, 4)):
            await stripe.until(2026, 11, day, 1)
            assert stripe.charges("failed") == [3000] * tries
            await stripe.later(hours=3)
            assert stripe.charges("failed") == [3000] * tries
            assert (await until_calls_end(http, 200)).json()["choices"]
        await stripe.until(2026, 11, 16, 1)
        assert stripe.charges("failed") == [3000] * 5
        refused = await until_calls_end(http, 429)
        assert refused.json()["error"]["code"] == "account_suspended"
        assert refused.headers["x-should-retry"] == "false"
        rows = (await http.get("/v1/usage")).json()["data"]
        assert [row["status"] for row in rows].count(200) >= 4
        reminder = "Payment reminder: invoice MAAS-000001 is overdue"
        stopped = "Service suspended: invoice MAAS-000001 is overdue"
        assert stripe.told() == [reminder, reminder, reminder, stopped]
        await stripe.until(2026, 11, 17)
        await stripe.leaves_card(firm)
        await stripe.works()
        assert (await until_calls_end(http, 200)).json()["choices"]
    assert (stripe.charges(), stripe.theirs()["status"]) == ([3000], "paid")
    assert (await stripe.ours(firm)).status == "paid"
    assert await stripe.differences() == ()


async def test_without_a_card_nothing_is_tried_and_a_card_ends_it(stripe: StripeStory) -> None:
    """No card was left: 30.00 are due on 1 November, and two reminders later a card pays them."""
    firm = await stripe.firm()
    await stripe.invoiced(firm, rows=30_000)
    for day in (1, 2, 6):
        await stripe.until(2026, 11, day, 1)
    assert stripe.fake.objects("charge") == []
    assert len(stripe.told()) == 2
    await stripe.leaves_card(firm)
    await stripe.works()
    assert (stripe.charges(), stripe.theirs()["status"]) == ([3000], "paid")
    await stripe.until(2026, 11, 30)
    assert len(stripe.told()) == 2
    assert await stripe.differences() == ()


async def test_a_card_that_asks_for_its_owner_is_declined(stripe: StripeStory) -> None:
    """The bank wants the owner to confirm each charge, who is not there: 30.00 stay open, the
    reminder of day 1 tells of it, and the owner confirms on Stripe's page."""
    firm = await stripe.firm()
    await stripe.leaves_card(firm, ASKS)
    await stripe.exchanges()
    await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    assert (stripe.theirs()["status"], stripe.charges()) == ("open", [])
    assert await stripe.outbox(firm) == [("collect", "done"), ("charge", "done")]
    await stripe.until(2026, 11, 2, 1)
    assert stripe.told() == ["Payment reminder: invoice MAAS-000001 is overdue"]
    (intent,) = stripe.fake.objects("payment_intent")
    stripe.fake.authenticate(intent["id"])
    await stripe.works()
    assert ((await stripe.ours(firm)).status, stripe.charges()) == ("paid", [3000])
    assert await stripe.differences() == ()


async def test_after_weeks_of_downtime_only_the_last_step_is_taken(stripe: StripeStory) -> None:
    """30.00 fell due on 15 November; the worker was down from then until 8 December, day 23.

    Calls are stopped, which is said once; none of the three reminders is sent any more.
    """
    firm = await stripe.firm(SEND, net_days=14)
    await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await stripe.until(2026, 12, 8)
    assert stripe.told() == ["Service suspended: invoice MAAS-000001 is overdue"]
    assert (await stripe.ours(firm)).reminders == 4
    stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
    await stripe.works()
    async with stripe.calling(firm) as http:
        assert (await chat(http)).status_code == 200
    assert stripe.charges() == [3000]
    assert await stripe.differences() == ()


async def test_one_of_two_overdue_invoices_is_paid(stripe: StripeStory) -> None:
    """October's 30.00 and November's 20.00 are overdue; calls are stopped on 16 November for
    October's. They go on when the second of them is paid, not the first."""
    firm = await stripe.firm()
    await stripe.leaves_card(firm, DECLINES)
    await stripe.exchanges()
    october = await stripe.invoiced(firm, rows=30_000)
    await stripe.until(2026, 11, 16, 1)
    november = await stripe.invoiced(firm, rows=20_000)
    await stripe.until(2026, 12, 1, 2)
    async with stripe.calling(firm) as http:
        await firm.pays(october, "30.00", "bank-1")
        assert (await chat(http)).status_code == 429
        await firm.pays(november, "20.00", "bank-2")
        assert (await until_calls_end(http, 200)).json()["choices"]
    await stripe.works()
    assert {one["status"] for one in stripe.fake.objects("invoice")} == {"paid"}
    assert stripe.charges() == []
    assert await stripe.differences() == ()


async def test_too_little_for_stripe_waits(stripe: StripeStory) -> None:
    """3.00 are less than Stripe charges. They stay owed; nobody is pressed for them.

    November's 30.00 are paid by card, as if nothing was; then the firm transfers the 3.00.
    """
    firm = await stripe.firm()
    await stripe.leaves_card(firm)
    await stripe.exchanges()
    little = await stripe.invoiced(firm, rows=3_000)
    await stripe.until(2026, 11, 20)
    assert stripe.fake.objects("invoice") == []
    assert await stripe.outbox(firm) == [("collect", "given up")]
    assert stripe.told() == []
    await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    assert (stripe.charges(), (await stripe.ours(firm)).status) == ([3000], "paid")
    assert await firm.owes(little) == "3.00"
    assert (await firm.pays(little, "3.00")).status == "paid"
    await stripe.works()
    assert len(stripe.fake.objects("invoice")) == 1
    assert await stripe.differences() == ()


async def test_whoever_owes_a_little_is_restored(stripe: StripeStory) -> None:
    """October's 3.00 are less than Stripe charges; November's 30.00 were not paid by 16 December,
    so calls were stopped. They go on when the 30.00 are paid, though 3.00 are owed."""
    firm = await stripe.firm()
    little = await stripe.invoiced(firm, rows=3_000)
    await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await stripe.until(2026, 12, 16, 1)
    async with stripe.calling(firm) as http:
        assert (await chat(http)).json()["error"]["code"] == "account_suspended"
        await stripe.leaves_card(firm)
        await stripe.works()
        assert (await until_calls_end(http, 200)).json()["choices"]
    assert stripe.charges() == [3000]
    await firm.pays(little, "3.00")
    assert await stripe.differences() == ()
