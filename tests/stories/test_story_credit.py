"""Stories of paying after use: what may still be spent falls with use and is freed by payment."""

from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Story


async def test_credit_falls_with_use_and_is_freed_by_payment(story: Story) -> None:
    """A limit of 100.00.

    30,000 rows used                    30.00     left 70.00
    October is invoiced: the invoice takes the place of the usage   left 70.00
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


async def test_what_a_plan_includes_is_given_back(story: Story) -> None:
    """A call is held at the price of its units; what the plan includes is free when it is counted.

        310,000 tokens are included, 200,000 used: 0.40 taken as it went, given back   left 100.00
        200,000 more: 0.40 taken; 90,000 of them are above: 0.18 stays                 left 99.82

    The fee of 310.00, although not paid, does not use up credit.
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


async def test_credit_is_before_tax(story: Story) -> None:
    """6 % of tax. 30.00 of usage are invoiced as 31.80; prices of calls are before tax.

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


async def test_fees_are_taken_as_paid_first(story: Story) -> None:
    """October's invoice: 30.00 of usage and 310.00 for November. 340.00 owed, 30.00 for usage.

    310.00 paid: 30.00 are owed, and all of that may be for usage: left 70.00.
    10.00 paid: 20.00 are owed: left 80.00.
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


async def test_a_plans_spend_cap_begins_anew_each_month(story: Story) -> None:
    """At most 50.00 a month, within a limit of 80.00.

    October    20.00 used                cap 50 - 20 = 30, limit 80 - 20 = 60    left 30.00
    November   nothing used yet          cap 50,           limit 80 - 20 = 60    left 50.00
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


async def test_what_the_next_unit_may_cost_is_held_back(story: Story) -> None:
    """Packages of 1,000 rows at 3.00: the next row may begin one, so 3.00 is always held back.

    nothing used                  100 - 3 = 97.00
    1 row used: a package, 3.00 of usage and 3.00 for the next      left 94.00
    October is invoiced, 3.00; November's first package is held     left 94.00
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
