"""Usage totals: each usage row is aggregated once into the period that bills it; rebuild."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from billing.metering.usage import UsageRecord, insert_usage
from billing.rating.quantities import METERS, NO_USAGE, Quantities
from billing.rating.statement import ModelUsage
from billing.subscriptions.usage_totals import (
    NO_TERMS_ID,
    AggregationStep,
    PeriodTotals,
    aggregate_usage,
    load_period_totals,
    rebuild_totals,
    share_lock_totals,
)
from billing.tables import Settlement
from infra import ids
from infra.database.database import Database
from tests.support.billing.making import append, call, sql, until_somebody_waits
from tests.support.stories.story import Firm, Story

VERSION = UUID(int=7)
_TOTALS = """
    select to_char(p.starts_at at time zone 'Asia/Shanghai', 'YYYY-MM'),
           to_char(t.hour at time zone 'Asia/Shanghai', 'DD HH24'), t.model, t.settlement, t.late,
           t.calls, t.rows, t.cost_nano
    from usage_total t join billing_period p on p.id = t.period_id order by 1, 2, 3, 4, 5, 7
"""
_TAGS = """
    select to_char(p.starts_at at time zone 'Asia/Shanghai', 'YYYY-MM'), t.tag, t.value, t.late,
           t.calls, t.rows, t.cost_nano
    from usage_tag_total t join billing_period p on p.id = t.period_id order by 1, 2, 3, 4
