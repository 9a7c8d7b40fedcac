"""Plan changes when a fee has fallen due and no job has run since.

Each test runs with and without the jobs just before. The amounts are equal, because a change first
does what the jobs would have done.
"""

import pytest

from tests.support.stories.plan_texts import GROWTH, SCALE
from tests.support.stories.story import Firm, Story

JOBS_FIRST = pytest.mark.parametrize(
    "jobs_first", [True, False], ids=["jobs first", "change first"]
)


async def growth_until(story: Story, *at: int, jobs_first: bool) -> Firm:
    """An account on Growth from 1 October; no job has run since the evening of 31 October."""
    firm = await story.firm()
    await firm.subscribe(await story.plan(GROWTH))
    await story.until(2026, 10, 31, 20)
    story.clock.set(*at)
    if jobs_first:
        await story.jobs()
    return firm


async def all_fees(firm: Firm) -> list[tuple[str, str, str, str]]:
    return [line for invoice in await firm.invoices() for line in await firm.fees(invoice)]


@JOBS_FIRST
async def test_upgrade_just_after_midnight_first_bills_the_due_fee(
    story: Story, jobs_first: bool
) -> None:
    """1 November, 00:10: Growth's 310.00 for November is billed, then credited in full.

    310.00 + (620.00 - 310.00) = 620.00 for November, and no day is billed twice.
    """
    firm = await growth_until(story, 2026, 11, 1, 0, 10, jobs_first=jobs_first)
    scale = await story.plan(SCALE)
    preview = await firm.preview(scale)
    change = (await firm.change(scale)).invoices[0]
    assert firm.text(change.total) == "310.00"
    assert [line.minor for line in preview.lines] == [-310_00, 620_00]
    await story.until(2026, 11, 1, 1)
    assert sorted(await all_fees(firm)) == [
        ("fixed_fee", "2026-10-01", "2026-11-01", "310.00"),
        ("fixed_fee", "2026-11-01", "2026-12-01", "310.00"),
        ("fixed_fee", "2026-11-01", "2026-12-01", "620.00"),
        ("unused_fee", "2026-11-01", "2026-12-01", "-310.00"),
    ]
    await firm.pays_all()
    assert await story.differences() == ()


@JOBS_FIRST
async def test_upgrade_after_two_days_of_downtime_first_bills_the_due_fee(
    story: Story, jobs_first: bool
) -> None:
    """3 November, noon: two days of Growth and 28 of Scale (3 to 30).

        Growth for November                    310.00
        unused fee    310.00 x 28 / 30        -289.33   (289.3333)
        Scale         620.00 x 28 / 30         578.67   (578.6667)

    289.34 are due at once, and Growth's 310.00 with October's invoice.
    """
    firm = await growth_until(story, 2026, 11, 3, 12, jobs_first=jobs_first)
    change = (await firm.change(await story.plan(SCALE))).invoices[0]
    assert await firm.fees(change) == [
        ("unused_fee", "2026-11-03", "2026-12-01", "-289.33"),
        ("fixed_fee", "2026-11-03", "2026-12-01", "578.67"),
    ]
    await story.jobs()
    assert ("fixed_fee", "2026-11-01", "2026-12-01", "310.00") in await all_fees(firm)
    assert len(await all_fees(firm)) == 4
    await firm.pays_all()
    assert await story.differences() == ()


YEARLY = """
plan = "yearly"
names = { en = "Yearly", zh = "年付版" }
currency = "CNY"
fixed_fee = "1200.00"
interval = "year"
list_prices = true
"""


@JOBS_FIRST
async def test_cancellation_on_renewal_day_ends_after_the_renewed_year(
    story: Story, jobs_first: bool
) -> None:
    """The second year's 1,200.00 fell due at midnight, so the cancellation ends after that year."""
    firm = await story.firm()
    await firm.subscribe(await story.plan(YEARLY))
    await story.until(2027, 9, 30)
    story.clock.set(2027, 10, 1, 0, 10)
    if jobs_first:
        await story.jobs()
    await firm.cancel()
    for month in (11, 12):
        await story.until(2027, month, 1, 1)
    assert await all_fees(firm) == [
        ("fixed_fee", "2026-10-01", "2027-10-01", "1200.00"),
        ("fixed_fee", "2027-10-01", "2028-10-01", "1200.00"),
    ]
    assert await firm.is_on("yearly", 2028, 9, 30)
    assert not await firm.is_on("yearly", 2028, 10, 1)
    assert await story.until(2028, 10, 1, 1) == []
    await firm.pays_all()
    assert await story.differences() == ()
