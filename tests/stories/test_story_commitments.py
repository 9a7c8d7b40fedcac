"""Commitments, discounts and months without usage."""

from tests.support.stories.story import Story

COMMIT = """
plan = "commit"
names = { en = "Commit", zh = "承诺版" }
currency = "CNY"
minimum = "500.00"
list_prices = true
"""


async def test_commitment_adds_a_minimum_line_only_in_months_below_it(story: Story) -> None:
    """A commitment of 500.00 per month; rows cost 0.001.

    October: 300,000 rows cost 300.00, so a minimum line of 200.00 is added: 500.00.
    November: 600,000 rows cost 600.00, so no minimum line is added.
    December: no usage, so the minimum line is 500.00.
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


async def test_commitment_of_a_partial_month_is_prorated_by_days(story: Story) -> None:
    """Started on 16 October: 16 of 31 days, from the 16th to the 31st.

    The minimum is 500.00 x 16 / 31 = 258.0645 -> 258.06. Usage is 100.00, so 158.06 are added.
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


async def test_commitment_is_compared_with_the_amount_after_discounts(story: Story) -> None:
    """10 % off everything, and 25 % instead for vib.

        llm: 10 million output tokens x 0.000002 = 20.00, less 10 %:  -2.00
        vib: 80,000 rows x 0.001                 = 80.00, less 25 %: -20.00
                                                   100.00 - 22.00 = 78.00

    The minimum of 90.00 is compared with the amount after discounts: 12.00 are added.
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


async def test_zero_amount_invoice_is_numbered_and_paid_at_once(story: Story) -> None:
    """400,000 of 1,000,000 included tokens: a line of 0.00, and no payment or ledger posting.

    The invoice has a number, so that the customer sees the usage of the month.
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


async def test_month_without_usage_or_fee_creates_no_invoice(story: Story) -> None:
    """No plan, no fee: October 2.00, November no usage, December 4.00 (number 2, no gap)."""
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
