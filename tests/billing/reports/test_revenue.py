"""Revenue: by month from the ledger, by dimension from invoice lines."""

from datetime import date

import pytest

from billing.reports.revenue import (
    MonthlyRevenue,
    RevenueDimension,
    RevenueShare,
    list_revenue_by,
    list_revenue_by_month,
    load_uninvoiced_usage,
    newest_plan_versions,
)
from billing.subscriptions.plans import load_terms
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import SHANGHAI, Story


@pytest.fixture
async def year(story: Story) -> Story:
    """A plan of 310.00 in October and November, usage of 30.00 and 4.00 in October at 6 % tax, a
    credit note of 10.60, and an invoice that was written off."""
    acme = await story.firm("Acme", tax_ppm=60_000)
    await acme.subscribe(await story.plan(GROWTH))
    await acme.use("vib", rows=30_000)
    await acme.use("eye", images=80)
    lost = await story.firm("Lost")
    await lost.use("vib", rows=5_000)
    await story.until(2026, 11, 1, 1)
    await acme.is_credited((await acme.invoices())[-1], "10.60")
    (owed,) = await lost.invoices()
    await story.gives_up(owed)
    await acme.use("vib", rows=2_000)
    await story.counts()
    return story


async def parts(
    story: Story, part: RevenueDimension, *, currency: str = "CNY"
) -> list[RevenueShare]:
    since, until = story.clock.at(2026, 10, 1), story.clock.at(2026, 12, 1)
    async with story.database.transaction() as session:
        return await list_revenue_by(session, part, currency, since, until)


class TestMonthlyRevenue:
    async def test_monthly_revenue_is_computed_from_ledger_accounts(self, year: Story) -> None:
        since, until = year.clock.at(2026, 10, 1), year.clock.at(2026, 12, 1)
        async with year.database.transaction() as session:
            months = await list_revenue_by_month(session, since, until, SHANGHAI)
        assert months == [
            MonthlyRevenue("CNY", date(2026, 10, 1), usage=0, fees=31_000, credited=0, lost=0),
            MonthlyRevenue(
                "CNY", date(2026, 11, 1), usage=3_900, fees=31_000, credited=1_000, lost=500
            ),
        ]
        assert months[1].net == 33_900

    async def test_uninvoiced_usage_is_summed_by_currency(self, year: Story) -> None:
        async with year.database.transaction() as session:
            assert await load_uninvoiced_usage(session) == {"CNY": 2 * 10**9}


class TestRevenueByDimension:
    async def test_revenue_by_dimension_is_net_of_tax(self, year: Story) -> None:
        assert await parts(year, RevenueDimension.PLAN) == [
            RevenueShare("growth", 65_400, 2),
            RevenueShare("list", 500, 1),
        ]
        assert await parts(year, RevenueDimension.KIND) == [
            RevenueShare("fees", 62_000, 2),
            RevenueShare("usage", 3_900, 2),
        ]
        assert await parts(year, RevenueDimension.MODEL) == [
            RevenueShare(None, 62_000, 2),
            RevenueShare("vib", 3_500, 2),
            RevenueShare("eye", 400, 1),
        ]
        assert await parts(year, RevenueDimension.ACCOUNT) == [
            RevenueShare("Acme", 65_400, 2),
            RevenueShare("Lost", 500, 1),
        ]
        assert await parts(year, RevenueDimension.PLAN, currency="USD") == []

    async def test_tax_inclusive_prices_are_reported_net(self, story: Story) -> None:
        firm = await story.firm(tax_ppm=60_000)
        await firm.subscribe(
            await story.plan(
                f"{GROWTH.lstrip()}".replace(
                    "list_prices = true", "list_prices = true\ntax_inclusive = true"
                )
            )
        )
        (invoice,) = await firm.invoices()
        assert await parts(story, RevenueDimension.PLAN) == [RevenueShare("growth", invoice.net, 1)]
        assert invoice.net == 29_245

    async def test_newest_plan_version_has_the_plan_names(self, year: Story) -> None:
        async with year.database.transaction() as session:
            names = await newest_plan_versions(session)
            terms = await load_terms(session, names.values())
        assert terms[names["growth"]].names["en"] == "Growth"
