"""Currencies with two, zero and three decimal places, and billing without a plan."""

from tests.support.stories.story import Story


async def test_account_without_a_plan_is_billed_monthly_at_list_prices(story: Story) -> None:
    """Usage at list prices is billed on one invoice at the end of the month.

    3,000,000 input tokens, 1,000,000 of them cached:
        2,000,000 x 0.0000005                             1.00
        1,000,000 x 0.0000001                             0.10
    1,000,000 output tokens x 0.000002                    2.00
    500 rows x 0.001                                      0.50
                                                          3.60
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 8)
    await firm.use("llm", input_tokens=2_000_000, cached_input_tokens=1_000_000)
    await firm.use("llm", input_tokens=1_000_000, output_tokens=1_000_000)
    await firm.use("vib", rows=500)
    await story.until(2026, 11, 1, 1)
    (cycle,) = await firm.invoices()
    assert sorted(await firm.lines(cycle)) == [
        ("usage", "llm", "cached_input_tokens", 1_000_000, 0, "0.10"),
        ("usage", "llm", "input_tokens", 2_000_000, 0, "1.00"),
        ("usage", "llm", "output_tokens", 1_000_000, 0, "2.00"),
        ("usage", "vib", "rows", 500, 0, "0.50"),
    ]
    assert (await firm.pays(cycle, "3.60")).status == "paid"
    assert await story.differences() == ()


DOLLARS = """
plan = "plain"
names = { en = "Plain", zh = "基础版" }
currency = "USD"
fixed_fee = "19.99"

[[price]]
model = "llm"
meter = "output_tokens"
per = 1_000_000
price = "0.60"
"""


async def test_usd_amounts_are_rounded_to_two_decimal_places(story: Story) -> None:
    """From 11 October: 21 of 31 days of 19.99 are 13.5416 -> 13.54.

    1,234,567 tokens x 0.60 / 1,000,000 = 0.7407402 -> 0.74. November's fee: 19.99.
    """
    firm = await story.firm(currency="USD")
    story.clock.set(2026, 10, 11)
    fee = (await firm.subscribe(await story.plan(DOLLARS))).invoices[0]
    await firm.use("llm", output_tokens=1_234_567)
    await story.until(2026, 11, 1, 1)
    _, cycle = await firm.invoices()
    assert (await firm.lines(cycle))[0][-1] == "0.74"
    await firm.pays(fee, "13.54", "bank-1")
    assert (await firm.pays(cycle, "20.73", "bank-2")).status == "paid"
    assert await story.differences() == ()


YEN = """
plan = "plain"
names = { en = "Plain", zh = "基础版" }
currency = "JPY"
fixed_fee = "3000"

[[price]]
model = "llm"
meter = "output_tokens"
per = 1_000_000
price = "90"
"""


async def test_jpy_amounts_are_rounded_to_whole_yen(story: Story) -> None:
    """From 11 October: 21 of 31 days of 3,000 are 2,032.258 -> 2,032.

    1,350,000 tokens x 90 / 1,000,000 = 121.5 -> 122, half away from zero. Tax of 10 % on
    122 + 3,000 = 3,122: 312.2 -> 312. So 3,434 are to pay, and 2,032 + 203 = 2,235 before.
    """
    firm = await story.firm(currency="JPY", credit="100000", tax_ppm=100_000)
    story.clock.set(2026, 10, 11)
    fee = (await firm.subscribe(await story.plan(YEN))).invoices[0]
    await firm.use("llm", output_tokens=1_350_000)
    await story.until(2026, 11, 1, 1)
    _, cycle = await firm.invoices()
    assert (await firm.lines(cycle))[0][-1] == "122"
    assert firm.amounts(fee) == ("2032", "203", "2235")
    assert firm.amounts(cycle) == ("3122", "312", "3434")
    await firm.pays(fee, "2235", "bank-1")
    assert (await firm.pays(cycle, "3434", "bank-2")).status == "paid"
    assert await story.differences() == ()


DINARS = """
plan = "plain"
names = { en = "Plain", zh = "基础版" }
currency = "KWD"
fixed_fee = "6.125"

[[price]]
model = "llm"
meter = "output_tokens"
per = 1_000_000
price = "0.2"
"""


async def test_kwd_amounts_are_rounded_to_three_decimal_places(story: Story) -> None:
    """From 11 October: 21 of 31 days of 6.125 are 4.14919 -> 4.149.

    1,007,500 tokens x 0.2 / 1,000,000 = 0.2015 -> 0.202. With November's fee: 6.327.
    """
    firm = await story.firm(currency="KWD")
    story.clock.set(2026, 10, 11)
    fee = (await firm.subscribe(await story.plan(DINARS))).invoices[0]
    await firm.use("llm", output_tokens=1_007_500)
    await story.until(2026, 11, 1, 1)
    _, cycle = await firm.invoices()
    assert (await firm.lines(cycle))[0][-1] == "0.202"
    await firm.pays(fee, "4.149", "bank-1")
    assert (await firm.pays(cycle, "6.327", "bank-2")).status == "paid"
    assert await story.differences() == ()
