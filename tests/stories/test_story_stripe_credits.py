"""Stories of invoices at Stripe that become less, nothing, or a loss."""

from billing.ledger.ledger import Book
from tests.support.stories.stripe_story import SEND, StripeStory


async def test_a_credit_on_an_open_invoice(stripe: StripeStory) -> None:
    """30.00 are open; 10.00 are credited: Stripe is to collect 20.00, and does."""
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


async def test_all_of_an_open_invoice_is_credited(stripe: StripeStory) -> None:
    """30.00 are open and credited: it is paid, here and there, and nobody has paid anything."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await firm.is_credited(invoice, "30.00")
    await stripe.works()
    assert ((await stripe.ours(firm)).status, stripe.theirs()["status"]) == ("paid", "paid")
    assert stripe.charges() == []
    assert (await firm.wallet(), await firm.balance(Book.CASH)) == ("0.00", 0)
    assert await stripe.differences() == ()


async def test_a_credit_before_stripe_was_told(stripe: StripeStory) -> None:
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


async def test_a_refund_of_what_was_charged(stripe: StripeStory) -> None:
    """30.00 were charged; 10.00 are credited and go back to the card: 20.00 stay with us."""
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


async def test_a_credit_on_a_paid_invoice_goes_into_the_wallet(stripe: StripeStory) -> None:
    """30.00 were charged; 10.00 are credited into the wallet. Stripe knows that they are not due,
    and sends nothing back. November's 25.00 are paid with 10.00 of the wallet, 15.00 of the card.
    """
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


async def test_what_the_wallet_paid_goes_back_there(stripe: StripeStory) -> None:
    """Of 30.00 the wallet paid 12.00, the card 18.00. 25.00 are to be refunded: the card gets its
    18.00, the wallet 7.00. 5.00 more: nothing is left on the card, so the wallet gets them."""
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


async def test_a_refund_of_a_bank_transfer_is_not_stripes(stripe: StripeStory) -> None:
    """30.00 came by bank. 10.00 are to be refunded: the operator transfers them, no card does."""
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


async def test_an_invoice_is_void(stripe: StripeStory) -> None:
    """30.00 are open at Stripe and taken back: nothing is collected there, nothing owed here."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await stripe.story.voids(invoice)
    await stripe.works()
    assert ((await stripe.ours(firm)).status, stripe.theirs()["status"]) == ("void", "void")
    assert (await firm.owes(invoice), stripe.charges()) == ("0.00", [])
    assert await stripe.differences() == ()


async def test_it_is_paid_before_stripe_hears_that_it_is_void(stripe: StripeStory) -> None:
    """30.00 are taken back here, and paid on Stripe's page a moment before it is told: the money
    is in the wallet, and pays November's 30.00."""
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


async def test_it_is_void_before_stripe_was_given_it(stripe: StripeStory) -> None:
    """Stripe is down on 1 November; the 30.00 are taken back meanwhile. It never hears of them."""
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


async def test_an_invoice_is_given_up_and_paid_after_all(stripe: StripeStory) -> None:
    """30.00 are given up in December: a loss of 30.00, and Stripe knows. In January the firm pays
    on the page all the same: no loss."""
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
