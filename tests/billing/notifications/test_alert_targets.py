"""Alert targets: validation, changes, JSON form, and alerts that could not be delivered."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from billing.accounts.profiles import update_profile
from billing.events.emission import Event, emit_event
from billing.notifications.alert_targets import (
    DEFAULT_PERCENTAGES,
    AlertTargetInvalid,
    alert_target_json,
    get_alert_target,
    update_alert_target,
)
from tests.support.billing.making import sql
from tests.support.billing.notifying import make_dispatcher
from tests.support.stories.story import Firm, Story

HOOK = "https://acme.example/hook"


async def change(story: Story, firm: Firm, **values: Any) -> str | None:
    async with story.database.transaction() as session:
        return await update_alert_target(session, firm.account.id, **values)


async def shown(story: Story, account_id: UUID) -> dict[str, Any]:
    async with story.database.transaction() as session:
        return await alert_target_json(session, account_id)


async def secret(story: Story, firm: Firm) -> str:
    async with story.database.transaction() as session:
        return (await get_alert_target(session, firm.account.id)).secret


class TestAlertTarget:
    async def test_defaults_are_shown_before_any_change(self, story: Story) -> None:
        firm = await story.firm()
        async with story.database.transaction() as session:
            await update_profile(session, firm.account.id, email="accounts@acme.example")
        assert await shown(story, firm.account.id) == {
            "object": "alert_target",
            "url": None,
            "percentages": list(DEFAULT_PERCENTAGES),
            "email": "accounts@acme.example",
            "undelivered": [],
        }

    async def test_url_and_percentages_change_independently(self, story: Story) -> None:
        firm, other = await story.firm(), await story.firm("Other")
        await change(story, firm, url=HOOK)
        await change(story, firm, percentages=[90, 30, 90])
        now = await shown(story, firm.account.id)
        assert (now["url"], now["percentages"]) == (HOOK, [30, 90])
        await change(story, firm, url="")
        now = await shown(story, firm.account.id)
        assert (now["url"], now["percentages"]) == (None, [30, 90])
        assert (await shown(story, other.account.id))["percentages"] == list(DEFAULT_PERCENTAGES)

    async def test_changed_url_creates_a_new_secret(self, story: Story) -> None:
        firm = await story.firm()
        told = [
            await change(story, firm, url=url)
            for url in (HOOK, HOOK, "http://10.0.0.7:9000/hook", "", HOOK)
        ]
        assert [one is not None for one in told] == [True, False, True, False, True]
        assert len(set(told)) == 4  # three secrets, and None
        assert await secret(story, firm) == told[-1]

    async def test_removed_url_clears_the_secret(self, story: Story) -> None:
        firm = await story.firm()
        await change(story, firm, url=HOOK)
        await change(story, firm, url="")
        assert await secret(story, firm) == ""

    async def test_concurrent_first_changes_both_succeed(self, story: Story) -> None:
        """Both change the row one after the other; neither fails on a duplicate row."""
        firm = await story.firm()
        await asyncio.gather(change(story, firm, url=HOOK), change(story, firm, percentages=[75]))
        now = await shown(story, firm.account.id)
        assert (now["url"], now["percentages"]) == (HOOK, [75])

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://acme.example",
            "acme.example",
            "https://",
            "https:x",
            "http://[",
            f"https://acme.example/{'x' * 2000}",
        ],
    )
    async def test_invalid_url_is_rejected(self, story: Story, url: str) -> None:
        firm = await story.firm()
        await change(story, firm, url=HOOK)
        with pytest.raises(AlertTargetInvalid) as caught:
            await change(story, firm, url=url)
        assert caught.value.param == "url"
        assert (await shown(story, firm.account.id))["url"] == HOOK

    @pytest.mark.parametrize("percentages", [[], [0], [-1], [1001], list(range(1, 22))])
    async def test_invalid_percentages_are_rejected(
        self, story: Story, percentages: list[int]
    ) -> None:
        firm = await story.firm()
        with pytest.raises(AlertTargetInvalid) as caught:
            await change(story, firm, percentages=percentages)
        assert caught.value.param == "percentages"


class TestUndeliveredAlerts:
    async def test_failed_alerts_are_listed_with_reason_and_next_attempt(
        self, story: Story
    ) -> None:
        """One alert is retried, one was not attempted yet, one belongs to another account, and one
        ended when the webhook was disabled."""
        firm, other = await story.firm(), await story.firm("Other")
        dispatcher = make_dispatcher(story.database, story.clock)
        for owner in (firm, other):
            await change(story, owner, url="http://127.0.0.1:1/hook")
            await _emit(story, owner, "first")
        assert await dispatcher.send_due() == 2
        await _emit(story, firm, "second")
        (later,) = (await shown(story, firm.account.id))["undelivered"]
        assert (later["reason"], later["attempts"]) == (
            "The connection was refused or closed.",
            1,
        )
        assert later["tried_again_at"] > later["created_at"]
        assert later["id"].startswith("alert_")
        await sql(story.database, "update notification_delivery set status = 'failed'")
        (never,) = (await shown(story, firm.account.id))["undelivered"]
        assert never["tried_again_at"] is None

    async def test_another_url_enables_a_disabled_webhook(self, story: Story) -> None:
        firm = await story.firm()
        await change(story, firm, url=HOOK)
        await _emit(story, firm, "first")
        disable = "update notification_endpoint set enabled = false, disabled_reason = 'failing'"
        await sql(story.database, disable)
        await change(story, firm, url=f"{HOOK}/2")
        (row,) = await sql(story.database, "select enabled, failures from notification_endpoint")
        assert (row.enabled, row.failures) == (True, 0)


async def _emit(story: Story, firm: Firm, key: str) -> None:
    event = Event(firm.account.id, "model.retrained", f"{firm.account.id}:{key}", {})
    async with story.database.transaction() as session:
        await emit_event(session, story.clock, event)