"""


def row(firm: Firm, at: datetime, rows: int = 1, **values: Any) -> UsageRecord:
    return call(firm.account.id, at, rows, **{"plan_version_id": VERSION, **values})


async def step(story: Story) -> AggregationStep:
    async with story.database.transaction() as session:
        return await aggregate_usage(session, story.clock)


async def close_october(story: Story) -> None:
    """Close October as the period close does, without an invoice."""
    await step(story)
    await sql(
        story.database,
        "update billing_period set closed_at = ends_at, cut = (select consumed from usage_cursor)"
        " where ends_at <= :now",
        now=story.clock.now(),
    )


async def totals(story: Story) -> list[tuple[Any, ...]]:
    return [tuple(found) for found in await sql(story.database, _TOTALS)]


async def tags(story: Story) -> list[tuple[Any, ...]]:
    return [tuple(found) for found in await sql(story.database, _TAGS)]


async def october(story: Story) -> UUID:
    found = await sql(story.database, "select id from billing_period order by starts_at limit 1")
    return UUID(str(found[0][0]))


class TestUsageAggregation:
    async def test_rows_are_summed_by_hour_once(self, story: Story) -> None:
        firm, at = await story.firm(), story.clock.at
        calls = [row(firm, at(2026, 10, 5, hour, 30), rows=hour) for hour in (8, 8, 9)]
        await append(story.database, *calls)
        first = await step(story)
        again = await step(story)
        assert (first.accounts, again.accounts) == ((firm.account.id,), ())
        assert await totals(story) == [
            ("2026-10", "05 08", "vib", "complete", False, 2, 16, 16),
            ("2026-10", "05 09", "vib", "complete", False, 1, 9, 9),
        ]

    async def test_reasoning_tokens_are_summed_and_rebuilt(self, story: Story) -> None:
        firm, at = await story.firm(), story.clock.at(2026, 10, 5, 8)
        query = "select sum(output_tokens), sum(reasoning_tokens) from usage_total"
        for reasoning in (7, None, 0):
            used = Quantities(output_tokens=9, reasoning_tokens=reasoning)
            await append(story.database, row(firm, at, quantities=used))
            await step(story)
        assert [tuple(found) for found in await sql(story.database, query)] == [(27, 7)]
        async with story.database.transaction() as session:
            await rebuild_totals(session, firm.account.id)
        assert [tuple(found) for found in await sql(story.database, query)] == [(27, 7)]

    async def test_open_transaction_delays_its_own_and_later_rows(
        self, story: Story, database_url: str
    ) -> None:
        """Rows of the open transaction and of later transactions are not aggregated yet."""
        firm, at = await story.firm(), story.clock.at(2026, 10, 5, 8)
        await step(story)
        other = Database(database_url, pool_size=1)
        async with other.transaction() as slow:
            await insert_usage(slow, [row(firm, at, rows=100)])
            await append(story.database, row(firm, at, rows=20))
            assert (await step(story)).accounts == ()
            assert await totals(story) == []
        assert (await step(story)).accounts == (firm.account.id,)
        assert [found[-2] for found in await totals(story)] == [120]
        await step(story)
        assert [found[-2] for found in await totals(story)] == [120]
        await other.close()

    async def test_rolled_back_row_does_not_delay_aggregation(
        self, story: Story, database_url: str
    ) -> None:
        firm, at = await story.firm(), story.clock.at(2026, 10, 5, 8)
        other = Database(database_url, pool_size=1)
        async with other.transaction() as slow:
            await insert_usage(slow, [row(firm, at, rows=100)])
            await append(story.database, row(firm, at, rows=20))
            await slow.rollback()
        await step(story)
        assert [found[-2] for found in await totals(story)] == [20]
        await other.close()

    async def test_concurrent_aggregations_count_each_row_once(self, story: Story) -> None:
        firm = await story.firm()
        await append(story.database, *(row(firm, story.clock.now()) for _ in range(50)))
        await asyncio.gather(step(story), step(story))
        assert [found[-3:] for found in await totals(story)] == [(50, 50, 50)]

    async def test_aggregation_waits_for_the_shared_lock_of_totals(self, story: Story) -> None:
        """A period close holds the shared lock."""
        firm = await story.firm()
        await append(story.database, row(firm, story.clock.now()))
        async with story.database.transaction() as session:
            held = await share_lock_totals(session)
            waiting = asyncio.create_task(step(story))
            await until_somebody_waits(session)
            counted = text("select count(*) from usage_total")
            assert (await session.execute(counted)).scalar_one() == 0
            assert await share_lock_totals(session) == held
        assert (await waiting).cut > held.consumed
        assert len(await totals(story)) == 1

    async def test_calls_without_account_are_not_aggregated(self, story: Story) -> None:
        firm = await story.firm()
        refused = replace(
            row(firm, story.clock.now(), cost_nano=0, settlement=Settlement.REFUSED),
            account_id=None,
        )
        await append(story.database, refused)
        assert (await step(story)).accounts == ()
        assert await totals(story) == []


class TestTotalsByPeriod:
    async def test_late_rows_are_added_to_the_oldest_open_period(self, story: Story) -> None:
        firm, at = await story.firm(), story.clock.at
        await append(story.database, row(firm, at(2026, 10, 31, 23, 59), rows=1))
        story.clock.set(2026, 11, 1, 1)
        await close_october(story)
        await append(
            story.database,
            row(firm, at(2026, 10, 31, 23, 59), rows=10),
            row(firm, at(2026, 11, 1), rows=100),
        )
        await step(story)
        assert await totals(story) == [
            ("2026-10", "31 23", "vib", "complete", False, 1, 1, 1),
            ("2026-11", "01 00", "vib", "complete", False, 1, 100, 100),
            ("2026-11", "31 23", "vib", "complete", True, 1, 10, 10),
        ]

    async def test_rows_before_the_first_period_are_late_rows_of_it(self, story: Story) -> None:
        firm = await story.firm()
        await append(story.database, row(firm, story.clock.at(2026, 9, 30, 23)))
        await step(story)
        assert await totals(story) == [("2026-10", "30 23", "vib", "complete", True, 1, 1, 1)]

    async def test_future_rows_move_to_their_period_when_it_starts(self, story: Story) -> None:
        firm, at = await story.firm(), story.clock.at
        story.clock.set(2026, 10, 31, 23, 59)
        await append(story.database, row(firm, at(2026, 11, 1, 0, 1), tags={"order": "7"}))
        await step(story)
        assert [found[0] for found in await totals(story) + await tags(story)] == ["2026-10"] * 2
        story.clock.set(2026, 11, 1)
        await step(story)
        assert [found[0] for found in await totals(story) + await tags(story)] == ["2026-11"] * 2


class TestTagTotals:
    async def test_only_billable_rows_are_summed_by_tag(self, story: Story) -> None:
        firm, now = await story.firm(), story.clock.now()
        order = {"order": "7", "machine": "lathe"}
        await append(
            story.database,
            row(firm, now, rows=1, tags=order),
            row(firm, now, rows=2, tags={"order": "7"}, settlement=Settlement.CLIENT_ABORT),
            row(firm, now, rows=4, tags=order, cost_nano=0, settlement=Settlement.UNKNOWN),
            row(firm, now, rows=8),
        )
        await step(story)
        assert await tags(story) == [
            ("2026-10", "machine", "lathe", False, 1, 1, 1),
            ("2026-10", "order", "7", False, 2, 3, 3),
        ]


class TestTotalsRebuild:
    async def rows(self, story: Story) -> Firm:
        """Append on-time, late, future, unbillable and tagged rows around the close of October."""
        firm, other, at = await story.firm("A"), await story.firm("B"), story.clock.at
        story.clock.set(2026, 10, 31, 23, 59)
        await append(
            story.database,
            row(firm, at(2026, 10, 5), rows=1, tags={"order": "7"}),
            row(firm, at(2026, 11, 1, 0, 1), rows=2, tags={"order": "8"}),
            row(other, at(2026, 10, 5), rows=4, tags={"order": "9"}),
        )
        await step(story)
        story.clock.set(2026, 11, 1, 1)
        await close_october(story)
        failed: dict[str, Any] = {"cost_nano": 0, "settlement": Settlement.PLATFORM_FAULT}
        await append(
            story.database,
            row(firm, at(2026, 10, 31), rows=8, tags={"order": "7"}),
            row(firm, at(2026, 11, 1, 0, 30), rows=16, plan_version_id=None),
            row(firm, at(2026, 11, 1, 0, 40), rows=32, tags={"order": "8"}, **failed),
            row(other, at(2026, 10, 31), rows=64, model=None),
        )
        await step(story)
        return firm

    async def test_rebuild_reproduces_unchanged_totals(self, story: Story) -> None:
        firm = await self.rows(story)
        before = await totals(story), await tags(story)
        await append(story.database, row(firm, story.clock.now(), rows=999))  # not counted yet
        async with story.database.transaction() as session:
            await rebuild_totals(session, firm.account.id)
        assert (await totals(story), await tags(story)) == before

    @pytest.mark.parametrize("table", ["usage_total", "usage_tag_total"])
    async def test_rebuild_restores_deleted_totals(self, story: Story, table: str) -> None:
        firm = await self.rows(story)
        before = await totals(story), await tags(story)
        await sql(
            story.database,
            f"delete from {table} where account_id = :of and period_id in"
            " (select id from billing_period where closed_at is null)",
            of=firm.account.id,
        )
        assert (await totals(story), await tags(story)) != before
        async with story.database.transaction() as session:
            await rebuild_totals(session, firm.account.id)
        assert (await totals(story), await tags(story)) == before


class TestTotalsByMeter:
    CALL = Quantities(7, 2, 3, 4, 5, 600, 8)

    async def counted(self, story: Story) -> list[tuple[Any, ...]]:
        """Sums of every meter in the totals by hour and by tag."""
        sums = ", ".join(f"sum({meter})::bigint" for meter in METERS)
        return [
            tuple((await sql(story.database, f"select {sums} from {table}"))[0])
            for table in ("usage_total", "usage_tag_total")
        ]

    async def test_every_meter_is_aggregated_and_rebuilt(self, story: Story) -> None:
        """Two equal rows in two steps, and one row without quantities."""
        firm, now = await story.firm(), story.clock.now()
        tagged: dict[str, Any] = {"tags": {"order": "7"}, "quantities": self.CALL}
        await append(story.database, row(firm, now, **tagged))
        await step(story)
        await append(story.database, row(firm, now, **tagged), row(firm, now, quantities=NO_USAGE))
        await step(story)
        assert await self.counted(story) == [(14, 4, 6, 8, 10, 1200, 16)] * 2
        async with story.database.transaction() as session:
            await rebuild_totals(session, firm.account.id)
        assert await self.counted(story) == [(14, 4, 6, 8, 10, 1200, 16)] * 2
        async with story.database.transaction() as session:
            period = await october(story)
            found = (await load_period_totals(session, firm.account.id, [period]))[period]
        assert found.consumed == {VERSION: [ModelUsage("vib", self.CALL + self.CALL)]}


class TestPeriodTotals:
    async def used(self, story: Story, *records: UsageRecord) -> PeriodTotals:
        await append(story.database, *records)
        await step(story)
        async with story.database.transaction() as session:
            period = await october(story)
            return (
                await load_period_totals(session, records[0].account_id or NO_TERMS_ID, [period])
            )[period]

    async def test_usage_is_grouped_by_terms_and_model(self, story: Story) -> None:
        firm, now = await story.firm(), story.clock.now()
        tokens = Quantities(input_tokens=5, cached_input_tokens=2, output_tokens=3)
        found = await self.used(
            story,
            row(firm, now, rows=1),
            row(firm, now - timedelta(days=1), rows=2),
            row(firm, now, model="llm", quantities=tokens),
            row(firm, now, rows=4, plan_version_id=None),
            row(firm, now, rows=8, cost_nano=0, settlement=Settlement.PLATFORM_FAULT),
        )
        assert found.consumed == {
            NO_TERMS_ID: [ModelUsage("vib", NO_USAGE + Quantities(rows=4))],
            VERSION: [
                ModelUsage("llm", NO_USAGE + tokens),
                ModelUsage("vib", NO_USAGE + Quantities(rows=1), NO_USAGE + Quantities(rows=2)),
            ],
        }

    async def test_cost_of_all_calls_of_a_period_is_summed(self, story: Story) -> None:
        firm, now = await story.firm(), story.clock.now()
        found = await self.used(story, row(firm, now, rows=5), row(firm, now, rows=7))
        assert found.cost_nano == 12
        nothing = PeriodTotals({}, 0)
        async with story.database.transaction() as session:
            period = await october(story)
            assert await load_period_totals(session, firm.account.id, []) == {}
            assert await load_period_totals(session, ids.new_id(), [period]) == {period: nothing}
