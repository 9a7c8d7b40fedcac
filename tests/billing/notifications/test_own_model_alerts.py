"""Alerts on own models: promises that do not hold, and scheduled trainings."""

import pytest

from billing.accounts.profiles import update_profile
from billing.notifications.alert_targets import update_alert_target
from billing.notifications.promise_alerts import PromiseAlert, enqueue_promise_alert
from billing.notifications.retraining_alerts import RetrainingAlert, enqueue_retraining_alert
from tests.support.billing.making import sql
from tests.support.stories.story import Firm, Story

MODEL = "ft:model:line-3"


def promise(firm: Firm) -> PromiseAlert:
    return PromiseAlert(firm.account.id, firm.account.id, MODEL, 2, 0.9, 0.71234, 250)


def retraining(firm: Firm, status: str, version: int | None) -> RetrainingAlert:
    code = None if version else "budget_exhausted"
    return RetrainingAlert(
        firm.account.id, "run_1", MODEL, status, version, code, "No budget left."
    )


async def send(firm: Firm, *alerts: PromiseAlert | RetrainingAlert) -> list[tuple[str, str]]:
    """Enqueue alerts; return action and JSON text of what is queued."""
    async with firm.story.database.transaction() as session:
        await update_profile(session, firm.account.id, email="li@acme.example")
        await update_alert_target(session, firm.account.id, url="https://acme.example/hook")
        for one in alerts:
            if isinstance(one, PromiseAlert):
                await enqueue_promise_alert(session, firm.story.clock, one)
            else:
                await enqueue_retraining_alert(session, firm.story.clock, one)
    query = """
        select action, payload::text as body, id from outbox where done_at is null
        union all select 'event', payload::text, id from notification_event order by id
    """
    return [(row.action, row.body) for row in await sql(firm.story.database, query)]


async def test_broken_promise_is_told_once_with_nominal_and_observed_share(story: Story) -> None:
    firm = await story.firm()
    (_, letter), (_, body) = await send(firm, promise(firm), promise(firm))
    for part in (MODEL, "90%", "71%", "250"):
        assert part in letter
    for part in ("model.promise_broken", MODEL, "0.9", "0.7123", "250"):
        assert part in body


@pytest.mark.parametrize(
    ("status", "version", "part"),
    [("activated", 3, "3"), ("proposed", 4, "4"), ("refused", None, "No budget left.")],
)
async def test_retraining_is_told_once_with_version_or_reason(
    story: Story, status: str, version: int | None, part: str
) -> None:
    firm = await story.firm()
    alert = retraining(firm, status, version)
    (_, letter), (_, body) = await send(firm, alert, alert)
    assert MODEL in letter
    assert part in letter
    for one in ("model.retrained", MODEL, status, "run_1"):
        assert one in body
