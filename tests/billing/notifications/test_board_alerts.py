"""Notices of teams of agents: an e-mail and an event of each, each once, with the figures."""

import pytest

from billing.accounts.profiles import update_profile
from billing.events.types import EVENT_GROUPS
from billing.notifications.agent_alerts import DECIDED_EVENT, STOPPED_EVENT
from billing.notifications.board_alerts import (
    CONFLICT_EVENT,
    TASK_STOPPED_EVENT,
    BoardAlert,
    BoardNotice,
    enqueue_board_alert,
)
from billing.notifications.endpoints.endpoints import NewEndpoint, create_endpoint
from tests.support.billing.making import sql
from tests.support.builders import SEALER
from tests.support.stories.story import Firm, Story

TEXTS = {
    "team": "Mills", "asset": "P-7", "name": "Monitor 7", "code": "agent_task_stuck",
    "verdicts": "Monitor 7: 80.0% (stop); Twin: 10.0% (wait)",
}  # fmt: skip
PAGE = "/dashboard/agents/board/tasks/task_1"


async def send(firm: Firm, kind: BoardNotice) -> list[tuple[str, str]]:
    """Enqueue a notice twice; return action and JSON text of what is queued."""
    story = firm.story
    alert = BoardAlert(firm.account.id, "task_1", kind, TEXTS, {"code": "x"}, PAGE)
    async with story.database.transaction() as session:
        await update_profile(session, firm.account.id, email="li@acme.example")
        new = NewEndpoint("webhook", "https://acme.example/hook", enabled_events=("agents",))
        await create_endpoint(session, story.clock, SEALER, firm.account.id, new)
        for _ in range(2):
            await enqueue_board_alert(session, story.clock, alert)
    query = """
        select action, payload::text as body, id from outbox where done_at is null
        union all select 'event', payload::text || page, id from notification_event order by id
    """
    return [(row.action, row.body) for row in await sql(story.database, query)]


@pytest.mark.parametrize(
    ("kind", "event", "words"),
    [
        (BoardNotice.CONFLICT, CONFLICT_EVENT, ("不一致", "80.0%", "10.0%")),
        (BoardNotice.UNPAID, CONFLICT_EVENT, ("预算", "P-7")),
        (BoardNotice.TASK_STOPPED, TASK_STOPPED_EVENT, ("停止", "agent_task_stuck")),
        (BoardNotice.OSCILLATING, STOPPED_EVENT, ("反复", "Monitor 7")),
    ],
)
async def test_notice_is_sent_once_with_team_asset_and_figures(
    story: Story, kind: BoardNotice, event: str, words: tuple[str, ...]
) -> None:
    firm = await story.firm()
    (email, letter), (webhook, body) = await send(firm, kind)
    assert (email, webhook) == ("email", "event")
    for word in (*words, "Mills"):
        assert word in letter
    assert event in body
    assert PAGE in body


def test_events_are_in_the_group_that_endpoints_select() -> None:
    assert {DECIDED_EVENT, STOPPED_EVENT, CONFLICT_EVENT, TASK_STOPPED_EVENT} < set(
        EVENT_GROUPS["agents"]
    )
