"""Trials: days without a fee, and the billing after them."""

from tests.support.stories.plan_texts import SCALE
from tests.support.stories.story import Story

TRY = """
plan = "try"
names = { en = "Try", zh = "试用版" }
currency = "CNY"
fixed_fee = "310.00"
trial_days = 14
list_prices = true

[[allowance]]
model = "llm"
meter = "output_tokens"
quantity = 310_000
"""


async def test_fee_is_billed_from_the_day_after_the_trial(story: Story) -> None:
    """14 days from 5 October: the 5th to the 18th. The fee is due from the 19th on.

    19 to 31 October: 310.00 x 13 / 31 = 130.00, due on the 19th, not before.
    The allowance covers all days of the plan, 5 to 31: 310,000 x 27 / 31 = 270,000.
    Used 100,000 in the trial and 200,000 after it: 30,000 x 0.000002 = 0.06.
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 5, 10)
    change = await firm.subscribe(await story.plan(TRY))
    assert change.invoices == ()
    assert change.phase.trial
    await firm.use("llm", output_tokens=100_000)
    assert await story.until(2026, 10, 18, 23, 59) == []
    await story.until(2026, 10, 19, 0, 1)
    await firm.use("llm", output_tokens=200_000)
    await story.until(2026, 11, 1, 1)
    fee, cycle = await firm.invoices()
    assert await firm.fees(fee) == [("fixed_fee", "2026-10-19", "2026-11-01", "130.00")]
    assert await firm.lines(cycle) == [
        ("usage", "llm", "output_tokens", 300_000, 270_000, "0.06"),
        ("fixed_fee", None, None, None, 0, "310.00"),
    ]
    await firm.pays(fee, "130.00", "bank-1")
    assert (await firm.pays(cycle, "310.06", "bank-2")).status == "paid"
    assert await story.differences() == ()


async def test_cancellation_at_trial_end_bills_no_fee(story: Story) -> None:
    """Cancelled on 12 October, for the end of the trial: no fee falls due.

    The allowance covers the days of the trial, 5 to 18: 310,000 x 14 / 31 = 140,000.
    Used 170,000 in it: 30,000 x 0.000002 = 0.06. After it 100,000 at list price: 0.20.
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 5, 10)
    await firm.subscribe(await story.plan(TRY))
    story.clock.set(2026, 10, 12, 10)
    await firm.cancel()
    story.clock.set(2026, 10, 18, 23, 59)
    await firm.use("llm", output_tokens=170_000)
    assert await story.until(2026, 10, 19, 0, 1) == []
    await firm.use("llm", output_tokens=100_000)
    await story.until(2026, 11, 1, 1)
    (cycle,) = await firm.invoices()
    assert await firm.lines(cycle) == [
        ("usage", "llm", "output_tokens", 170_000, 140_000, "0.06"),
        ("usage", "llm", "output_tokens", 100_000, 0, "0.20"),
    ]
    assert (await firm.pays(cycle, "0.26")).status == "paid"
    assert await story.differences() == ()


async def test_immediate_cancellation_in_trial_prorates_the_allowance(story: Story) -> None:
    """Cancelled on 12 October, immediately: 7 days, 5 to 11. 310,000 x 7 / 31 = 70,000 included.

    Used 100,000 before: 30,000 x 0.000002 = 0.06.
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 5, 10)
    await firm.subscribe(await story.plan(TRY))
    story.clock.set(2026, 10, 12, 10)
    await firm.use("llm", output_tokens=100_000)
    await firm.cancel(at_end=False)
    await story.until(2026, 11, 1, 1)
    (cycle,) = await firm.invoices()
    assert await firm.lines(cycle) == [
        ("usage", "llm", "output_tokens", 100_000, 70_000, "0.06"),
    ]
    assert (await firm.pays(cycle, "0.06")).status == "paid"
    assert await story.differences() == ()


async def test_upgrade_during_trial_ends_the_trial_and_bills_the_new_fee(story: Story) -> None:
    """To Scale on 12 October: this ends the trial; no fee was paid, so none is credited.

    12 to 31 October: 620.00 x 20 / 31 = 400.00.
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 5, 10)
    await firm.subscribe(await story.plan(TRY))
    story.clock.set(2026, 10, 12, 10)
    change = (await firm.change(await story.plan(SCALE))).invoices[0]
    assert await firm.fees(change) == [("fixed_fee", "2026-10-12", "2026-11-01", "400.00")]
    assert await story.until(2026, 10, 19, 0, 1) == []
    assert (await firm.pays(change, "400.00")).status == "paid"
    assert await story.differences() == ()


async def test_anniversary_periods_start_when_the_trial_ends(story: Story) -> None:
    """14 days from 15 October, anniversary periods: the trial is a period of its own.

    15 to 28 October no fee is due; periods start on 29 October and 29 November, at 310.00.
    In the trial's 14 days of a month of 30 (29 September to 28 October) 310,000 x 14 / 30 =
    144,666 are included (rounded down). Used 200,000: 55,334 x 0.000002 = 0.110668 -> 0.11.
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 15, 10)
    await firm.subscribe(await story.plan(TRY.replace("trial", 'alignment = "anniversary"\ntrial')))
    await firm.use("llm", output_tokens=200_000)
    await story.until(2026, 10, 29, 1)
    await story.until(2026, 11, 29, 1)
    trial, month = await firm.invoices()
    assert await firm.lines(trial) == [
        ("usage", "llm", "output_tokens", 200_000, 144_666, "0.11"),
        ("fixed_fee", None, None, None, 0, "310.00"),
    ]
    assert await firm.fees(trial) == [("fixed_fee", "2026-10-29", "2026-11-29", "310.00")]
    assert await firm.fees(month) == [("fixed_fee", "2026-11-29", "2026-12-29", "310.00")]
    await firm.pays_all()
    assert await story.differences() == ()
