"""Margins: charges less upstream costs, each row counted once; unknown costs are not zero."""

from datetime import datetime
from zoneinfo import ZoneInfo

from billing.reports.margin import Margin, MarginDimension, MarginFilter, list_margins
from billing.tables import Settlement
from tests.support.billing.making import sql
from tests.support.stories.story import Story

ZONE = ZoneInfo("Asia/Shanghai")


async def margins(
    story: Story, dimension: MarginDimension, since: datetime | None = None, **filters: object
) -> list[Margin]:
    at = story.clock.at
    chosen = MarginFilter(since or at(2026, 9, 1), at(2027, 1, 1), **filters)  # type: ignore[arg-type]
    async with story.database.transaction() as session:
        return await list_margins(session, dimension, chosen, ZONE)


class TestMargin:
    async def test_charges_and_costs_are_summed_by_each_dimension(self, story: Story) -> None:
        first, second = await story.firm("A"), await story.firm("B", "USD")
        at = story.clock.at
        # The firms pay 1,000,000 nano-units a row.
        await first.use("vib", at(2026, 9, 30, 23), rows=3, upstream="p", upstream_cost_nano=1_000)
        await first.use("vib", at(2026, 10, 12, 10), rows=2, upstream="own")
        await second.use(
            "vib", at(2026, 10, 12), rows=1, upstream="p", upstream_cost_nano=1_500_000
        )
        story.clock.set(2026, 10, 13)
        await story.counts()
        by_model = await margins(story, MarginDimension.MODEL)
        assert by_model == [
            Margin("vib", "CNY", 2, 1, 5_000_000, 2_000_000, 1_000),
            Margin("vib", "USD", 1, 0, 1_000_000, 0, 1_500_000),
        ]
        assert (by_model[0].cost_nano, by_model[0].margin_nano) == (1_000, 2_999_000)
        assert (by_model[0].margin_ppm, by_model[1].margin_ppm) == (999_666, -500_000)
        by_account = await margins(story, MarginDimension.ACCOUNT)
        assert [(one.value, one.calls) for one in by_account] == [("A", 2), ("B", 1)]
        by_upstream = await margins(story, MarginDimension.UPSTREAM)
        assert [(one.value, one.currency, one.calls) for one in by_upstream] == [
            ("p", "CNY", 1),
            ("own", "CNY", 1),
            ("p", "USD", 1),
        ]
        by_month = await margins(story, MarginDimension.MONTH, account_id=first.account.id)
        assert [(one.value, one.calls) for one in by_month] == [("2026-09", 1), ("2026-10", 1)]

    async def test_unknown_cost_has_no_margin(self, story: Story) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=2, upstream="own")
        await firm.use("vib", rows=1)
        await story.counts()
        (own, unrecorded) = await margins(story, MarginDimension.UPSTREAM)
        assert (own.value, own.cost_nano, own.margin_nano, own.margin_ppm) == (
            *("own", None, None, None),
        )
        assert (unrecorded.value, unrecorded.uncosted_calls) == ("", 1)

    async def test_unbilled_call_that_an_upstream_answered_costs_all_the_same(
        self, story: Story
    ) -> None:
        firm = await story.firm()
        fault = Settlement.PLATFORM_FAULT
        await firm.use("vib", settlement=fault, rows=1, upstream="p", upstream_cost_nano=9)
        await firm.use("vib", settlement=fault, rows=1)
        await firm.use("vib", settlement=Settlement.REFUSED)
        await story.counts()
        (found,) = await margins(story, MarginDimension.MODEL)
        assert (found.calls, found.charged_nano, found.cost_nano) == (1, 0, 9)
        assert (found.margin_nano, found.margin_ppm) == (-9, None)

    async def test_each_row_is_counted_once_and_filters_restrict(self, story: Story) -> None:
        firm = await story.firm()
        for cost in (1, 2):
            await firm.use("vib", rows=1, upstream="p", upstream_cost_nano=cost)
            await story.counts()
            await story.counts()
        (found,) = await margins(story, MarginDimension.MODEL, model="vib", upstream="p")
        assert (found.calls, found.cost_nano) == (2, 3)
        assert await margins(story, MarginDimension.MODEL, model="llm") == []
        assert await margins(story, MarginDimension.MODEL, upstream="own") == []
        later = story.clock.at(2026, 12, 31)
        assert await margins(story, MarginDimension.MODEL, later) == []

    async def test_rows_before_the_cursor_of_the_migration_are_left_out(self, story: Story) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=1, upstream="p", upstream_cost_nano=1)
        insert = "insert into upstream_cursor values (1, pg_current_xact_id()::text::bigint)"
        await sql(story.database, insert)
        await firm.use("vib", rows=1, upstream="p", upstream_cost_nano=2)
        await story.counts()
        (found,) = await margins(story, MarginDimension.MODEL)
        assert found.cost_nano == 2
