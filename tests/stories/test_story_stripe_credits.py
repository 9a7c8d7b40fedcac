"""Invoices at Stripe that are credited, voided or marked uncollectible."""

from billing.ledger.ledger import Book
from tests.support.stories.stripe_story import SEND, StripeStory


async def test_credit_note_on_an_open_invoice_reduces_the_amount_stripe_collects(
    stripe: StripeStory,
) -> None:
    """30.00 are open; 10.00 are credited: Stripe collects 20.00."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await firm.is_credited(invoice, "10.00")
    await stripe.works()
    theirs = stripe.theirs()
    assert (theirs["total"], theirs["amount_remaining"]) == (3000, 2000)
    stripe.fake.pay_hosted_invoice(theirs["id"])
    await stripe.works()
    assert ((await stripe.ours(firm)).status, stripe.charges()) == ("paid", [2000])
    assert len(stripe.fake.objects("credit_note")) == 1
    assert await stripe.differences() == ()


async def test_full_credit_note_marks_the_open_invoice_paid_without_a_charge(
    stripe: StripeStory,
) -> None:
    """30.00 are open and credited in full: both invoices become paid without a payment."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await firm.is_credited(invoice, "30.00")
    await stripe.works()
    assert ((await stripe.ours(firm)).status, stripe.theirs()["status"]) == ("paid", "paid")
    assert stripe.charges() == []
    assert (await firm.wallet(), await firm.balance(Book.CASH)) == ("0.00", 0)
    assert await stripe.differences() == ()


async def test_credit_note_during_a_stripe_outage_reduces_the_later_charge(
    stripe: StripeStory,
) -> None:
    """Stripe is down while 30.00 become due and 10.00 of it are credited: once it is up, the card
    is charged 20.00, not 30.00."""
    firm = await stripe.firm()
    await stripe.leaves_card(firm)
    await stripe.exchanges()
    stripe.fake.down()
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.worker.sync_collector()
    await firm.is_credited(invoice, "10.00")
    stripe.fake.up()
    await stripe.later(hours=1)
    assert (stripe.theirs()["total"], stripe.charges()) == (3000, [2000])
    assert (await stripe.ours(firm)).status == "paid"
    assert await stripe.differences() == ()


async def test_refund_of_a_charged_invoice_is_paid_to_the_card(stripe: StripeStory) -> None:
    """30.00 were charged; 10.00 are credited and refunded to the card: 20.00 stay in cash."""
    firm = await stripe.firm()
    await stripe.leaves_card(firm)
    await stripe.exchanges()
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await firm.is_credited(invoice, "10.00", refund=True)
    await stripe.works()
    assert [refund["amount"] for refund in stripe.fake.objects("refund")] == [1000]
    assert (await firm.balance(Book.CASH), await firm.wallet()) == (2000, "0.00")
    assert (stripe.charges(), (await stripe.ours(firm)).status) == ([3000], "paid")
    assert await stripe.differences() == ()


async def test_credit_note_on_a_paid_invoice_is_added_to_the_wallet(stripe: StripeStory) -> None:
    """30.00 were charged; 10.00 are credited to the wallet. Stripe has a credit note and makes no
    refund. November's 25.00 are paid with 10.00 of the wallet and 15.00 of the card."""
    firm = await stripe.firm()
    await stripe.leaves_card(firm)
    await stripe.exchanges()
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await firm.is_credited(invoice, "10.00")
    await stripe.works()
    (note,) = stripe.fake.objects("credit_note")
    assert (note["amount"], note["out_of_band_amount"]) == (1000, 1000)
    assert stripe.fake.objects("refund") == []
    assert await firm.wallet() == "10.00"
    await stripe.invoiced(firm, rows=25_000)
    await stripe.works()
    assert (stripe.charges(), await firm.wallet()) == ([3000, 1500], "0.00")
    assert [one.status for one in await firm.invoices()] == ["paid", "paid"]
    assert await stripe.differences() == ()


