"""Tax: added to net prices, included in prices, reverse charge, exemption, and changed rates."""

import pytest

from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Story


async def test_tax_is_added_to_net_prices_and_rounded_once_per_invoice(story: Story) -> None:
    """6 % on Growth.

        the first fee   310.00   tax 18.60                   328.60
        usage 0.38 + fee 310.00 = 310.38   tax 18.6228 -> 18.62   329.00

    Tax is rounded once per invoice, not per line.
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


async def test_tax_is_extracted_from_tax_inclusive_prices(story: Story) -> None:
    """Prices include 13 %: 11,300 rows x 0.001 = 11.30, and the fee of 113.00.

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
async def test_reverse_charge_or_exemption_removes_tax_from_inclusive_prices(
    story: Story, treatment: str
) -> None:
    """The same month under reverse charge or exemption: the included tax is subtracted.

    124.30 less 14.30 = 110.00; the invoice has the tax treatment.
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


async def test_reverse_charge_leaves_net_prices_unchanged(story: Story) -> None:
    """Growth's 310.00 are net: no tax is added or subtracted."""
    firm = await story.firm(tax_ppm=60_000)
    await firm.billed(tax_treatment="reverse_charge")
    fee = (await firm.subscribe(await story.plan(GROWTH))).invoices[0]
    assert firm.amounts(fee) == ("310.00", "0.00", "310.00")
    assert (await firm.pays(fee, "310.00")).status == "paid"
    assert await story.differences() == ()


async def test_tax_rate_at_finalization_replaces_the_rate_of_the_draft(story: Story) -> None:
    """100.00 of usage. The draft of 1 November, 00:10, has 6 %; at 00:30 the rate is set to 9 %.

    The rate at finalization applies: 100.00 + 9.00.
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
