"""Wallets: paid and promotional grants, their order of use and their expiry."""

from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Story


async def test_wallet_balance_is_the_available_credit_without_a_credit_limit(story: Story) -> None:
    """No credit limit: only the wallet balance can be spent.

    50.00 paid in                                     left 50.00
    30,000 rows used, 30.00                           left 20.00
    October's invoice of 30.00 is paid from the wallet, 20.00 remain   left 20.00
    """
    firm = await story.firm(credit="0")
    assert await firm.credit() == "0"
    await firm.tops_up("50.00", "topup-1")
    assert await firm.credit() == "50"
    await firm.use("vib", rows=30_000)
    await story.counts()
    assert await firm.credit() == "20"
    await story.until(2026, 11, 1, 1)
    (october,) = await firm.invoices()
    assert october.status == "paid"
    assert await firm.wallet() == "20.00"
    assert await firm.credit() == "20"
    assert await story.differences() == ()


async def test_wallet_grants_are_used_by_priority_then_expiry(story: Story) -> None:
    """Three grants, and an invoice of 35.00:

        10.00 promotional, priority 10      used first     10.00, 0.00 left
        20.00 paid, priority 50, expires on 1 December     20.00, 0.00 left
        40.00 paid, priority 50, no expiry   used last      5.00, 35.00 left

    Order: priority, then expiry. A repeated idempotency key is one top-up.
    """
    firm = await story.firm(credit="0")
    for _ in range(2):
        await firm.tops_up("40.00", "topup-1")
    await firm.tops_up("20.00", "topup-2", expires_at=story.clock.at(2026, 12, 1))
    await firm.tops_up("10.00", "gift-1", paid=False, priority=10)
    assert await firm.wallet() == "70.00"
    await firm.use("vib", rows=35_000)
    await story.until(2026, 11, 1, 1)
    (october,) = await firm.invoices()
    assert october.status == "paid"
    assert await firm.wallet() == "35.00"
    await story.until(2026, 12, 1, 1)
    assert await firm.wallet() == "35.00"
    assert await story.differences() == ()


async def test_expiring_grant_keeps_the_amount_of_uninvoiced_usage(story: Story) -> None:
    """A promotional grant of 20.00 expires on 16 October. Uninvoiced usage is 8.00 by then.

    16 October    8.00 are kept, 12.00 expire         left 8.00, less the 8.00 used: 0.00
    17 October    5.00 are paid in and 1.00 is used   left 4.00
    1 November    October's 9.00: 8.00 from the promotional and 1.00 from the paid grant
    """
    firm = await story.firm(credit="0")
    await firm.tops_up("20.00", "gift-1", paid=False, expires_at=story.clock.at(2026, 10, 16))
    story.clock.set(2026, 10, 10)
    await firm.use("vib", rows=8_000)
    await story.until(2026, 10, 15, 23, 59)
    assert await firm.wallet() == "20.00"
    await story.until(2026, 10, 16, 0, 1)
    assert await firm.wallet() == "8.00"
    assert await firm.credit() == "0"
    story.clock.set(2026, 10, 17)
    await firm.tops_up("5.00", "topup-1")
    await firm.use("vib", rows=1_000)
    await story.jobs()
    assert await firm.credit() == "4"
    await story.until(2026, 11, 1, 1)
    (october,) = await firm.invoices()
    assert october.status == "paid"
    assert await firm.wallet() == "4.00"
    assert await story.differences() == ()


async def test_expiring_grant_keeps_the_tax_on_uninvoiced_usage(story: Story) -> None:
    """The same with 6 % tax: 8.00 of usage will be invoiced as 8.48, so 8.48 are kept.

    11.52 expire, and October's invoice is paid in full.
    """
    firm = await story.firm(credit="0", tax_ppm=60_000)
    await firm.tops_up("20.00", "gift-1", paid=False, expires_at=story.clock.at(2026, 10, 16))
    story.clock.set(2026, 10, 10)
    await firm.use("vib", rows=8_000)
    await story.until(2026, 10, 16, 0, 1)
    assert await firm.wallet() == "8.48"
    await story.until(2026, 11, 1, 1)
    (october,) = await firm.invoices()
    assert firm.amounts(october) == ("8.00", "0.48", "8.48")
    assert october.status == "paid"
    assert await firm.wallet() == "0.00"
    assert await story.differences() == ()


async def test_available_credit_adds_wallet_balance_and_credit_limit(story: Story) -> None:
    """A wallet balance of 30.00 and a credit limit of 50.00: 80.00 can be spent.

    40.00 used                                              left 40.00
    October's 40.00: 30.00 from the wallet, 10.00 are due   left 50 - 10 = 40.00
    10.00 paid by the bank                                  left 50.00
    """
    firm = await story.firm(credit="50")
    await firm.tops_up("30.00", "topup-1")
    assert await firm.credit() == "80"
    await firm.use("vib", rows=40_000)
    await story.counts()
    assert await firm.credit() == "40"
    await story.until(2026, 11, 1, 1)
    (october,) = await firm.invoices()
    assert (october.status, await firm.owes(october), await firm.wallet()) == (
        "open",
        "10.00",
        "0.00",
    )
    assert await firm.credit() == "40"
    assert (await firm.pays(october, "10.00")).status == "paid"
    assert await firm.credit() == "50"
    assert await story.differences() == ()


async def test_available_credit_of_a_wallet_excludes_the_tax(story: Story) -> None:
    """A wallet balance of 106.00 at 6 % tax pays for 100.00 of usage and 6.00 of tax."""
    firm = await story.firm(credit="0", tax_ppm=60_000)
    await firm.tops_up("106.00", "topup-1")
    assert await firm.credit() == "100"
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    (october,) = await firm.invoices()
    assert (october.status, await firm.wallet()) == ("paid", "0.00")
    assert await firm.credit() == "0"
    assert await story.differences() == ()


async def test_overpayment_is_added_to_the_wallet(story: Story) -> None:
    """100.00 are paid for an invoice of 40.00: 60.00 go into the wallet, which pays November's
    45.00, and 15.00 are left."""
    firm = await story.firm()
    await firm.use("vib", rows=40_000)
    await story.until(2026, 11, 1, 1)
    (october,) = await firm.invoices()
    assert (await firm.pays(october, "100.00")).status == "paid"
    assert await firm.wallet() == "60.00"
    await firm.use("vib", rows=45_000)
    await story.until(2026, 12, 1, 1)
    november = (await firm.invoices())[-1]
    assert (november.status, firm.text(november.total)) == ("paid", "45.00")
    assert await firm.wallet() == "15.00"
    assert await story.differences() == ()


async def test_invoice_is_paid_by_several_partial_payments(story: Story) -> None:
    """310.00 + 5.00 due: payments of 200.00, 100.00 and 15.00, the last one recorded twice."""
    firm = await story.firm()
    fee = (await firm.subscribe(await story.plan(GROWTH))).invoices[0]
    await firm.pays(fee, "310.00", "bank-0")
    await firm.use("vib", rows=5_000)
    await story.until(2026, 11, 1, 1)
    cycle = (await firm.invoices())[-1]
    for reference, amount, left in (
        ("bank-1", "200.00", "115.00"),
        ("bank-2", "100.00", "15.00"),
        ("bank-3", "15.00", "0.00"),
        ("bank-3", "15.00", "0.00"),
    ):
        paid = await firm.pays(cycle, amount, reference)
        assert (await firm.owes(cycle), paid.status == "paid") == (left, left == "0.00")
    assert await firm.wallet() == "0.00"
    assert await story.differences() == ()
