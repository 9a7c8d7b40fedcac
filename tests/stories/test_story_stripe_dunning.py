"""Dunning with Stripe: reminders, retries, suspension and restoration."""

import asyncio

import httpx

from tests.support.stories.stripe_story import SEND, StripeStory, chat

DECLINES = "pm_card_chargeCustomerFail"
ASKS = "pm_card_authenticationRequired"


async def until_calls_end(http: httpx.AsyncClient, status: int) -> httpx.Response:
    """Wait until calls return the status: normally 1 s, on a loaded machine up to 20 s."""
    async with asyncio.timeout(20):
        while (answer := await chat(http)).status_code != status:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.05)
    return answer


async def test_declined_card_is_retried_then_account_suspended_and_restored_after_payment(
    stripe: StripeStory,
) -> None:
    """30.00 are due on 1 November, and the card declines.

        1 November     the first attempt
        2, 6, 11       days 1, 5 and 10: a reminder and another attempt each
        16             day 15: the account is suspended, and a last attempt: five in all
        17             another card: 30.00 are charged, and calls are accepted again

    Usage can be read all the time. A call costs less than half a fen: November's total is 0.00.
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


async def test_dunning_without_a_card_only_sends_reminders_until_a_card_is_added(
    stripe: StripeStory,
) -> None:
    """No card is saved: 30.00 are due on 1 November; a card added after two reminders pays them."""
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


async def test_card_that_needs_authentication_leaves_the_invoice_open(stripe: StripeStory) -> None:
    """The bank requires authentication of each charge: 30.00 stay open, the reminder of day 1 is
    sent, and the card owner authenticates on Stripe's page."""
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


async def test_dunning_after_weeks_of_downtime_sends_only_the_last_step(
    stripe: StripeStory,
) -> None:
    """30.00 fell due on 15 November; the worker was down from then until 8 December, day 23.

    The account is suspended with one message; the three missed reminders are not sent.
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


async def test_account_stays_suspended_until_all_overdue_invoices_are_paid(
    stripe: StripeStory,
) -> None:
    """October's 30.00 and November's 20.00 are overdue; the account is suspended on 16 November for
    October's. Calls are accepted again when both invoices are paid."""
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


async def test_invoice_below_the_stripe_minimum_stays_open_without_dunning(
    stripe: StripeStory,
) -> None:
    """3.00 are below Stripe's minimum charge. They stay due, without reminders.

    November's 30.00 are paid by card as usual; then the account transfers the 3.00.
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


async def test_account_is_restored_while_only_a_below_minimum_invoice_is_open(
    stripe: StripeStory,
) -> None:
    """October's 3.00 are below Stripe's minimum charge; November's 30.00 are unpaid on 16 December,
    so the account is suspended. It is restored when the 30.00 are paid, while 3.00 stay due."""
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
