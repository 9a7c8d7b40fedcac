"""Plan changes: upgrades, downgrades and cancellations, with the proration of each day."""

from tests.support.stories.plan_texts import GROWTH, MAX, SCALE
from tests.support.stories.story import Firm, Story


async def growth_firm(story: Story) -> Firm:
    """An account on Growth since 1 October that has paid the first fee of 310.00."""
    firm = await story.firm()
    fee = (await firm.subscribe(await story.plan(GROWTH))).invoices[0]
    await firm.pays(fee, "310.00", "fee")
    return firm


async def test_upgrade_in_mid_month_credits_unused_fee_and_prorates_new_fee(story: Story) -> None:
    """From Growth to Scale on 11 October at noon: 10 days of Growth, 21 (11 to 31) of Scale.

        unused Growth   310.00 x 21 / 31      -210.00
        Scale           620.00 x 21 / 31       420.00    due at once: 210.00

    Usage is rated under the terms in force when it occurred:

        Growth  150,000 used, 310,000 x 10 / 31 = 100,000 included: 50,000 x 0.000002   0.10
        Scale   500,000 used, 620,000 x 21 / 31 = 420,000 included: 80,000 x 0.000001   0.08

    On 1 November with Scale's fee: 620.18.
    """
    firm = await growth_firm(story)
    scale = await story.plan(SCALE)
    story.clock.set(2026, 10, 11, 11, 59)
    await firm.use("llm", output_tokens=150_000)
    story.clock.set(2026, 10, 11, 12)
    preview = await firm.preview(scale)
    assert preview.now
    assert preview.amounts is not None
    assert preview.amounts.taxed.total == 210_00
    change = (await firm.change(scale)).invoices[0]
    assert await firm.fees(change) == [
        ("unused_fee", "2026-10-11", "2026-11-01", "-210.00"),
        ("fixed_fee", "2026-10-11", "2026-11-01", "420.00"),
    ]
    await firm.use("llm", output_tokens=500_000)
    await story.until(2026, 11, 1, 1)
    cycle = (await firm.invoices())[-1]
    assert await firm.lines(cycle) == [
        ("usage", "llm", "output_tokens", 150_000, 100_000, "0.10"),
        ("usage", "llm", "output_tokens", 500_000, 420_000, "0.08"),
        ("fixed_fee", None, None, None, 0, "620.00"),
    ]
    await firm.pays_all()
    assert await story.differences() == ()


async def test_second_upgrade_on_the_same_day_replaces_the_first(story: Story) -> None:
    """11 October: Growth to Scale at 10:00, to Max at 15:00. The day counts for Max, the last one.

        10:00  unused Growth  310.00 x 21 / 31  -210.00    Scale  620.00 x 21 / 31  420.00
        15:00  unused Scale   420.00 x 21 / 21  -420.00    Max    930.00 x 21 / 31  630.00

    Each change costs 210.00. Scale was in force for less than a day, so it includes no units:
    1,000,000 x 0.000001 = 1.00. Under Max 500,000 at list price: 1.00.
    """
    firm = await growth_firm(story)
    scale, most = await story.plan(SCALE), await story.plan(MAX)
    story.clock.set(2026, 10, 11, 10)
    first = (await firm.change(scale)).invoices[0]
    story.clock.set(2026, 10, 11, 12)
    await firm.use("llm", output_tokens=1_000_000)
    story.clock.set(2026, 10, 11, 15)
    second = (await firm.change(most)).invoices[0]
    assert await firm.fees(second) == [
        ("unused_fee", "2026-10-11", "2026-11-01", "-420.00"),
        ("fixed_fee", "2026-10-11", "2026-11-01", "630.00"),
    ]
    assert [firm.text(one.total) for one in (first, second)] == ["210.00", "210.00"]
    await firm.use("llm", output_tokens=500_000)
    await story.until(2026, 11, 1, 1)
    cycle = (await firm.invoices())[-1]
    assert await firm.lines(cycle) == [
        ("usage", "llm", "output_tokens", 1_000_000, 0, "1.00"),
        ("usage", "llm", "output_tokens", 500_000, 0, "1.00"),
        ("fixed_fee", None, None, None, 0, "930.00"),
    ]
    await firm.pays_all()
    assert await story.differences() == ()


