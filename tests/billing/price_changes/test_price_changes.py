"""Price changes: who is told, when accounts move to the new version, and who is left out."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from billing.cycle import apply_price_changes
from billing.plan_changes.plan_changes import pause_plan
from billing.plan_changes.price_change_views import list_price_changes, preview_price_change
from billing.plan_changes.views import subscription_json
from billing.price_changes.price_changes import (
    PriceChangeInvalid,
    PriceChangeNotFound,
    announce_price_change,
    apply_price_change,
    withdraw_price_change,
)
from billing.subscriptions.plans import PlanNotFound
from billing.tables import PlanVersion, PriceChange, PriceChangeState
from infra import ids
from tests.support.stories.plan_texts import GROWTH, SCALE
from tests.support.stories.story import Firm, Story

DEARER = GROWTH.replace("310.00", "341.00")


@pytest.fixture
async def firm(story: Story) -> Firm:
    """An account on version 1 of Growth (310.00 a month) since 1 October; version 2 is 341.00."""
    firm = await story.firm("Acme")
    await firm.billed(email="money@acme.cn", locale="zh")
    await firm.subscribe(await story.plan(GROWTH))
    await story.plan(DEARER)
    return firm


async def announce(story: Story, *day: int) -> PriceChange:
    async with story.database.transaction() as session:
        preview = await preview_price_change(session, story.clock, "growth", "CNY")
        return await announce_price_change(session, story.clock, preview, story.clock.at(*day))


async def states(story: Story) -> Sequence[dict[str, int]]:
    async with story.database.transaction() as session:
        return [counts for _, _, counts in await list_price_changes(session)]


async def mails(story: Story) -> list[dict[str, Any]]:
    query = "select payload from outbox where action = 'email' order by id"
    async with story.database.transaction() as session:
        return list((await session.scalars(text(query))).all())


async def shown(firm: Firm) -> dict[str, Any]:
    async with firm.story.database.transaction() as session:
        return await subscription_json(session, firm.story.clock, firm.account.id)


async def fees(firm: Firm) -> list[str]:
    return [fee[3] for invoice in await firm.invoices() for fee in await firm.fees(invoice)]


async def test_preview_lists_accounts_on_earlier_versions_only(firm: Firm) -> None:
    story = firm.story
    newest = await story.firm("Newest")
    await newest.subscribe(await story.plan(DEARER))
    leaving = await story.firm("Leaving")
    await leaving.subscribe(await story.plan(GROWTH))
    await leaving.cancel()
    async with story.database.transaction() as session:
        preview = await preview_price_change(session, story.clock, "growth", "CNY")
        assert [(one.name, one.number, one.fee) for one in preview.accounts] == [
            ("Acme", 1, 310_00)
        ]
        assert (preview.version.number, preview.terms.fixed_fee) == (2, 341_00)
        with pytest.raises(PlanNotFound):
            await preview_price_change(session, story.clock, "growth", "USD")


async def test_account_is_told_and_moves_at_the_end_of_the_paid_period(firm: Firm) -> None:
    """Announced on 1 October for 15 November: 310.00 for October and November, then 341.00."""
    story = firm.story
    await announce(story, 2026, 11, 15)
    (mail,) = await mails(story)
    assert mail["to"] == "money@acme.cn"
    assert "2026-11-15" in mail["subject"]
    assert "310.00 CNY" in mail["text"]
    assert "341.00 CNY" in mail["text"]
    announced = (await shown(firm))["price_change"]
    assert (announced["plan"]["number"], announced["plan"]["fixed_fee"]) == (2, "341.00")
    await story.until(2026, 11, 15, 1)
    assert await apply_price_changes(story.database, story.clock) in {0, 1}
    after = await shown(firm)
    assert (after["plan"]["number"], after["following"]["number"]) == (1, 2)
    assert after["price_change"] is None
    assert await states(story) == [{"scheduled": 1}]
    await story.until(2026, 12, 1, 1)
    assert await fees(firm) == ["310.00", "310.00", "341.00"]


async def test_open_change_is_closed_once_every_account_is_decided(firm: Firm) -> None:
    story = firm.story
    await announce(story, 2026, 11, 15)
    with pytest.raises(PriceChangeInvalid, match="open price change"):
        await announce(story, 2026, 12, 15)
    await story.until(2026, 11, 15, 1)
    await apply_price_changes(story.database, story.clock)
    other = await story.firm("Other")
    await other.subscribe(await version(story, 1))
    assert (await announce(story, 2026, 12, 20)).closed_at is None


async def version(story: Story, number: int) -> PlanVersion:
    query = text("select id from plan_version where plan = 'growth' and number = :number")
    async with story.database.transaction() as session:
        version_id = (await session.scalars(query, {"number": number})).one()
        return await session.get_one(PlanVersion, version_id)


@pytest.mark.parametrize("leaving", ["cancel", "other plan", "newer version"])
async def test_account_that_left_the_version_is_skipped(firm: Firm, leaving: str) -> None:
    story = firm.story
    await announce(story, 2026, 11, 15)
    await story.until(2026, 11, 14)
    if leaving == "cancel":
        await firm.cancel()
    elif leaving == "other plan":
        await firm.change(await story.plan(SCALE))
    else:
        await firm.change(await story.plan(DEARER))
    before = await shown(firm)
    await story.until(2026, 11, 15, 1)
    await apply_price_changes(story.database, story.clock)
    assert await states(story) == [{"skipped": 1}]
    assert (await shown(firm))["following"] == before["following"]


async def test_account_that_ended_its_plan_at_once_is_skipped(firm: Firm) -> None:
    story = firm.story
    await announce(story, 2026, 11, 15)
    await firm.cancel(at_end=False)
    await story.until(2026, 11, 15, 1)
    await apply_price_changes(story.database, story.clock)
    assert await states(story) == [{"skipped": 1}]


async def test_paused_account_moves_after_its_pause(firm: Firm) -> None:
    """Paused from 1 November to 21 December, with the notice for 15 November."""
    story = firm.story
    async with story.database.transaction() as session:
        until = story.clock.at(2026, 12, 21)
        await pause_plan(session, story.clock, firm.account.id, until)
    await announce(story, 2026, 11, 15)
    await story.until(2026, 11, 16)
    await apply_price_changes(story.database, story.clock)
    assert await states(story) == [{"announced": 1}]
    await story.until(2026, 12, 21, 1)
    await apply_price_changes(story.database, story.clock)
    assert await states(story) == [{"scheduled": 1}]
    assert (await shown(firm))["following"]["number"] == 2


async def test_pause_before_the_date_delays_the_move(firm: Firm) -> None:
    story = firm.story
    await announce(story, 2026, 11, 15)
    await story.until(2026, 11, 14)
    async with story.database.transaction() as session:
        await pause_plan(session, story.clock, firm.account.id, None)
    await story.until(2026, 11, 15, 1)
    await apply_price_changes(story.database, story.clock)
    assert await states(story) == [{"announced": 1}]


async def test_withdrawn_change_moves_nobody(firm: Firm) -> None:
    story = firm.story
    change = await announce(story, 2026, 11, 15)
    async with story.database.transaction() as session:
        await withdraw_price_change(session, story.clock, change.id)
        with pytest.raises(PriceChangeNotFound):
            await withdraw_price_change(session, story.clock, change.id)
        with pytest.raises(PriceChangeNotFound):
            await withdraw_price_change(session, story.clock, ids.new_id())
    assert (await shown(firm))["price_change"] is None
    await story.until(2026, 11, 16)
    assert await apply_price_changes(story.database, story.clock) == 0
    assert await states(story) == [{"withdrawn": 1}]
    assert await repeated(story, change.id, firm) is PriceChangeState.WITHDRAWN


async def repeated(story: Story, change_id: UUID, firm: Firm) -> PriceChangeState:
    async with story.database.transaction() as session:
        return await apply_price_change(session, story.clock, change_id, firm.account.id)


async def test_notice_is_at_least_thirty_days(firm: Firm) -> None:
    story = firm.story
    with pytest.raises(PriceChangeInvalid, match="notice of 30 days"):
        await announce(story, 2026, 10, 30)
    await announce(story, 2026, 11, 1)


async def test_change_without_accounts_is_rejected(story: Story) -> None:
    await story.plan(GROWTH)
    with pytest.raises(PriceChangeInvalid, match="No account"):
        await announce(story, 2026, 12, 1)


async def test_account_without_address_is_moved_without_a_mail(story: Story) -> None:
    firm = await story.firm("Silent")
    await firm.subscribe(await story.plan(GROWTH))
    await story.plan(DEARER)
    await announce(story, 2026, 11, 15)
    assert await mails(story) == []
    assert await states(story) == [{"announced": 1}]