async def test_refund_above_the_card_charge_is_added_to_the_wallet(stripe: StripeStory) -> None:
    """Of 30.00 the wallet paid 12.00, the card 18.00. A refund of 25.00 returns 18.00 to the card
    and 7.00 to the wallet. A refund of 5.00 more goes to the wallet: the card charge is used up."""
    firm = await stripe.firm()
    await stripe.leaves_card(firm)
    await firm.tops_up("12.00", "top-up-1")
    await stripe.exchanges()
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await firm.is_credited(invoice, "25.00", "dispute-1", refund=True)
    await firm.is_credited(invoice, "5.00", "dispute-2", refund=True)
    await stripe.works()
    assert stripe.charges() == [1800]
    assert [refund["amount"] for refund in stripe.fake.objects("refund")] == [1800]
    assert (await firm.wallet(), await firm.balance(Book.CASH)) == ("12.00", 1200)
    assert {state for _, state in await stripe.outbox(firm)} == {"done"}
    assert await stripe.differences() == ()


async def test_refund_of_a_bank_transfer_creates_no_stripe_refund(stripe: StripeStory) -> None:
    """30.00 were paid by bank. The operator transfers the refund of 10.00; Stripe makes none."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await firm.pays(invoice, "30.00")
    await stripe.works()
    await firm.is_credited(invoice, "10.00", refund=True)
    await stripe.works()
    (note,) = stripe.fake.objects("credit_note")
    assert (note["amount"], note["out_of_band_amount"]) == (1000, 1000)
    assert stripe.fake.objects("refund") == []
    assert await firm.balance(Book.CASH) == 2000
    assert await stripe.differences() == ()


async def test_voided_invoice_is_voided_at_stripe_and_not_collected(stripe: StripeStory) -> None:
    """30.00 are open at Stripe, and the invoice is voided: no collection there, 0.00 due here."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await stripe.story.voids(invoice)
    await stripe.works()
    assert ((await stripe.ours(firm)).status, stripe.theirs()["status"]) == ("void", "void")
    assert (await firm.owes(invoice), stripe.charges()) == ("0.00", [])
    assert await stripe.differences() == ()


async def test_payment_of_a_voided_invoice_is_added_to_the_wallet(stripe: StripeStory) -> None:
    """The invoice of 30.00 is voided here, and paid on Stripe's page just before Stripe is updated:
    the payment goes into the wallet and pays November's 30.00."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await stripe.story.voids(invoice)
    stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
    await stripe.works()
    assert ((await stripe.ours(firm)).status, await firm.wallet()) == ("void", "30.00")
    assert (await stripe.outbox(firm))[-1] == ("void", "given up")
    assert (await stripe.invoiced(firm, rows=30_000)).status == "paid"
    await stripe.works()
    assert (len(stripe.fake.objects("invoice")), stripe.charges()) == (1, [3000])
    assert await stripe.differences() == ()


async def test_invoice_voided_before_sending_is_never_created_at_stripe(
    stripe: StripeStory,
) -> None:
    """Stripe is down on 1 November; the invoice of 30.00 is voided before it is created there."""
    firm = await stripe.firm()
    await stripe.leaves_card(firm)
    await stripe.exchanges()
    stripe.fake.down()
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.worker.sync_collector()
    await stripe.story.voids(invoice)
    stripe.fake.up()
    await stripe.later(hours=1)
    assert (stripe.fake.objects("invoice"), stripe.charges()) == ([], [])
    states = [("collect", "done"), ("void", "done")]
    assert await stripe.outbox(firm) == states
    assert await stripe.differences() == ()


async def test_payment_of_an_uncollectible_invoice_at_stripe_reverses_the_bad_debt(
    stripe: StripeStory,
) -> None:
    """30.00 are marked uncollectible in December, here and at Stripe: a loss of 30.00. In January
    the account pays on the hosted page: the loss is reversed."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    stripe.story.clock.set(2026, 12, 20)
    await stripe.story.gives_up(invoice)
    await stripe.works()
    assert stripe.theirs()["status"] == "uncollectible"
    assert await firm.balance(Book.BAD_DEBT) == 3000
    await stripe.until(2027, 1, 5)
    stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
    await stripe.works()
    assert (await firm.balance(Book.BAD_DEBT), await firm.balance(Book.CASH)) == (0, 3000)
    assert (stripe.theirs()["status"], stripe.charges()) == ("paid", [3000])
    assert await stripe.differences() == ()
