"""Available credit: it falls with usage and rises with payment."""

from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Story


async def test_available_credit_falls_with_usage_and_rises_with_payment(story: Story) -> None:
    """A credit limit of 100.00.

    30,000 rows used                    30.00     left 70.00
    October is invoiced: the invoice replaces the uninvoiced usage   left 70.00
    20,000 rows used in November        20.00     left 50.00
    October's invoice is paid           30.00     left 80.00
    November's too                      20.00     left 100.00
    """
    firm = await story.firm(credit="100")
    story.clock.set(2026, 10, 12)
    await firm.use("vib", rows=30_000)
    assert await firm.credit() == "70"
    await story.counts()
    assert await firm.credit() == "70"
    await story.until(2026, 11, 1, 1)
    assert await firm.credit() == "70"
    await firm.use("vib", rows=20_000)
    await story.counts()
    assert await firm.credit() == "50"
    (october,) = await firm.invoices()
    await firm.pays(october, "30.00", "bank-1")
    assert await firm.credit() == "80"
    await story.until(2026, 12, 1, 1)
    november = (await firm.invoices())[-1]
    assert (await firm.pays(november, "20.00", "bank-2")).status == "paid"
    assert await firm.credit() == "100"
    assert await story.differences() == ()


async def test_available_credit_is_restored_for_usage_within_the_allowance(story: Story) -> None:
    """A call first uses credit at list price; aggregation restores it for units of the allowance.

        310,000 tokens are included, 200,000 used: 0.40 used, then restored          left 100.00
        200,000 more: 0.40 used; 90,000 of them are above the allowance: 0.18 stays  left 99.82

    The unpaid fee of 310.00 does not use credit.
    """
    firm = await story.firm(credit="100")
    await firm.subscribe(await story.plan(GROWTH))
    await firm.use("llm", output_tokens=200_000)
    assert await firm.credit() == "99.6"
    await story.counts()
    assert await firm.credit() == "100"
    await firm.use("llm", output_tokens=200_000)
    await story.counts()
    assert await firm.credit() == "99.82"
    await story.until(2026, 11, 1, 1)
    assert await firm.credit() == "99.82"
    await firm.pays_all()
    assert await firm.credit() == "100"
    assert await story.differences() == ()


async def test_available_credit_counts_usage_before_tax(story: Story) -> None:
    """6 % tax. 30.00 of usage are invoiced as 31.80; call prices are before tax.

    October's invoice                    owed 31.80, of it 30.00 for usage    left 70.00
    15.90 paid, 15.90 owed               15.90 / 1.06 = 15.00 for usage       left 85.00
    the rest paid                                                             left 100.00
    """
    firm = await story.firm(credit="100", tax_ppm=60_000)
    await firm.use("vib", rows=30_000)
    await story.until(2026, 11, 1, 1)
    (october,) = await firm.invoices()
    assert firm.amounts(october) == ("30.00", "1.80", "31.80")
    assert await firm.credit() == "70"
    assert (await firm.pays(october, "15.90", "bank-1")).status == "open"
    assert await firm.owes(october) == "15.90"
    assert await firm.credit() == "85"
    assert (await firm.pays(october, "15.90", "bank-2")).status == "paid"
    assert await firm.credit() == "100"
    assert await story.differences() == ()


async def test_partial_payment_covers_fees_before_usage_in_available_credit(story: Story) -> None:
    """October's invoice: 30.00 of usage and November's fee of 310.00. Due: 340.00.

    310.00 paid: 30.00 are due and count as usage: left 70.00.
    10.00 paid: 20.00 are due: left 80.00.
    """
    firm = await story.firm(credit="100")
    fee = (await firm.subscribe(await story.plan(GROWTH))).invoices[0]
    await firm.pays(fee, "310.00", "bank-1")
    await firm.use("vib", rows=30_000)
    await story.until(2026, 11, 1, 1)
    assert await firm.credit() == "70"
    cycle = (await firm.invoices())[-1]
    await firm.pays(cycle, "310.00", "bank-2")
    assert await firm.credit() == "70"
    await firm.pays(cycle, "10.00", "bank-3")
    assert await firm.credit() == "80"
    assert (await firm.pays(cycle, "20.00", "bank-4")).status == "paid"
    assert await firm.credit() == "100"
    assert await story.differences() == ()


CAPPED = """
plan = "capped"
names = { en = "Capped", zh = "限额版" }
currency = "CNY"
spend_cap = "50.00"
list_prices = true
"""


async def test_spend_cap_of_a_plan_resets_each_month(story: Story) -> None:
    """A spend cap of 50.00 per month and a credit limit of 80.00.

    October    20.00 used                cap 50 - 20 = 30, limit 80 - 20 = 60    left 30.00
    November   no usage yet              cap 50,           limit 80 - 20 = 60    left 50.00
    November   15.00 used                cap 35,           limit 45              left 35.00
    October is paid                      cap 35,           limit 65              left 35.00
    """
    firm = await story.firm(credit="80")
    await firm.subscribe(await story.plan(CAPPED))
    await firm.use("vib", rows=20_000)
    await story.counts()
    assert await firm.credit() == "30"
    await story.until(2026, 11, 1, 1)
    assert await firm.credit() == "50"
    await firm.use("vib", rows=15_000)
    await story.counts()
    assert await firm.credit() == "35"
    await firm.pays_all()
    assert await firm.credit() == "35"
    await story.until(2026, 12, 1, 1)
    await firm.pays_all()
    assert await story.differences() == ()


PACKED = """
plan = "packed"
names = { en = "Packed", zh = "打包版" }
currency = "CNY"

[[price]]
model = "vib"
meter = "rows"
kind = "package"
size = 1_000
price = "3.00"
"""


async def test_available_credit_reserves_the_price_of_the_next_package(story: Story) -> None:
    """Packages of 1,000 rows at 3.00: the next row may start one, so 3.00 is always reserved.

    no usage                      100 - 3 = 97.00
    1 row used: a package, 3.00 of usage and 3.00 for the next      left 94.00
    October is invoiced, 3.00; November's first package is reserved     left 94.00
    """
    firm = await story.firm(credit="100")
    await firm.subscribe(await story.plan(PACKED))
    assert await firm.credit() == "97"
    await firm.use("vib", rows=1)
    await story.counts()
    assert await firm.credit() == "94"
    await story.until(2026, 11, 1, 1)
    assert await firm.credit() == "94"
    await firm.pays_all()
    assert await firm.credit() == "97"
    assert await story.differences() == ()
