"""Deferred revenue: fees are recognized by the days of their service, and the totals add up."""

from datetime import date

import pytest

from billing.reports.deferred_revenue import (
    DeferredRevenue,
    FeeLine,
    defer,
    deferred_lines_csv,
    load_deferred_lines,
    load_prepaid_balances,
    summarize,
)
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import SHANGHAI, Firm, Story

OCTOBER, NOVEMBER, DECEMBER = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)
YEARLY = """
plan = "yearly"
names = { en = "Yearly", zh = "年付版" }
currency = "CNY"
fixed_fee = "3650.00"
interval = "year"
list_prices = true
"""


def fee(first_day: date, end_day: date, invoiced_on: date, net: int) -> FeeLine:
    return FeeLine(
        "MAAS-000001", "Acme", "p", "fixed_fee", first_day, end_day, "CNY", invoiced_on, net
    )


async def totals(story: Story, month: date) -> list[DeferredRevenue]:
    async with story.database.transaction() as session:
        lines = await load_deferred_lines(session, month, SHANGHAI)
        return summarize(lines, await load_prepaid_balances(session, month, SHANGHAI), month)


@pytest.mark.parametrize(
    ("month", "parts"),
    [
        (date(2026, 9, 1), (0, 0, 100_00)),
        # 17 of 61 days in October, 30 in November, 14 in December.
        (OCTOBER, (0, 27_87, 72_13)),
        (NOVEMBER, (27_87, 49_18, 22_95)),
        (DECEMBER, (77_05, 22_95, 0)),
    ],
)
def test_fee_is_divided_by_the_days_of_each_month(month: date, parts: tuple[int, int, int]) -> None:
    line = fee(date(2026, 10, 15), date(2026, 12, 15), date(2026, 10, 15), 100_00)
    divided = defer(line, month)
    assert (divided.recognized_before, divided.recognized, divided.deferred) == parts


def test_fee_invoiced_after_its_service_is_recognized_with_the_invoice() -> None:
    late = defer(fee(date(2026, 9, 1), OCTOBER, date(2026, 11, 2), 30_00), NOVEMBER)
    assert (late.recognized_before, late.recognized, late.deferred) == (0, 30_00, 0)


def test_returned_fee_reduces_what_is_deferred() -> None:
    line = fee(date(2026, 10, 11), NOVEMBER, date(2026, 10, 11), -210_00)
    assert defer(line, OCTOBER).recognized == -210_00


@pytest.fixture
async def yearly(story: Story) -> Firm:
    """A plan of 3,650.00 a year at 6 % tax from 1 October, and a prepaid 500.00 of 11 November."""
    firm = await story.firm("Acme", tax_ppm=60_000)
    await firm.subscribe(await story.plan(YEARLY))
    await story.until(2026, 11, 11)
    await firm.tops_up("500.00", "bank-1")
    await firm.tops_up("70.00", "gift", paid=False)
    return firm


async def test_yearly_fee_is_invoiced_once_and_recognized_daily(yearly: Firm) -> None:
    """10.00 a day: 310.00 in October, 300.00 in November. The wallet's gift is no liability."""
    story = yearly.story
    assert await totals(story, OCTOBER) == [
        DeferredRevenue("CNY", 0, 3_650_00, 310_00, 3_340_00, prepaid=0)
    ]
    assert await totals(story, NOVEMBER) == [
        DeferredRevenue("CNY", 3_340_00, 0, 300_00, 3_040_00, prepaid=500_00)
    ]


async def test_tax_inclusive_fee_is_deferred_without_tax(story: Story) -> None:
    firm = await story.firm("Gross", tax_ppm=60_000)
    await firm.subscribe(
        await story.plan(f"tax_inclusive = true\n{YEARLY}".replace("3650", "3869"))
    )
    (total,) = await totals(story, OCTOBER)
    assert total.invoiced == 3_650_00


async def test_void_invoice_is_left_out(yearly: Firm) -> None:
    story = yearly.story
    await story.voids((await yearly.invoices())[0])
    assert [total.closing for total in await totals(story, NOVEMBER)] == [0]


async def test_csv_has_a_row_per_fee_with_its_three_parts(yearly: Firm) -> None:
    async with yearly.story.database.transaction() as session:
        lines = await load_deferred_lines(session, NOVEMBER, SHANGHAI)
    header, row, end = deferred_lines_csv(lines).decode().split("\r\n")
    assert header.startswith("invoice,account,plan,kind,first_day,last_day,currency,net")
    assert row.endswith(
        "Acme,yearly,fixed_fee,2026-10-01,2027-09-30,CNY,3650.00,310.00,300.00,3040.00"
    )
    assert end == ""


async def test_month_after_the_service_of_all_fees_has_no_totals(story: Story) -> None:
    firm = await story.firm()
    await firm.subscribe(await story.plan(GROWTH))
    await firm.cancel()
    assert await totals(story, DECEMBER) == []
