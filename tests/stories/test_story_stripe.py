"""Collection by Stripe: charging a card, or sending the invoice."""

from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.stripe_story import SEND, StripeStory


async def test_saved_card_is_charged_once_per_invoice(stripe: StripeStory) -> None:
    """The account saves a card in Checkout in October, and uses 30,000 rows x 0.001 = 30.00.

    On 1 November 30.00 are charged, once; Stripe's event marks our invoice paid. November's usage
    is 20,000 rows: 20.00 are charged on 1 December to the same Stripe customer.
    """
    firm = await stripe.firm()
    await stripe.leaves_card(firm)
    await stripe.exchanges()
    invoice = await stripe.invoiced(firm, rows=30_000)
    assert (invoice.status, firm.text(invoice.total)) == ("open", "30.00")
    await stripe.works()
    theirs = stripe.theirs()
    assert (theirs["status"], theirs["total"], theirs["currency"]) == ("paid", 3000, "cny")
    assert (theirs["number"], theirs["metadata"]["maas_invoice"]) == ("MAAS-000001", invoice.id.hex)
    assert stripe.charges() == [3000]
    paid = await stripe.ours(firm)
    assert (paid.status, await firm.owes(paid), paid.external_invoice) == (
        "paid",
        "0.00",
        theirs["id"],
    )
    assert await stripe.outbox(firm) == [("collect", "done"), ("charge", "done")]
    await stripe.invoiced(firm, rows=20_000)
    await stripe.works()
    assert stripe.charges() == [3000, 2000]
    assert len(stripe.fake.objects("customer")) == 1
    assert [one.status for one in await firm.invoices()] == ["paid", "paid"]
    assert await stripe.differences() == ()


async def test_sent_invoice_is_paid_on_the_hosted_page(stripe: StripeStory) -> None:
    """30.00, payable within 14 days of 1 November: Stripe sends it and waits; paid on the 10th.

    No charge and no reminder occurs before that.
    """
    firm = await stripe.firm(SEND, net_days=14)
    await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    theirs = stripe.theirs()
    due = stripe.story.clock.at(2026, 11, 15, 1)
    assert (theirs["status"], theirs["amount_remaining"], theirs["due_date"]) == (
        "open",
        3000,
        due.timestamp(),
    )
    assert len(stripe.fake.events("invoice.sent")) == 1
    await stripe.until(2026, 11, 10)
    assert (await stripe.ours(firm)).status == "open"
    stripe.fake.pay_hosted_invoice(theirs["id"])
    await stripe.works()
    assert (await stripe.ours(firm)).status == "paid"
    assert (stripe.theirs()["status"], stripe.charges()) == ("paid", [3000])
    assert stripe.told() == []
    assert await stripe.differences() == ()


async def test_stripe_invoice_contains_our_lines_and_tax(stripe: StripeStory) -> None:
    """6 % of tax, on the growth plan from 1 October, with 30,000 rows and 400,000 tokens used.

    October's fee                                       310.00 + 18.60 tax = 328.60
    30,000 rows x 0.001                                  30.00
    400,000 - 310,000 included = 90,000 tokens x 2/M      0.18
    November's fee                                      310.00
                                                        340.18 + 20.41 tax = 360.59
    """
    firm = await stripe.firm(locale="zh", tax_ppm=60_000)
    await stripe.leaves_card(firm)
    await stripe.exchanges()
    await firm.subscribe(await stripe.story.plan(GROWTH))
    await firm.use("llm", output_tokens=400_000)
    await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    fee, cycle = sorted(stripe.fake.objects("invoice"), key=lambda one: str(one["number"]))
    assert [(line["description"], line["amount"]) for line in fee["lines"]["data"]] == [
        ("成长版：固定费用, 2026-10-01 – 2026-10-31", 31000),
        ("税额", 1860),
    ]
    assert [(line["description"], line["amount"]) for line in cycle["lines"]["data"]] == [
        ("llm：输出 token: 400,000", 18),
        ("vib：推理行数（行）: 30,000", 3000),
        ("成长版：固定费用, 2026-11-01 – 2026-11-30", 31000),
        ("税额", 2041),
    ]
    assert sorted(stripe.charges()) == [32860, 36059]
    assert [firm.text(one.total) for one in await firm.invoices()] == ["328.60", "360.59"]
    assert [one.status for one in await firm.invoices()] == ["paid", "paid"]
    assert await stripe.differences() == ()


