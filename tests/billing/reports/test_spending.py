"""Spending of a billing period by day, hour, model, key, settlement and tag."""

from datetime import timedelta
from typing import Any

import pytest

from billing.reports.spending import (
    NO_FILTER,
    SpendingDimension,
    SpendingFilter,
    SpendingRow,
    list_spending,
    list_spending_by_tag,
    list_tags,
    merge_by_model,
    merge_by_time,
)
from billing.subscriptions.periods import ensure_period_at, list_past_periods
from billing.tables import BillingPeriod, Settlement
from infra.database.database import Database
from tests.support.billing.making import sql
from tests.support.stories.story import Firm, Story


@pytest.fixture
async def firm(database: Database) -> Firm:
    """In October: two calls to llm at ten and one to vib at eleven on the 12th; one to llm on the
    13th just after midnight, which is the 12th in UTC; and one failed by a platform fault."""
    story = Story(database)
    firm = await story.firm()
    at = story.clock.at
    await firm.use("llm", at(2026, 10, 12, 10), {"machine": "CNC-01"}, input_tokens=100)
    await firm.use("llm", at(2026, 10, 12, 10, 59), {"machine": "CNC-02"}, output_tokens=7)
    await firm.use("vib", at(2026, 10, 12, 11), {"machine": "CNC-01", "order": "A-1"}, rows=3)
    await firm.use("llm", at(2026, 10, 13, 0, 30), output_tokens=5)
    fault = Settlement.PLATFORM_FAULT
    await firm.use("llm", at(2026, 10, 13, 9), settlement=fault, output_tokens=1)
    story.clock.set(2026, 10, 14)
    await story.counts()
    return firm


async def period_of(firm: Firm) -> BillingPeriod:
    async with firm.story.database.transaction() as session:
        return await ensure_period_at(session, firm.account.id, firm.story.clock.now())


async def spent(
    firm: Firm, by: SpendingDimension, only: SpendingFilter = NO_FILTER, **more: Any
) -> list[SpendingRow]:
    period = await period_of(firm)
    async with firm.story.database.transaction() as session:
        return await list_spending(session, firm.account.id, period, by, only, **more)


class TestSpendingByTime:
    async def test_days_are_in_the_time_zone_of_the_account(self, firm: Firm) -> None:
        at = firm.story.clock.at
        assert [(one.value, one.calls) for one in await spent(firm, SpendingDimension.DAY)] == [
            (at(2026, 10, 12), 3),
            (at(2026, 10, 13), 1),
        ]

    async def test_daily_rows_are_grouped_by_model(self, firm: Firm) -> None:
        found = await spent(firm, SpendingDimension.DAY, by_model=True)
        assert [(one.model, one.cost_nano) for one in found] == [
            ("llm", 100 * 500 + 7 * 2_000),
            ("vib", 3_000_000),
            ("llm", 5 * 2_000),
        ]

    async def test_hourly_rows_of_one_day(self, firm: Firm) -> None:
        at = firm.story.clock.at
        day = SpendingFilter(since=at(2026, 10, 12), until=at(2026, 10, 13))
        found = await spent(firm, SpendingDimension.HOUR, day)
        assert [(one.value, one.calls) for one in found] == [
            (at(2026, 10, 12, 10), 2),
            (at(2026, 10, 12, 11), 1),
        ]

    async def test_late_calls_have_no_day_value(self, firm: Firm) -> None:
        story = firm.story
        await story.until(2026, 11, 1, 1)
        await firm.use("vib", story.clock.at(2026, 10, 30), rows=1)
        await firm.use("vib", story.clock.at(2026, 11, 1, 0, 30), rows=2)
        await story.counts()
        found = await spent(firm, SpendingDimension.DAY)
        assert [(one.value, one.quantities.rows) for one in found] == [
            (story.clock.at(2026, 11, 1), 2),
            (None, 1),
        ]


class TestSpendingByDimension:
    async def test_models_are_listed_by_cost_descending(self, firm: Firm) -> None:
        found = await spent(firm, SpendingDimension.MODEL)
        assert [(one.value, one.calls, one.quantities.rows) for one in found] == [
            ("vib", 1, 3),
            ("llm", 3, 0),
        ]

    async def test_model_filter_returns_one_row(self, firm: Firm) -> None:
        found = await spent(firm, SpendingDimension.MODEL, SpendingFilter(model="vib"))
        assert [one.value for one in found] == ["vib"]

    async def test_key_rows_and_key_filter(self, firm: Firm) -> None:
        (found,) = await spent(firm, SpendingDimension.KEY)
        assert found.calls == 4
        assert await spent(firm, SpendingDimension.KEY, SpendingFilter(key_id=firm.key_id)) == []

    async def test_settlement_rows_include_unbilled_calls(self, firm: Firm) -> None:
        found = await spent(firm, SpendingDimension.SETTLEMENT)
        assert {one.value: (one.calls, one.cost_nano > 0) for one in found} == {
            "complete": (4, True),
            "platform_fault": (1, False),
        }


class TestSpendingMerge:
    async def test_merged_rows_equal_a_direct_query(self, firm: Firm) -> None:
        both = await spent(firm, SpendingDimension.DAY, by_model=True)
        assert merge_by_time(both) == await spent(firm, SpendingDimension.DAY)
        assert merge_by_model(both) == await spent(firm, SpendingDimension.MODEL)


class TestSpendingByTag:
    async def test_tag_names_are_listed_by_cost_descending(self, firm: Firm) -> None:
        period = await period_of(firm)
        async with firm.story.database.transaction() as session:
            assert await list_tags(session, firm.account.id, period) == ["machine", "order"]

    async def test_tag_values_have_calls_and_cost(self, firm: Firm) -> None:
        period = await period_of(firm)
        async with firm.story.database.transaction() as session:
            found = await list_spending_by_tag(session, firm.account.id, period, "machine")
        assert [(one.value, one.calls, one.cost_nano) for one in found] == [
            ("CNC-01", 2, 3_050_000),
            ("CNC-02", 1, 14_000),
        ]


class TestSpendingTenantIsolation:
    async def test_period_of_another_account_returns_no_rows(self, firm: Firm) -> None:
        other = await firm.story.firm("Other")
        period = await period_of(firm)
        async with firm.story.database.transaction() as session:
            place = session, other.account.id, period
            assert await list_spending(*place, SpendingDimension.MODEL) == []
            assert await list_tags(*place) == []
            assert await list_spending_by_tag(*place, "machine") == []


class TestSpendingQuery:
    async def test_spending_is_read_without_usage_rows(self, firm: Firm) -> None:
        """The query reads usage totals only, so its cost does not grow with the calls."""
        before = await spent(firm, SpendingDimension.MODEL)
        forget = "set local session_replication_role = replica; delete from usage;"
        await sql(firm.story.database, f"do $$ begin {forget} end $$")
        assert await spent(firm, SpendingDimension.MODEL) == before


class TestPastPeriods:
    async def test_past_periods_are_listed_newest_first(self, firm: Firm) -> None:
        await firm.story.until(2026, 12, 2)
        now = firm.story.clock.now()
        async with firm.story.database.transaction() as session:
            found = await list_past_periods(session, firm.account.id, now, 2)
        at = firm.story.clock.at
        assert [one.starts_at for one in found] == [at(2026, 12, 1), at(2026, 11, 1)]
        assert found[1].ends_at - found[1].starts_at == timedelta(days=30)
