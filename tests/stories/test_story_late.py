"""Late usage, downtime of the jobs, and clocks that disagree."""

from datetime import timedelta

from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Story

STAIRS = """
plan = "stairs"
names = { en = "Stairs", zh = "台阶版" }
currency = "CNY"

[[price]]
model = "vib"
meter = "rows"
kind = "graduated"
tiers = [{ up_to = 10_000, price = "0.003" }, { price = "0.001" }]
"""


async def test_late_usage_within_the_grace_period_is_billed_in_its_own_month(story: Story) -> None:
    """A call of 31 October, 23:50, is written on 1 November, 00:40: October bills it as usage.

    2,000 + 3,000 rows x 0.001 = 5.00.
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 31, 12)
    await firm.use("vib", rows=2_000)
    await story.until(2026, 11, 1, 0, 10)
    story.clock.set(2026, 11, 1, 0, 40)
    await firm.use("vib", at=story.clock.at(2026, 10, 31, 23, 50), rows=3_000)
    await story.until(2026, 11, 1, 1)
    (october,) = await firm.invoices()
    assert await firm.lines(october) == [("usage", "vib", "rows", 5_000, 0, "5.00")]
    assert (await firm.pays(october, "5.00")).status == "paid"
    assert await story.differences() == ()


async def test_late_usage_after_finalization_is_billed_on_the_next_invoice(story: Story) -> None:
    """A call of 31 October is written on 2 November: November's invoice has it as late usage.

    It is rated after November's own usage, under October's terms: 0.003 per row up to 10,000,
    then 0.001.

        October    4,000 rows on time                   12.00
        November   8,000 rows on time                   24.00
                   5,000 late: 2,000 x 0.003 + 3,000 x 0.001 = 9.00
    """
    firm = await story.firm()
    await firm.subscribe(await story.plan(STAIRS))
    story.clock.set(2026, 10, 31, 12)
    await firm.use("vib", rows=4_000)
    await story.until(2026, 11, 1, 1)
    (october,) = await firm.invoices()
    story.clock.set(2026, 11, 2, 9)
    await firm.use("vib", at=story.clock.at(2026, 10, 31, 23, 50), rows=5_000)
    story.clock.set(2026, 11, 20)
    await firm.use("vib", rows=8_000)
    await story.until(2026, 12, 1, 1)
    _, november = await firm.invoices()
    assert await firm.lines(october) == [("usage", "vib", "rows", 4_000, 0, "12.00")]
    assert await firm.lines(november) == [
        ("usage", "vib", "rows", 8_000, 0, "24.00"),
        ("late_usage", "vib", "rows", 5_000, 0, "9.00"),
    ]
    await firm.pays(october, "12.00", "bank-1")
    assert (await firm.pays(november, "33.00", "bank-2")).status == "paid"
    assert await story.differences() == ()


async def test_two_days_of_downtime_at_month_end_bill_each_month_unchanged(story: Story) -> None:
    """The jobs do not run from 31 October, 20:00, to 3 November, 02:00.

    October: 500,000 tokens, of which 310,000 are included, 0.38, and November's fee of 310.00.
    Usage of 2 November is billed in November: 410,000, of which 100,000 are charged, 0.20.
    """
    firm = await story.firm()
    await firm.subscribe(await story.plan(GROWTH))
    await story.until(2026, 10, 31, 20)
    story.clock.set(2026, 10, 31, 22)
    await firm.use("llm", output_tokens=500_000)
    story.clock.set(2026, 11, 2, 12)
    await firm.use("llm", output_tokens=410_000)
    assert len(await story.until(2026, 11, 3, 2)) == 1
    await story.until(2026, 12, 1, 1)
    fee, october, november = await firm.invoices()
    assert await firm.lines(october) == [
        ("usage", "llm", "output_tokens", 500_000, 310_000, "0.38"),
        ("fixed_fee", None, None, None, 0, "310.00"),
    ]
    assert (await firm.lines(november))[0] == (
        ("usage", "llm", "output_tokens", 410_000, 310_000, "0.20")
    )
    assert [one.number for one in (fee, october, november)] == [1, 2, 3]
    await firm.pays_all()
    assert await story.differences() == ()


async def test_two_months_of_downtime_create_one_invoice_per_month(story: Story) -> None:
    """No job from 15 October to 20 December: each month has its own invoice with the next fee.

    October 1.00 of usage and 310.00, November 2.00 and 310.00; December is still open.
    """
    firm = await story.firm()
    await firm.subscribe(await story.plan(GROWTH))
    await story.until(2026, 10, 15)
    await firm.use("vib", rows=1_000)
    story.clock.set(2026, 11, 15)
    await firm.use("vib", rows=2_000)
    assert len(await story.until(2026, 12, 20)) == 2
    fee, october, november = await firm.invoices()
    assert [firm.text(one.total) for one in (fee, october, november)] == [
        "310.00",
        "311.00",
        "312.00",
    ]
    assert await firm.fees(october) == [("fixed_fee", "2026-11-01", "2026-12-01", "310.00")]
    assert await firm.fees(november) == [("fixed_fee", "2026-12-01", "2027-01-01", "310.00")]
    await firm.pays_all()
    assert await story.differences() == ()


async def test_usage_from_a_gateway_clock_ahead_is_billed_in_its_timestamps_month(
    story: Story,
) -> None:
    """A gateway's clock is 20 seconds ahead: at 23:59:50 it writes a call of 00:00:10.

    November has no period yet, so October counts the call for now. After November has started, the
    call is counted in November, as its timestamp says: October 1.00, November 2.00.
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 31, 23, 59, 50)
    await firm.use("vib", rows=1_000)
    await firm.use("vib", at=story.clock.now() + timedelta(seconds=20), rows=2_000)
    await story.counts()
    assert await story.differences() == ()
    await story.until(2026, 11, 1, 0, 10)
    assert await story.differences() == ()
    await story.until(2026, 11, 1, 1)
    await story.until(2026, 12, 1, 1)
    october, november = await firm.invoices()
    assert await firm.lines(october) == [("usage", "vib", "rows", 1_000, 0, "1.00")]
    assert await firm.lines(november) == [("usage", "vib", "rows", 2_000, 0, "2.00")]
    await firm.pays_all()
    assert await story.differences() == ()


async def test_worker_clock_set_back_after_invoicing_bills_no_usage_twice(story: Story) -> None:
    """The clock is set back by a day after October was invoiced: no usage is billed twice.

    A call of the repeated 31 October is late usage, because October is closed: November bills it.
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 31, 12)
    await firm.use("vib", rows=1_000)
    await story.until(2026, 11, 1, 2)
    assert await story.until(2026, 10, 31, 23) == []
    await firm.use("vib", rows=2_000)
    assert await story.until(2026, 11, 1, 3) == []
    await story.until(2026, 12, 1, 1)
    october, november = await firm.invoices()
    assert await firm.lines(october) == [("usage", "vib", "rows", 1_000, 0, "1.00")]
    assert await firm.lines(november) == [("late_usage", "vib", "rows", 2_000, 0, "2.00")]
    await firm.pays_all()
    assert await story.differences() == ()