async def test_wallet_pays_part_of_an_invoice_and_stripe_charges_the_rest(
    stripe: StripeStory,
) -> None:
    """The wallet has 10.00, usage is 30.00: the wallet pays 10.00, the card 20.00."""
    firm = await stripe.firm()
    await stripe.leaves_card(firm)
    await firm.tops_up("10.00", "top-up-1")
    await stripe.exchanges()
    invoice = await stripe.invoiced(firm, rows=30_000)
    assert await firm.owes(invoice) == "20.00"
    await stripe.works()
    theirs = stripe.theirs()
    assert (theirs["total"], theirs["status"]) == (2000, "paid")
    assert [line["amount"] for line in theirs["lines"]["data"]] == [3000, -1000]
    assert stripe.charges() == [2000]
    assert ((await stripe.ours(firm)).status, await firm.wallet()) == ("paid", "0.00")
    assert await stripe.differences() == ()


async def test_invoice_paid_fully_by_the_wallet_is_not_sent_to_stripe(stripe: StripeStory) -> None:
    """The wallet has 50.00, usage is 30.00: 20.00 are left."""
    firm = await stripe.firm()
    await firm.tops_up("50.00", "top-up-1")
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    assert (invoice.status, await firm.wallet()) == ("paid", "20.00")
    assert stripe.fake.objects("invoice") == []
    assert await stripe.outbox(firm) == []
    assert await stripe.differences() == ()


async def test_bank_transfer_marks_the_stripe_invoice_paid_out_of_band(stripe: StripeStory) -> None:
    """30.00 are open at Stripe; the account transfers 30.00. Stripe marks the invoice paid out of
    band: no card is charged, and the hosted page accepts no payment."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    assert stripe.theirs()["status"] == "open"
    assert (await firm.pays(invoice, "30.00")).status == "paid"
    await stripe.works()
    assert stripe.theirs()["status"] == "paid"
    assert (stripe.charges(), stripe.fake.objects("invoice_payment", status="paid")) == ([], [])
    assert (await stripe.outbox(firm))[-1] == ("mark_paid", "done")
    assert await firm.wallet() == "0.00"
    assert await stripe.differences() == ()


async def test_partial_bank_transfer_reduces_the_amount_stripe_collects(
    stripe: StripeStory,
) -> None:
    """Of 30.00 the account transfers 12.00: Stripe collects 18.00 on its hosted page.

    Of 20.00 in the next month the account transfers 5.00 and 15.00: Stripe collects 0.00.
    """
    firm = await stripe.firm(SEND)
    october = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    assert (await firm.pays(october, "12.00")).status == "open"
    await stripe.works()
    theirs = stripe.theirs()
    assert (theirs["total"], theirs["amount_remaining"]) == (3000, 1800)
    stripe.fake.pay_hosted_invoice(theirs["id"])
    await stripe.works()
    assert ((await stripe.ours(firm)).status, stripe.charges()) == ("paid", [1800])
    november = await stripe.invoiced(firm, rows=20_000)
    await stripe.works()
    assert (await firm.pays(november, "5.00", "bank-2")).status == "open"
    assert (await firm.pays(november, "15.00", "bank-3")).status == "paid"
    await stripe.works()
    assert [one["status"] for one in stripe.fake.objects("invoice")] == ["paid", "paid"]
    assert stripe.charges() == [1800]
    assert await firm.wallet() == "0.00"
    assert await stripe.differences() == ()


async def test_simultaneous_bank_and_stripe_payments_credit_the_excess_to_the_wallet(
    stripe: StripeStory,
) -> None:
    """The account transfers 30.00, and pays 30.00 on the page before Stripe is updated: the second
    30.00 go into the wallet and pay part of November's 40.00: 10.00 stay due."""
    firm = await stripe.firm(SEND)
    october = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await firm.pays(october, "30.00")
    stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
    await stripe.works()
    assert ((await stripe.ours(firm)).status, await firm.wallet()) == ("paid", "30.00")
    november = await stripe.invoiced(firm, rows=40_000)
    assert await firm.owes(november) == "10.00"
    await stripe.works()
    theirs = stripe.fake.objects("invoice")[-1]
    assert theirs["amount_due"] == 1000
    stripe.fake.pay_hosted_invoice(theirs["id"])
    await stripe.works()
    assert ((await stripe.ours(firm)).status, stripe.charges()) == ("paid", [3000, 1000])
    assert await stripe.differences() == ()
