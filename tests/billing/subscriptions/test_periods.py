"""Billing periods: creation without gaps, restart on a new anchor day, and constraints."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import lock_profile
from billing.subscriptions.periods import (
    ensure_period_at,
    ensure_periods,
    list_open_periods,
    restart_period,
)
from tests.support.billing.making import sql, until_somebody_waits
from tests.support.stories.story import Firm, Story

_PERIODS = """
    select to_char(starts_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD'),
           to_char(ends_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD')
    from billing_period where account_id = :of order by starts_at
"""
_ADD = """
    insert into billing_period
        (id, account_id, starts_at, ends_at, time_zone, anchor_day, cost_nano)
    values (gen_random_uuid(), :of, :since, :until, 'Asia/Shanghai', 1, 0)
"""


async def periods(firm: Firm) -> list[tuple[str, str]]:
    found = await sql(firm.story.database, _PERIODS, of=firm.account.id)
    return [(since, until) for since, until in found]


async def anew(session: AsyncSession, firm: Firm, at: datetime, anchor_day: int) -> None:
    profile = await lock_profile(session, firm.account.id)
    await restart_period(session, profile, at, anchor_day)


class TestPeriodCreation:
    async def test_past_and_current_periods_are_created_once(self, story: Story) -> None:
        story.clock.set(2026, 10, 20)
        first, second = await story.firm("A"), await story.firm("B")
        async with story.database.transaction() as session:
            assert await ensure_periods(session, story.clock.now()) == 2
            assert await ensure_periods(session, story.clock.now()) == 0
        story.clock.set(2026, 12, 1)
        async with story.database.transaction() as session:
            assert await ensure_periods(session, story.clock.now()) == 4
        months = [
            ("2026-10-01", "2026-11-01"),
            ("2026-11-01", "2026-12-01"),
            ("2026-12-01", "2027-01-01"),
        ]
        assert await periods(first) == await periods(second) == months

    async def test_account_without_billing_profile_gets_periods(self, story: Story) -> None:
        firm = await story.firm()
        await sql(story.database, "delete from billing_profile")
        async with story.database.transaction() as session:
            assert await ensure_periods(session, story.clock.now()) == 1
        assert await periods(firm) == [("2026-10-01", "2026-11-01")]

    @pytest.mark.parametrize(
        ("at", "start"),
        [((2026, 10, 20), (2026, 10, 1)), ((2026, 12, 31, 23, 59), (2026, 12, 1))],
    )
    async def test_missing_current_period_is_created_once(
        self, story: Story, at: tuple[int, ...], start: tuple[int, ...]
    ) -> None:
        firm = await story.firm()
        async with story.database.transaction() as session:
            found = await ensure_period_at(session, firm.account.id, story.clock.at(*at))
            again = await ensure_period_at(session, firm.account.id, story.clock.at(*at))
        assert found.starts_at == story.clock.at(*start)
        assert again.id == found.id

    async def test_time_before_the_first_period_returns_the_first_period(
        self, story: Story
    ) -> None:
        firm = await story.firm()
        async with story.database.transaction() as session:
            found = await ensure_period_at(session, firm.account.id, story.clock.at(2020, 1, 1))
        assert found.starts_at == story.clock.at(2026, 10, 1)

    async def test_concurrent_transactions_create_one_period(self, story: Story) -> None:
        """The second transaction waits for the first and finds its period."""
        firm = await story.firm()
        now, account_id = story.clock.now(), firm.account.id

        async def other() -> UUID:
            async with story.database.transaction() as session:
                return (await ensure_period_at(session, account_id, now)).id

        async with story.database.transaction() as session:
            ours = await ensure_period_at(session, account_id, now)
            waiting = asyncio.create_task(other())
            await until_somebody_waits(session)
        assert await waiting == ours.id
        assert len(await periods(firm)) == 1


class TestPeriodRestart:
    async def test_restart_within_a_period_ends_it_on_that_day(self, story: Story) -> None:
        firm = await story.firm()
        at = story.clock.at(2026, 10, 15, 14)
        async with story.database.transaction() as session:
            await ensure_period_at(session, firm.account.id, at)
        async with story.database.transaction() as session:
            await anew(session, firm, at, 15)
        assert await periods(firm) == [("2026-10-01", "2026-10-15"), ("2026-10-15", "2026-11-15")]

    async def test_restart_on_the_first_day_changes_the_current_period(self, story: Story) -> None:
        firm = await story.firm()
        for anchor_day, ends in ((10, "2026-10-10"), (1, "2026-11-01")):
            async with story.database.transaction() as session:
                await anew(session, firm, story.clock.at(2026, 10, 1, 14), anchor_day)
            assert await periods(firm) == [("2026-10-01", ends)]
            async with story.database.transaction() as session:
                (period,) = await list_open_periods(session, firm.account.id)
            assert period.anchor_day == anchor_day

    async def test_later_periods_start_on_the_new_anchor_day(self, story: Story) -> None:
        firm = await story.firm()
        async with story.database.transaction() as session:
            await anew(session, firm, story.clock.at(2026, 10, 31, 14), 31)
        async with story.database.transaction() as session:
            await ensure_periods(session, story.clock.at(2027, 3, 1))
        assert [since for since, _ in await periods(firm)] == [
            "2026-10-01",
            "2026-10-31",
            "2026-11-30",
            "2026-12-31",
            "2027-01-31",
            "2027-02-28",
        ]


class TestPeriodConstraints:
    @pytest.mark.parametrize(
        ("since", "until"),
        [
            ((2026, 10, 15), (2026, 12, 1)),
            ((2026, 9, 1), (2026, 10, 2)),
            ((2026, 10, 10), (2026, 10, 11)),
            ((2026, 9, 1), (2026, 12, 1)),
        ],
    )
    async def test_overlapping_period_is_rejected_by_the_database(
        self, story: Story, since: tuple[int, ...], until: tuple[int, ...]
    ) -> None:
        firm = await story.firm()
        await story.counts()
        span = {"since": story.clock.at(*since), "until": story.clock.at(*until)}
        with pytest.raises(IntegrityError, match="billing_period overlaps"):
            await sql(story.database, _ADD, of=firm.account.id, **span)

    async def test_periods_of_different_accounts_may_overlap(self, story: Story) -> None:
        await story.firm("A")
        other = await story.firm("B")
        await story.counts()
        await sql(
            story.database, "delete from billing_period where account_id = :of", of=other.account.id
        )
        span = {"since": story.clock.at(2026, 10, 2), "until": story.clock.at(2026, 10, 9)}
        await sql(story.database, _ADD, of=other.account.id, **span)
        assert len(await periods(other)) == 1

    async def test_overlap_is_checked_at_commit(self, story: Story) -> None:
        """A period inserted and shortened in one transaction has no overlap at commit."""
        firm = await story.firm()
        async with story.database.transaction() as session:
            values: dict[str, Any] = {"of": firm.account.id}
            since, middle, until = (story.clock.at(2026, 10, day) for day in (1, 10, 20))
            await session.execute(text(_ADD), {**values, "since": since, "until": until})
            await session.execute(text("update billing_period set ends_at = :at"), {"at": middle})
            await session.execute(text(_ADD), {**values, "since": middle, "until": until})
        assert len(await periods(firm)) == 2

    async def test_period_that_ends_before_its_start_is_rejected(self, story: Story) -> None:
        firm = await story.firm()
        at = datetime(2026, 10, 1, tzinfo=UTC)
        with pytest.raises(IntegrityError, match="in_order"):
            await sql(story.database, _ADD, of=firm.account.id, since=at, until=at)
        with pytest.raises(IntegrityError, match="in_order"):
            await sql(
                story.database, _ADD, of=firm.account.id, since=at, until=at - timedelta(days=1)
            )
