"""Pauses of a subscription: when they begin and end, what is invoiced, and what replaces them."""

from datetime import datetime

import pytest

from billing.plan_changes.plan_changes import pause_plan
from billing.plan_changes.views import subscription_json
from billing.subscriptions.pauses import ResumptionTimeInvalid, parse_resumption_day
from billing.subscriptions.subscriptions import NothingToResume, NotSubscribed
from tests.support.stories.plan_texts import GROWTH, SCALE
from tests.support.stories.story import Firm, Story


async def growth_firm(story: Story) -> Firm:
    """An account on Growth since 1 October, at 11 October; October's fee of 310.00 is invoiced."""
    firm = await story.firm()
    await firm.subscribe(await story.plan(GROWTH))
    story.clock.set(2026, 10, 11)
    return firm


async def pauses(firm: Firm, resumes_at: datetime | None = None) -> None:
    async with firm.story.database.transaction() as session:
        await pause_plan(session, firm.story.clock, firm.account.id, resumes_at)


async def shown(firm: Firm) -> tuple[str, object, object]:
    async with firm.story.database.transaction() as session:
        value = await subscription_json(session, firm.story.clock, firm.account.id)
    return value["status"], value["pause"], value["following"] and value["following"]["starts_at"]


async def test_pause_until_a_day_leaves_out_its_fee_and_included_units(story: Story) -> None:
    """Growth is paused from 1 November to 16 December: no fee for November.

    December's fee is due on the 16th: 310.00 x 16 / 31 = 160.00.
    """
    firm = await growth_firm(story)
    await pauses(firm, story.clock.at(2026, 12, 16))
    assert await firm.is_on("growth", 2026, 10, 31)
    assert not await firm.is_on("growth", 2026, 11, 1)
    assert await firm.is_on("growth", 2026, 12, 16)
    await story.until(2026, 12, 16, 1)
    fees = [fee for invoice in await firm.invoices() for fee in await firm.fees(invoice)]
    assert fees == [
        ("fixed_fee", "2026-10-01", "2026-11-01", "310.00"),
        ("fixed_fee", "2026-12-16", "2027-01-01", "160.00"),
    ]
    await firm.pays_all()
    assert await story.differences() == ()


async def test_pause_without_a_day_lasts_until_resumed(story: Story) -> None:
    """Resumed on 11 November: 310.00 x 20 / 30 = 206.67, invoiced at once."""
    firm = await growth_firm(story)
    await pauses(firm)
    starts = story.clock.at(2026, 11, 1).isoformat()
    assert (await shown(firm))[:2] == ("active", {"starts_at": starts, "resumes_at": None})
    await story.until(2026, 11, 11)
    assert (await shown(firm))[0] == "paused"
    await firm.resume()
    assert await shown(firm) == ("active", None, None)
    assert await firm.fees((await firm.invoices())[-1]) == [
        ("fixed_fee", "2026-11-11", "2026-12-01", "206.67")
    ]
    with pytest.raises(NothingToResume):
        await firm.resume()


async def test_pause_with_a_day_is_ended_earlier_by_resuming(story: Story) -> None:
    firm = await growth_firm(story)
    await pauses(firm, story.clock.at(2026, 12, 16))
    await story.until(2026, 11, 21)
    assert await shown(firm) == (
        "paused",
        {
            "starts_at": story.clock.at(2026, 11, 1).isoformat(),
            "resumes_at": story.clock.at(2026, 12, 16).isoformat(),
        },
        story.clock.at(2026, 12, 16).isoformat(),
    )
    await firm.resume()
    assert await shown(firm) == ("active", None, None)
    assert await firm.is_on("growth", 2026, 12, 10)


async def test_pause_that_has_not_begun_is_undone_by_resuming(story: Story) -> None:
    firm = await growth_firm(story)
    await pauses(firm, story.clock.at(2026, 12, 16))
    await firm.resume()
    assert await shown(firm) == ("active", None, None)
    assert await firm.is_on("growth", 2026, 11, 15)
    assert len(await firm.invoices()) == 1


async def test_paused_plan_is_cancelled_at_once_and_does_not_resume(story: Story) -> None:
    firm = await growth_firm(story)
    await pauses(firm, story.clock.at(2026, 12, 16))
    await story.until(2026, 11, 11)
    await firm.cancel()
    assert (await shown(firm))[0] == "none"
    assert not await firm.is_on("growth", 2026, 12, 20)
    with pytest.raises(NotSubscribed):
        await firm.resume()


@pytest.mark.parametrize("replacement", ["cancel", "downgrade"])
async def test_scheduled_change_replaces_a_pause(story: Story, replacement: str) -> None:
    firm = await growth_firm(story)
    await pauses(firm)
    if replacement == "cancel":
        await firm.cancel()
    else:
        await firm.change(await story.plan(SCALE.replace("620.00", "309.99")))
    assert (await shown(firm))[1] is None
    story.clock.set(2026, 11, 2)
    assert (await shown(firm))[0] == ("none" if replacement == "cancel" else "active")


async def test_subscribing_during_a_pause_begins_the_chosen_plan_only(story: Story) -> None:
    firm = await growth_firm(story)
    await pauses(firm, story.clock.at(2026, 12, 16))
    await story.until(2026, 11, 16)
    await firm.subscribe(await story.plan(SCALE))
    assert await firm.is_on("scale", 2026, 12, 20)
    assert await shown(firm) == ("active", None, None)


async def test_second_pause_replaces_the_first(story: Story) -> None:
    firm = await growth_firm(story)
    await pauses(firm, story.clock.at(2026, 12, 16))
    await pauses(firm)
    assert (await shown(firm))[2] is None


@pytest.mark.parametrize("day", [(2026, 10, 20), (2026, 11, 1), (2027, 11, 2)])
async def test_resumption_outside_the_year_after_the_pause_begins_is_rejected(
    story: Story, day: tuple[int, int, int]
) -> None:
    firm = await growth_firm(story)
    with pytest.raises(ResumptionTimeInvalid, match="2026-10-31T16:00:00"):
        await pauses(firm, story.clock.at(*day))
    assert (await shown(firm))[:2] == ("active", None)


async def test_account_without_a_plan_cannot_pause(story: Story) -> None:
    with pytest.raises(NotSubscribed):
        await pauses(await story.firm())


def test_day_of_resumption_is_midnight_in_the_accounts_zone(story: Story) -> None:
    zone = story.clock.zone
    assert parse_resumption_day("", zone) is None
    assert parse_resumption_day("2026-12-16", zone) == story.clock.at(2026, 12, 16)
    with pytest.raises(ResumptionTimeInvalid, match="not a day"):
        parse_resumption_day("tomorrow", zone)
