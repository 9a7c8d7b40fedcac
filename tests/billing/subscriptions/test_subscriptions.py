"""Subscriptions: one plan at a time, consecutive phases, and rejected actions."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from billing.rating.terms import Interval, PlanTerms
from billing.subscriptions.subscriptions import (
    AlreadySubscribed,
    NothingToResume,
    NotSubscribed,
    PlanCurrencyDiffers,
    SamePlan,
    cancel_subscription,
    find_subscription,
    list_phases,
    require_subscription,
    schedule_plan_change,
    start_subscription,
    yearly_fee,
)
from billing.tables import SubscriptionPhase
from infra import ids
from tests.support.billing.making import sql
from tests.support.stories.plan_texts import GROWTH, MAX, SCALE
from tests.support.stories.story import Firm, Story

FREE = """
plan = "free"
names = { en = "Free", zh = "免费版" }
currency = "CNY"
list_prices = true
"""


async def on(story: Story, toml: str = GROWTH) -> Firm:
    firm = await story.firm()
    await firm.subscribe(await story.plan(toml))
    return firm


async def phases(firm: Firm) -> list[tuple[str, str, str | None]]:
    """(plan, start, end) of all stored phases."""
    zone = firm.story.clock.zone

    def day(at: datetime | None) -> str | None:
        return at and at.astimezone(zone).strftime("%m-%d %H:%M")

    async with firm.story.database.transaction() as session:
        found = await list_phases(session, firm.account.id, firm.story.clock.at(2026, 1, 1))
        names = {
            row.id: (await require_subscription(session, firm.account.id, row.starts_at)).terms.plan
            for row in found
        }
    return [(names[row.id], day(row.starts_at) or "", day(row.ends_at)) for row in found]


class TestSubscriptionErrors:
    async def test_second_subscription_is_rejected(self, story: Story) -> None:
        firm = await on(story)
        with pytest.raises(AlreadySubscribed) as raised:
            await firm.subscribe(await story.plan(SCALE))
        assert (raised.value.status, raised.value.code) == (409, "already_subscribed")

    async def test_subscription_after_a_scheduled_downgrade_is_rejected(self, story: Story) -> None:
        """The current plan lasts until the downgrade starts, so there is no free day between."""
        firm = await on(story, SCALE)
        await firm.change(await story.plan(GROWTH))
        story.clock.set(2026, 11, 5)
        with pytest.raises(AlreadySubscribed):
            await firm.subscribe(await story.plan(SCALE))

    async def test_plan_in_another_currency_is_rejected(self, story: Story) -> None:
        firm = await story.firm(currency="USD")
        with pytest.raises(PlanCurrencyDiffers, match="in CNY, but the account's currency is USD"):
            await firm.subscribe(await story.plan(GROWTH))
        assert await phases(firm) == []

    @pytest.mark.parametrize(
        "asked",
        [
            lambda firm, version: firm.change(version),
            lambda firm, version: firm.preview(version),
            lambda firm, _version: firm.cancel(),
            lambda firm, _version: firm.cancel(at_end=False),
            lambda firm, _version: firm.resume(),
        ],
        ids=["change", "preview", "cancel", "cancel now", "resume"],
    )
    async def test_actions_without_subscription_raise_not_subscribed(
        self, story: Story, asked: Callable[[Firm, Any], Awaitable[Any]]
    ) -> None:
        firm, version = await story.firm(), await story.plan(GROWTH)
        with pytest.raises(NotSubscribed):
            await asked(firm, version)
        await firm.subscribe(version)
        story.clock.pass_(days=1)
        await firm.cancel(at_end=False)
        with pytest.raises(NotSubscribed):
            await asked(firm, version)

    async def test_change_to_the_current_plan_is_rejected(self, story: Story) -> None:
        firm = await on(story)
        version = await story.plan(GROWTH)
        with pytest.raises(SamePlan):
            await firm.change(version)
        with pytest.raises(SamePlan):
            await firm.preview(version)
        async with story.database.transaction() as session:
            with pytest.raises(SamePlan):
                await schedule_plan_change(session, story.clock, firm.account.id, version)

    async def test_change_to_a_plan_in_another_currency_is_rejected(self, story: Story) -> None:
        firm = await on(story)
        dollars = await story.plan(SCALE.replace("CNY", "USD"))
        with pytest.raises(PlanCurrencyDiffers):
            await firm.change(dollars)
        with pytest.raises(PlanCurrencyDiffers):
            await firm.preview(dollars)

    async def test_resume_without_scheduled_change_is_rejected(self, story: Story) -> None:
        firm = await on(story)
        with pytest.raises(NothingToResume):
            await firm.resume()


class TestSubscriptionPhases:
    async def test_upgrade_starts_at_once_and_downgrade_at_period_end(self, story: Story) -> None:
        firm = await on(story)
        story.clock.set(2026, 10, 10, 12)
        await firm.change(await story.plan(SCALE))
        await firm.change(await story.plan(GROWTH))
        assert await phases(firm) == [
            ("growth", "10-01 00:00", "10-10 12:00"),
            ("scale", "10-10 12:00", "11-01 00:00"),
            ("growth", "11-01 00:00", None),
        ]

    async def test_last_scheduled_change_replaces_earlier_ones(self, story: Story) -> None:
        """Downgrade to Scale, then to Growth; then an upgrade to another Max, in force at once."""
        firm = await on(story, MAX)
        story.clock.set(2026, 10, 10)
        await firm.change(await story.plan(SCALE))
        await firm.change(await story.plan(GROWTH))
        assert await phases(firm) == [
            ("max", "10-01 00:00", "11-01 00:00"),
            ("growth", "11-01 00:00", None),
        ]
        await firm.change(await story.plan(MAX.replace("930.00", "1000.00")))
        assert await phases(firm) == [
            ("max", "10-01 00:00", "10-10 00:00"),
            ("max", "10-10 00:00", None),
        ]

    async def test_cancellation_replaces_a_scheduled_downgrade(self, story: Story) -> None:
        firm = await on(story, MAX)
        story.clock.set(2026, 10, 10)
        await firm.change(await story.plan(SCALE))
        await firm.cancel()
        assert await phases(firm) == [("max", "10-01 00:00", "11-01 00:00")]

    async def test_resume_removes_a_scheduled_downgrade(self, story: Story) -> None:
        firm = await on(story, MAX)
        story.clock.set(2026, 10, 10)
        await firm.change(await story.plan(SCALE))
        await firm.resume()
        assert await phases(firm) == [("max", "10-01 00:00", None)]

    async def test_cancelled_free_plan_ends_with_its_period(self, story: Story) -> None:
        """Its fee of 0.00 covers October, although no invoice contains it."""
        firm = await on(story, FREE)
        story.clock.set(2026, 10, 10)
        await firm.cancel()
        assert await phases(firm) == [("free", "10-01 00:00", "11-01 00:00")]

    async def test_cancelled_plan_without_charged_fee_ends_with_its_period(
        self, story: Story
    ) -> None:
        firm, version = await story.firm(), await story.plan(GROWTH)
        async with story.database.transaction() as session:
            await start_subscription(session, story.clock, firm.account.id, version)
            await cancel_subscription(session, story.clock, firm.account.id, at_end=True)
        assert await phases(firm) == [("growth", "10-01 00:00", "11-01 00:00")]

    async def test_new_subscription_after_the_end_creates_a_new_phase(self, story: Story) -> None:
        firm = await on(story)
        story.clock.set(2026, 10, 10)
        await firm.cancel(at_end=False)
        story.clock.set(2026, 10, 20)
        await firm.subscribe(await story.plan(SCALE))
        assert [plan for plan, *_ in await phases(firm)] == ["growth", "scale"]

    async def test_change_at_the_start_time_leaves_one_phase(self, story: Story) -> None:
        """A phase of zero length overlaps no other phase."""
        firm = await on(story)
        await firm.change(await story.plan(SCALE))
        assert await firm.is_on("scale", 2026, 10, 1)
        async with story.database.transaction() as session:
            found = await list_phases(session, firm.account.id, story.clock.now())
        assert len(found) == 1


class TestSubscriptionLookup:
    async def test_lookup_returns_the_phase_at_a_time_and_the_next_one(self, story: Story) -> None:
        firm = await on(story, SCALE)
        await firm.change(await story.plan(GROWTH))
        async with story.database.transaction() as session:
            before = await find_subscription(session, firm.account.id, story.clock.at(2026, 9, 30))
            now = await find_subscription(session, firm.account.id, story.clock.at(2026, 10, 31))
            later = await find_subscription(session, firm.account.id, story.clock.at(2026, 11, 1))
        assert before is None
        assert now is not None
        assert now.following is not None
        assert later is not None
        assert (later.phase.id, later.following) == (now.following.id, None)
        assert (now.terms.plan, later.terms.plan) == ("scale", "growth")

    async def test_phases_are_listed_by_time_range(self, story: Story) -> None:
        firm = await on(story, SCALE)
        await firm.change(await story.plan(GROWTH))
        async with story.database.transaction() as session:
            october = story.clock.at(2026, 10, 1), story.clock.at(2026, 11, 1)
            assert len(await list_phases(session, firm.account.id, *october)) == 1
            assert len(await list_phases(session, firm.account.id, october[0])) == 2


async def test_subscription_changes_advance_the_access_epoch(story: Story) -> None:
    firm, epoch = await story.firm(), "select count from access_epoch"
    scale, growth = await story.plan(SCALE), await story.plan(GROWTH)
    told = [await sql(story.database, epoch)]
    for step in (
        lambda: firm.subscribe(growth),
        lambda: firm.change(scale),
        lambda: firm.change(growth),
        lambda: firm.resume(),
        lambda: firm.cancel(),
    ):
        await step()
        told.append(await sql(story.database, epoch))
    counts = [rows[0][0] for rows in told]
    assert all(after > before for before, after in pairwise(counts))


async def test_overlapping_subscription_phases_are_rejected_by_the_database(story: Story) -> None:
    firm = await on(story)
    version = await story.plan(SCALE)
    at = story.clock.at(2026, 10, 20)
    with pytest.raises(IntegrityError, match="subscription_phase overlaps"):
        async with story.database.transaction() as session:
            session.add(
                SubscriptionPhase(
                    id=ids.new_id(),
                    account_id=firm.account.id,
                    plan_version_id=version.id,
                    starts_at=at,
                    fees_from=at,
                    fees_until=at,
                    created_at=at,
                )
            )


@pytest.mark.parametrize(
    ("interval", "fee", "yearly"), [(Interval.MONTH, 100, 1200), (Interval.YEAR, 100, 100)]
)
def test_yearly_fee_is_twelve_monthly_fees_or_one_yearly_fee(
    interval: Interval, fee: int, yearly: int
) -> None:
    names = {"en": "P", "zh": "P"}
    terms = PlanTerms("p", names, "CNY", prices=(), fixed_fee=fee, interval=interval)
    assert yearly_fee(terms) == yearly
