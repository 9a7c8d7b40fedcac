"""Stories of what a month comes to at least and at most: minimums, discounts, empty months."""

from tests.support.stories.story import Story

COMMIT = """
plan = "commit"
names = { en = "Commit", zh = "承诺版" }
currency = "CNY"
minimum = "500.00"
list_prices = true
"""


async def test_a_minimum_that_was_not_reached_and_one_that_was(story: Story) -> None:
    """At least 500.00 a month; rows cost 0.001.

    October: 300,000 rows are 300.00, so 200.00 are missing to the minimum: 500.00.
    November: 600,000 rows are 600.00, and nothing is missing.
    December: no rows at all are 0.00, so 500.00 are missing.
    """
    firm = await story.firm()
    await firm.subscribe(await story.plan(COMMIT))
    story.clock.set(2026, 10, 20)
    await firm.use("vib", rows=300_000)
    await story.until(2026, 11, 1, 1)
    await firm.use("vib", rows=600_000)
    await story.until(2026, 12, 1, 1)
    await story.until(2027, 1, 1, 1)
    october, november, december = await firm.invoices()
    assert await firm.lines(october) == [
        ("usage", "vib", "rows", 300_000, 0, "300.00"),
        ("minimum", None, None, None, 0, "200.00"),
    ]
    assert await firm.lines(november) == [("usage", "vib", "rows", 600_000, 0, "600.00")]
    assert await firm.lines(december) == [("minimum", None, None, None, 0, "500.00")]
    for place, (invoice, amount) in enumerate(
        ((october, "500.00"), (november, "600.00"), (december, "500.00"))
    ):
        assert (await firm.pays(invoice, amount, f"bank-{place}")).status == "paid"
    assert await story.differences() == ()


async def test_a_minimum_for_a_part_of_a_month(story: Story) -> None:
    """Started on 16 October: 16 of 31 days, from the 16th to the 31st.

    The minimum is 500.00 x 16 / 31 = 258.0645 -> 258.06. Used 100.00, so 158.06 are missing.
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 16, 17, 30)
    await firm.subscribe(await story.plan(COMMIT))
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    (cycle,) = await firm.invoices()
    assert await firm.lines(cycle) == [
        ("usage", "vib", "rows", 100_000, 0, "100.00"),
        ("minimum", None, None, None, 0, "158.06"),
    ]
    assert (await firm.pays(cycle, "258.06")).status == "paid"
    assert await story.differences() == ()


LOYAL = """
plan = "loyal"
names = { en = "Loyal", zh = "忠诚版" }
currency = "CNY"
minimum = "90.00"
list_prices = true

[[discount]]
percent = "10"

[[discount]]
percent = "25"
model = "vib"
"""


async def test_discounts_and_the_minimum_after_them(story: Story) -> None:
    """10 % off everything, and 25 % instead for vib.

        llm: 10 million output tokens x 0.000002 = 20.00, less 10 %:  -2.00
        vib: 80,000 rows x 0.001                 = 80.00, less 25 %: -20.00
                                                   100.00 - 22.00 = 78.00

    The minimum of 90.00 is held against what is left after discounts: 12.00 are missing.
    """
    firm = await story.firm()
    await firm.subscribe(await story.plan(LOYAL))
    await firm.use("llm", output_tokens=10_000_000)
    await firm.use("vib", rows=80_000)
    await story.until(2026, 11, 1, 1)
    (cycle,) = await firm.invoices()
    assert await firm.lines(cycle) == [
        ("usage", "llm", "output_tokens", 10_000_000, 0, "20.00"),
        ("usage", "vib", "rows", 80_000, 0, "80.00"),
        ("discount", None, None, None, 0, "-2.00"),
        ("discount", "vib", None, None, 0, "-20.00"),
        ("minimum", None, None, None, 0, "12.00"),
    ]
    assert (await firm.pays(cycle, "90.00")).status == "paid"
    assert await story.differences() == ()


GIFT = """
plan = "gift"
names = { en = "Gift", zh = "赠送版" }
currency = "CNY"
list_prices = true

[[allowance]]
model = "llm"
meter = "output_tokens"
quantity = 1_000_000
"""


async def test_an_invoice_of_nothing_is_paid_at_once(story: Story) -> None:
    """400,000 of 1,000,000 included tokens: a line of 0.00, and nothing to pay or to book.

    It has a number like any other, so that the customer sees what the month was.
    """
    firm = await story.firm()
    await firm.subscribe(await story.plan(GIFT))
    await firm.use("llm", output_tokens=400_000)
    await story.until(2026, 11, 1, 1)
    (cycle,) = await firm.invoices()
    assert await firm.lines(cycle) == [
        ("usage", "llm", "output_tokens", 400_000, 400_000, "0.00"),
    ]
    assert (cycle.status, cycle.number, cycle.total) == ("paid", 1, 0)
    assert cycle.settled_at == story.clock.now()
    assert await story.differences() == ()


async def test_a_month_without_usage_has_no_invoice(story: Story) -> None:
    """Pay as you go, no fee: October 2.00, November nothing, December 4.00 (number 2, no gap)."""
    firm = await story.firm()
    await firm.use("vib", rows=2_000)
    await story.until(2026, 11, 1, 1)
    assert await story.until(2026, 12, 1, 1) == []
    await firm.use("vib", rows=4_000)
    await story.until(2027, 1, 1, 1)
    october, december = await firm.invoices()
    assert [(one.number, firm.text(one.total)) for one in (october, december)] == [
        (1, "2.00"),
        (2, "4.00"),
    ]
    await firm.pays(october, "2.00", "bank-1")
    assert (await firm.pays(december, "4.00", "bank-2")).status == "paid"
    assert await story.differences() == ()
