"""Alerts on drift: an e-mail and a webhook, each once per version, level and minute."""

import pytest

from billing.accounts.profiles import update_profile
from billing.notifications.alert_targets import update_alert_target
from billing.notifications.drift_alerts import DriftAlert, enqueue_drift_alert
from infra import ids
from tests.support.billing.making import sql
from tests.support.stories.story import Firm, Story

HOOK = "https://acme.example/hook"


def alert(firm: Firm, level: str = "moderate") -> DriftAlert:
    return DriftAlert(
        firm.account.id,
        firm.account.id,
        "ft:model:line-3",
        2,
        level,
        "torque",
        0.13579,
        1_000,
        "2026-10-01T00:00:00+00:00",
    )


async def send(firm: Firm, *alerts: DriftAlert, url: str = HOOK) -> list[tuple[str, str]]:
    """Enqueue alerts; return action and JSON text of what is queued."""
    async with firm.story.database.transaction() as session:
        await update_profile(session, firm.account.id, email="li@acme.example")
        await update_alert_target(session, firm.account.id, url=url)
        for one in alerts:
            await enqueue_drift_alert(session, firm.story.clock, one)
    query = """
        select action, payload::text as body, id from outbox where done_at is null
        union all select 'event', payload::text, id from notification_event order by id
    """
    return [(row.action, row.body) for row in await sql(firm.story.database, query)]


@pytest.mark.parametrize(("level", "word"), [("moderate", "中度"), ("significant", "显著")])
async def test_email_and_webhook_name_model_level_and_variable(
    story: Story, level: str, word: str
) -> None:
    firm = await story.firm()
    (email, letter), (webhook, body) = await send(firm, alert(firm, level))
    assert (email, webhook) == ("email", "event")
    for part in (word, "ft:model:line-3", "torque", "0.14"):
        assert part in letter
    assert ids.format_id("acct", firm.account.id) in body
    for part in ("model.drift_detected", "ft:model:line-3", level, "torque", "0.1358", "1000"):
        assert part in body


async def test_repeated_alert_of_a_minute_is_sent_once(story: Story) -> None:
    firm = await story.firm()
    assert len(await send(firm, alert(firm), alert(firm))) == 2


async def test_account_without_a_webhook_gets_the_email_only(story: Story) -> None:
    firm = await story.firm()
    assert [action for action, _ in await send(firm, alert(firm), url="")] == ["email"]
