"""Billing periods: starts in mid-month, month ends, leap days, years and time zones."""

from zoneinfo import ZoneInfo

import pytest

from infra.database.database import Database
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Story


async def test_plan_started_in_mid_month_is_prorated_by_days(story: Story) -> None:
    """Growth starts on 15 October, 14:00. The 15th counts as a full day: 17 of 31 days (15 to 31).

    Fee 310.00 x 17 / 31 = 170.00. Included 310,000 x 17 / 31 = 170,000 output tokens.
    Used 500,000: 330,000 x 0.000002 = 0.66. November is a full month: 310.00.
    """
    firm = await story.firm()
    story.clock.set(2026, 10, 15, 14)
    fee = (await firm.subscribe(await story.plan(GROWTH))).invoices[0]
    assert await firm.fees(fee) == [("fixed_fee", "2026-10-15", "2026-11-01", "170.00")]
    await firm.use("llm", output_tokens=500_000)
    await story.until(2026, 11, 1, 1)
    _, cycle = await firm.invoices()
    assert (await firm.lines(cycle))[0] == (
        ("usage", "llm", "output_tokens", 500_000, 170_000, "0.66")
    )
    assert await firm.fees(cycle) == [("fixed_fee", "2026-11-01", "2026-12-01", "310.00")]
    await firm.pays(fee, "170.00", "bank-1")
    assert (await firm.pays(cycle, "310.66", "bank-2")).status == "paid"
    assert await story.differences() == ()


ROUND = """
plan = "round"
names = { en = "Round", zh = "周期版" }
currency = "CNY"
fixed_fee = "90.00"
alignment = "anniversary"
list_prices = true
"""


@pytest.mark.parametrize(
    ("year", "second"), [(2027, "2027-02-28"), (2028, "2028-02-29")], ids=["common", "leap"]
)
async def test_anniversary_periods_from_31_january_start_on_each_months_last_day(
    story: Story, year: int, second: str
) -> None:
    """A plan with anniversary periods from 31 January: they start on the 31st or the last day.

        31 January  to the last of February   90.00  (in advance)
        28 or 29 February to 31 March         90.00
        31 March    to 30 April               90.00

    Usage before the plan (2.00 at list prices, 1 to 30 January) has an invoice of its own. 3.00 on
    the day before the last of February belong to the first period, 4.00 on that last day to the
    second.
    """
    story.clock.set(year, 1, 10)
    firm = await story.firm()
    await firm.use("vib", rows=2_000)
    story.clock.set(year, 1, 31, 10)
    first = (await firm.subscribe(await story.plan(ROUND))).invoices[0]
    assert await firm.fees(first) == [("fixed_fee", f"{year}-01-31", second, "90.00")]
    await story.until(year, 1, 31, 11)
    last = int(second[-2:])
    story.clock.set(year, 2, last - 1, 23, 59)
    await firm.use("vib", rows=3_000)
    story.clock.set(year, 2, last, 0, 0)
    await firm.use("vib", rows=4_000)
    await story.until(year, 2, last, 1)
    await story.until(year, 3, 31, 1)
    _, before, february, march = await firm.invoices()
    assert [firm.text(one.total) for one in (before, february, march)] == ["2.00", "93.00", "94.00"]
    assert await firm.fees(february) == [("fixed_fee", second, f"{year}-03-31", "90.00")]
    assert await firm.fees(march) == [("fixed_fee", f"{year}-03-31", f"{year}-04-30", "90.00")]
    for place, one in enumerate((first, before, february, march)):
        assert (await firm.pays(one, firm.text(one.total), f"bank-{place}")).status == "paid"
    assert await story.differences() == ()


YEARLY = """
plan = "yearly"
names = { en = "Yearly", zh = "年付版" }
currency = "CNY"
fixed_fee = "1200.00"
interval = "year"
list_prices = true

[[allowance]]
model = "vib"
meter = "rows"
quantity = 30_000
"""


async def test_yearly_fee_is_billed_in_advance_and_usage_monthly(story: Story) -> None:
    """From 15 November 2026: 1,200.00 for a year, billed again on 15 November 2027.

    30,000 rows are included in each month; in November 16 of 30 days (15 to 30): 16,000.
    November: 20,000 rows, 4,000 to pay at 0.001 = 4.00. December: 35,000, 5,000 to pay = 5.00.
    """
    firm = await story.firm()
    story.clock.set(2026, 11, 15, 9)
    year = (await firm.subscribe(await story.plan(YEARLY))).invoices[0]
    assert await firm.fees(year) == [("fixed_fee", "2026-11-15", "2027-11-15", "1200.00")]
    await firm.use("vib", rows=20_000)
    await story.until(2026, 12, 1, 1)
    await firm.use("vib", rows=35_000)
    await story.until(2027, 1, 1, 1)
    assert await story.until(2027, 11, 14, 23, 59) == []
    await story.until(2027, 11, 15, 0, 1)
    _, november, december, again = await firm.invoices()
    assert await firm.lines(november) == [("usage", "vib", "rows", 20_000, 16_000, "4.00")]
    assert await firm.lines(december) == [("usage", "vib", "rows", 35_000, 30_000, "5.00")]
    assert await firm.fees(again) == [("fixed_fee", "2027-11-15", "2028-11-15", "1200.00")]
    for place, one in enumerate((year, november, december, again)):
        assert (await firm.pays(one, firm.text(one.total), f"bank-{place}")).status == "paid"
    assert await story.differences() == ()