async def test_downgrade_takes_effect_at_the_end_of_the_paid_period(story: Story) -> None:
    """From Scale (620.00, paid for October) down to Growth, requested on 11 October.

    The request creates no invoice. October stays under Scale: 700,000 used, 620,000 included,
    80,000 x 0.000001 = 0.08. On 1 November Growth starts: 310.00. November under Growth: 410,000
    used, 310,000 included, 100,000 x 0.000002 = 0.20, and 310.00 for December.
    """
    firm = await story.firm()
    await firm.subscribe(await story.plan(SCALE))
    growth = await story.plan(GROWTH)
    story.clock.set(2026, 10, 11)
    assert (await firm.preview(growth)).now is False
    assert (await firm.change(growth)).invoices == ()
    story.clock.set(2026, 10, 20)
    await firm.use("llm", output_tokens=700_000)
    await story.until(2026, 11, 1, 1)
    await firm.use("llm", output_tokens=410_000)
    await story.until(2026, 12, 1, 1)
    _, october, november = await firm.invoices()
    assert await firm.lines(october) == [
        ("usage", "llm", "output_tokens", 700_000, 620_000, "0.08"),
        ("fixed_fee", None, None, None, 0, "310.00"),
    ]
    assert await firm.lines(november) == [
        ("usage", "llm", "output_tokens", 410_000, 310_000, "0.20"),
        ("fixed_fee", None, None, None, 0, "310.00"),
    ]
    await firm.pays_all()
    assert await story.differences() == ()


async def test_resumed_subscription_continues_after_a_scheduled_cancellation(story: Story) -> None:
    """Cancelled on 11 October for the end of the month, resumed on the 20th: the plan continues.

    410,000 used in October, 310,000 included: 0.20, and November's fee of 310.00.
    """
    firm = await growth_firm(story)
    story.clock.set(2026, 10, 11)
    await firm.cancel()
    story.clock.set(2026, 10, 20)
    await firm.resume()
    story.clock.set(2026, 10, 31, 23, 59)
    await firm.use("llm", output_tokens=410_000)
    await story.until(2026, 11, 1, 1)
    cycle = (await firm.invoices())[-1]
    assert await firm.lines(cycle) == [
        ("usage", "llm", "output_tokens", 410_000, 310_000, "0.20"),
        ("fixed_fee", None, None, None, 0, "310.00"),
    ]
    await firm.pays_all()
    assert await story.differences() == ()


async def test_cancellation_at_period_end_stops_fees_and_allowance_in_the_next_month(
    story: Story,
) -> None:
    """October is billed under Growth; November at list prices, and no fee falls due.

    October: 410,000 used, 310,000 included, 0.20. November: 410,000 x 0.000002 = 0.82.
    """
    firm = await growth_firm(story)
    story.clock.set(2026, 10, 11)
    await firm.cancel()
    story.clock.set(2026, 10, 31, 23, 59)
    await firm.use("llm", output_tokens=410_000)
    await story.until(2026, 11, 1, 1)
    await firm.use("llm", output_tokens=410_000)
    await story.until(2026, 12, 1, 1)
    _, october, november = await firm.invoices()
    assert await firm.lines(october) == [
        ("usage", "llm", "output_tokens", 410_000, 310_000, "0.20"),
    ]
    assert await firm.lines(november) == [("usage", "llm", "output_tokens", 410_000, 0, "0.82")]
    await firm.pays_all()
    assert await story.differences() == ()


async def test_immediate_cancellation_prorates_the_allowance_without_refund(story: Story) -> None:
    """Cancelled on 11 October: 10 days of 31, and no part of the fee is refunded.

    Before: 150,000 used, 310,000 x 10 / 31 = 100,000 included, 50,000 x 0.000002 = 0.10.
    After: 150,000 at list price, 0.30.
    """
    firm = await growth_firm(story)
    story.clock.set(2026, 10, 11, 9)
    await firm.use("llm", output_tokens=150_000)
    await firm.cancel(at_end=False)
    story.clock.set(2026, 10, 11, 10)
    await firm.use("llm", output_tokens=150_000)
    await story.until(2026, 11, 1, 1)
    cycle = (await firm.invoices())[-1]
    assert await firm.lines(cycle) == [
        ("usage", "llm", "output_tokens", 150_000, 100_000, "0.10"),
        ("usage", "llm", "output_tokens", 150_000, 0, "0.30"),
    ]
    await firm.pays_all()
    assert await story.differences() == ()
