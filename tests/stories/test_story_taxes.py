"""Stories of tax: added, contained, owed by the customer, not owed, and changed meanwhile."""

import pytest

from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Story


async def test_tax_is_added_to_net_prices(story: Story) -> None:
    """6 % on Growth.

        the first fee   310.00   tax 18.60                   328.60
        usage 0.38 + fee 310.00 = 310.38   tax 18.6228 -> 18.62   329.00

    One rounding for the invoice, not one for each line.
    """
    firm = await story.firm(tax_ppm=60_000)
    fee = (await firm.subscribe(await story.plan(GROWTH))).invoices[0]
    await firm.use("llm", output_tokens=500_000)
    await story.until(2026, 11, 1, 1)
    _, cycle = await firm.invoices()
    assert firm.amounts(fee) == ("310.00", "18.60", "328.60")
    assert firm.amounts(cycle) == ("310.38", "18.62", "329.00")
    await firm.pays(fee, "328.60", "bank-1")
    assert (await firm.pays(cycle, "329.00", "bank-2")).status == "paid"
    assert await story.differences() == ()


SHELF = """
plan = "shelf"
names = { en = "Shelf", zh = "含税版" }
currency = "CNY"
fixed_fee = "113.00"
tax_inclusive = true
list_prices = true
"""


async def test_prices_that_contain_the_tax(story: Story) -> None:
    """13 % is in the prices: 11,300 rows x 0.001 = 11.30, and the fee of 113.00.

    Of 124.30 in all, 124.30 x 13 / 113 = 14.30 are tax and 110.00 net.
    """
    firm = await story.firm(tax_ppm=130_000)
    fee = (await firm.subscribe(await story.plan(SHELF))).invoices[0]
    await firm.use("vib", rows=11_300)
    await story.until(2026, 11, 1, 1)
    _, cycle = await firm.invoices()
    assert firm.amounts(fee) == ("100.00", "13.00", "113.00")
    assert firm.amounts(cycle) == ("110.00", "14.30", "124.30")
    assert firm.text(cycle.usage) == "10.00"
    await firm.pays(fee, "113.00", "bank-1")
    assert (await firm.pays(cycle, "124.30", "bank-2")).status == "paid"
    assert await story.differences() == ()


@pytest.mark.parametrize("treatment", ["reverse_charge", "exempt"])
async def test_no_tax_is_owed_to_us(story: Story, treatment: str) -> None:
    """The same month under reverse charge, or exempt: what the prices contain is taken off.

    124.30 less 14.30 = 110.00; and the invoice says which treatment it was.
    """
    firm = await story.firm(tax_ppm=130_000)
    await firm.billed(tax_treatment=treatment, tax_number="DE123456789")
    fee = (await firm.subscribe(await story.plan(SHELF))).invoices[0]
    await firm.use("vib", rows=11_300)
    await story.until(2026, 11, 1, 1)
    _, cycle = await firm.invoices()
    assert firm.amounts(fee) == ("100.00", "0.00", "100.00")
    assert firm.amounts(cycle) == ("110.00", "0.00", "110.00")
    assert (cycle.tax_treatment, cycle.tax_ppm) == (treatment, 130_000)
    await firm.pays(fee, "100.00", "bank-1")
    assert (await firm.pays(cycle, "110.00", "bank-2")).status == "paid"
    assert await story.differences() == ()


async def test_net_prices_under_reverse_charge(story: Story) -> None:
    """Growth's 310.00 are net: nothing is added and nothing taken off."""
    firm = await story.firm(tax_ppm=60_000)
    await firm.billed(tax_treatment="reverse_charge")
    fee = (await firm.subscribe(await story.plan(GROWTH))).invoices[0]
    assert firm.amounts(fee) == ("310.00", "0.00", "310.00")
    assert (await firm.pays(fee, "310.00")).status == "paid"
    assert await story.differences() == ()


async def test_a_rate_that_changed_between_draft_and_final(story: Story) -> None:
    """100.00 of usage. The draft of 1 November, 00:10, says 6 %; at 00:30 it turns out to be 9 %.

    What counts is the rate when the invoice becomes final: 100.00 + 9.00.
    """
    firm = await story.firm(tax_ppm=60_000)
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 0, 10)
    (draft,) = await firm.invoices()
    assert (draft.status, firm.amounts(draft)) == ("draft", ("100.00", "6.00", "106.00"))
    story.clock.set(2026, 11, 1, 0, 30)
    await firm.billed(tax_ppm=90_000)
    await story.until(2026, 11, 1, 1)
    (final,) = await firm.invoices()
    assert (final.status, firm.amounts(final)) == ("open", ("100.00", "9.00", "109.00"))
    await firm.billed(tax_ppm=130_000)
    assert (await firm.pays(final, "109.00")).status == "paid"
    assert await story.differences() == ()