PLAIN = """
plan = "plain"
names = { en = "Plain", zh = "基础版" }
currency = "USD"
fixed_fee = "310.00"
list_prices = true
"""


async def test_month_in_new_york_with_dst_end_is_billed_by_local_days(
    database: Database,
) -> None:
    """In New York the clocks went back on 1 November 2026 at 02:00, so November had 721 hours.

    It starts at local midnight, 04:00 UTC, and ends at local midnight, 05:00 UTC. Proration counts
    days, not hours:

        25 to 31 October: 7 of 31 days of 310.00                       70.00
        1.00 at 23:59 on 31 October is October's                        1.00
        2.00 at 00:00 on 1 November, 3.00 at 23:59 on the 30th          5.00
    """
    story = Story(database, ZoneInfo("America/New_York"))
    firm = await story.firm(currency="USD")
    story.clock.set(2026, 10, 25, 8)
    fee = (await firm.subscribe(await story.plan(PLAIN))).invoices[0]
    for at, rows in (
        ((2026, 10, 31, 23, 59), 1_000),
        ((2026, 11, 1, 0, 0), 2_000),
        ((2026, 11, 30, 23, 59), 3_000),
        ((2026, 12, 1, 0, 0), 4_000),
    ):
        await story.until(*at)
        await firm.use("vib", rows=rows)
        await story.until(*at, 1)
    await story.until(2026, 12, 1, 1)
    _, october, november = await firm.invoices()
    assert (november.starts_at.hour, november.ends_at.hour) == (4, 5)
    assert [firm.text(one.total) for one in (fee, october, november)] == [
        "70.00",
        "311.00",
        "315.00",
    ]
    for place, one in enumerate((fee, october, november)):
        assert (await firm.pays(one, firm.text(one.total), f"bank-{place}")).status == "paid"
    assert await story.differences() == ()


async def test_month_in_kolkata_starts_at_local_midnight_on_a_utc_half_hour(
    database: Database,
) -> None:
    """Kolkata is UTC+5:30: November starts at 18:30 UTC, in the middle of an hour of UTC.

    1.00 at 23:59 is billed in October and 2.00 one minute later in November.
    """
    story = Story(database, ZoneInfo("Asia/Kolkata"))
    firm = await story.firm()
    story.clock.set(2026, 10, 31, 23, 59)
    await firm.use("vib", rows=1_000)
    await story.until(2026, 11, 1, 0, 0)
    await firm.use("vib", rows=2_000)
    await story.until(2026, 11, 1, 1)
    await story.until(2026, 12, 1, 1)
    october, november = await firm.invoices()
    assert (october.ends_at.hour, october.ends_at.minute) == (18, 30)
    assert [firm.text(one.total) for one in (october, november)] == ["1.00", "2.00"]
    await firm.pays(october, "1.00", "bank-1")
    assert (await firm.pays(november, "2.00", "bank-2")).status == "paid"
    assert await story.differences() == ()


async def test_change_from_anniversary_to_calendar_periods_bills_the_gap_separately(
    story: Story,
) -> None:
    """Anniversary periods from 15 October, cancelled for 15 November; Growth from 20 November.

        15 October  to 14 November   90.00
        15 November to 19 November   without a plan: 1.00 at list prices, invoiced by itself
        20 November to 30 November   310.00 x 11 / 30 = 113.67 (113.6667)
        December                     310.00

    Of 310,000 tokens 310,000 x 11 / 30 = 113,666 are included from the 20th on (rounded down).
    Used 213,666: 100,000 x 0.000002 = 0.20.
    """
    story.clock.set(2026, 10, 15)
    firm = await story.firm()
    await firm.subscribe(await story.plan(ROUND))
    await firm.cancel()
    await story.until(2026, 11, 15, 1)
    await firm.use("vib", rows=1_000)
    story.clock.set(2026, 11, 20, 10)
    await firm.subscribe(await story.plan(GROWTH))
    await firm.use("llm", output_tokens=213_666)
    await story.until(2026, 11, 20, 11)
    await story.until(2026, 12, 1, 1)
    first, fee, between, november = await firm.invoices()
    assert await firm.fees(first) == [("fixed_fee", "2026-10-15", "2026-11-15", "90.00")]
    assert await firm.fees(fee) == [("fixed_fee", "2026-11-20", "2026-12-01", "113.67")]
    assert await firm.lines(between) == [("usage", "vib", "rows", 1_000, 0, "1.00")]
    assert await firm.lines(november) == [
        ("usage", "llm", "output_tokens", 213_666, 113_666, "0.20"),
        ("fixed_fee", None, None, None, 0, "310.00"),
    ]
    await firm.pays_all()
    assert await story.differences() == ()
