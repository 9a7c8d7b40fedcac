"""Corrections of final invoices: credit notes, voiding, and payments of uncollectible invoices."""

import pytest

from billing.invoices.lifecycle import InvalidInvoiceState
from billing.ledger.ledger import Book
from tests.support.stories.story import Firm, Story


async def october_of(story: Story, rows: int = 100_000, **profile: int) -> Firm:
    """An account with a limit of 200.00 and October's invoice: 100.00 of usage, 6 % tax."""
    firm = await story.firm(credit="200", **{"tax_ppm": 60_000, **profile})
    await firm.use("vib", rows=rows)
    await story.until(2026, 11, 1, 1)
    return firm


async def test_credit_note_on_an_unpaid_invoice_reduces_the_amount_due(story: Story) -> None:
    """Of 106.00 due, 53.00 are credited: 50.00 net, 3.00 tax. 53.00 stay due.

    Revenue was 100.00 and is 50.00, tax was 6.00 and is 3.00.
    Credit: 200 - 100 = 100.00, and 200 - 50 = 150.00 after it.
    """
    firm = await october_of(story)
    (invoice,) = await firm.invoices()
    assert await firm.credit() == "100"
    note = await firm.is_credited(invoice, "53.00")
    assert (note.number, note.net, note.tax, note.to_wallet, note.refunded) == (1, 5000, 300, 0, 0)
    assert await firm.owes(invoice) == "53.00"
    assert await firm.credit() == "150"
    assert (await firm.pays(invoice, "53.00")).status == "paid"
    assert await firm.balance(Book.REVENUE_USAGE) == -50_00
    assert await firm.balance(Book.TAX) == -3_00
    assert await story.differences() == ()


async def test_credit_note_above_the_amount_due_credits_the_rest_to_the_wallet(
    story: Story,
) -> None:
    """80.00 of 106.00 are paid, 26.00 due. Of a credit of 53.00, 26.00 settle the invoice and
    27.00 go into the wallet."""
    firm = await october_of(story)
    (invoice,) = await firm.invoices()
    await firm.pays(invoice, "80.00")
    note = await firm.is_credited(invoice, "53.00")
    assert (note.to_wallet, note.refunded) == (27_00, 0)
    (invoice,) = await firm.invoices()
    assert (invoice.status, await firm.owes(invoice), await firm.wallet()) == (
        "paid",
        "0.00",
        "27.00",
    )
    assert await story.differences() == ()


@pytest.mark.parametrize(
    ("refund", "wallet", "cash"),
    [(False, "53.00", 106_00), (True, "0.00", 53_00)],
    ids=["into the wallet", "back"],
)
async def test_credit_note_on_a_paid_invoice_credits_the_wallet_or_refunds_cash(
    story: Story, refund: bool, wallet: str, cash: int
) -> None:
    """106.00 are paid; a credit of 53.00 goes into the wallet or is refunded to the customer."""
    firm = await october_of(story)
    (invoice,) = await firm.invoices()
    await firm.pays(invoice, "106.00")
    await firm.is_credited(invoice, "53.00", refund=refund)
    assert (await firm.wallet(), await firm.balance(Book.CASH)) == (wallet, cash)
    assert (await firm.invoices())[0].status == "paid"
    assert await story.differences() == ()


async def test_partial_credit_notes_together_credit_the_whole_tax(story: Story) -> None:
    """1.00 of usage and 0.06 of tax, credited in three parts; tax is computed on their sum so far:

        0.08    so far 0.08    0.06 x 0.08 / 1.06 = 0.0045 -> 0.00     tax 0.00
        0.08    so far 0.16    0.06 x 0.16 / 1.06 = 0.0091 -> 0.01     tax 0.01
        0.90    so far 1.06                                   0.06     tax 0.05

    Computed part by part, one fen would be lost: 0.00 + 0.00 + 0.05.
    """
    firm = await october_of(story, rows=1_000)
    (invoice,) = await firm.invoices()
    notes = [
        await firm.is_credited(invoice, amount, f"dispute-{amount}-{place}")
        for place, amount in enumerate(("0.08", "0.08", "0.90"))
    ]
    assert [(note.number, note.tax) for note in notes] == [(1, 0), (2, 1), (3, 5)]
    assert await firm.balance(Book.TAX) == 0
    assert (await firm.invoices())[0].status == "paid"
    assert await story.differences() == ()


async def test_voided_invoice_restores_wallet_and_credit_and_keeps_its_number(story: Story) -> None:
    """October's invoice of 106.00 is voided: the wallet paid 6.00 of it, 100.00 are due.

    The wallet gets 6.00 back, no amount is due, and credit is 200 + 6 / 1.06 = 205.66 (rounded
    down from 205.660377...). Number 1 is not reused; November's invoice of 10.60 has number 2, and
    the wallet pays 6.00 of it.
    """
    firm = await story.firm(credit="200", tax_ppm=60_000)
    await firm.tops_up("6.00", "topup-1")
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    (october,) = await firm.invoices()
    assert await firm.owes(october) == "100.00"
    await story.voids(october)
    assert (await firm.wallet(), await firm.owes(october)) == ("6.00", "0.00")
    assert (await firm.credit())[:6] == "205.66"
    with pytest.raises(InvalidInvoiceState):
        await firm.pays(october, "100.00")
    await firm.use("vib", rows=10_000)
    await story.until(2026, 12, 1, 1)
    october, november = await firm.invoices()
    assert (october.number, october.status, november.number) == (1, "void", 2)
    assert await firm.owes(november) == "4.60"
    assert (await firm.pays(november, "4.60")).status == "paid"
    assert await story.differences() == ()


async def test_payment_of_an_uncollectible_invoice_reduces_the_bad_debt(story: Story) -> None:
    """106.00 are marked uncollectible. Later 80.00 are paid, then 30.00.

    uncollectible    loss 106.00
    80.00 paid       loss  26.00
    30.00 paid       loss   0.00, and the excess of 4.00 goes into the wallet
    """
    firm = await october_of(story)
    (invoice,) = await firm.invoices()
    await story.gives_up(invoice)
    assert await firm.owes(invoice) == "0.00"
    assert await firm.balance(Book.BAD_DEBT) == 106_00
    for reference, amount, loss, wallet in (
        ("bank-1", "80.00", 26_00, "0.00"),
        ("bank-2", "30.00", 0, "4.00"),
    ):
        await firm.pays(invoice, amount, reference)
        assert (await firm.balance(Book.BAD_DEBT), await firm.wallet()) == (loss, wallet)
    assert await firm.balance(Book.CASH) == 110_00
    assert await story.differences() == ()
