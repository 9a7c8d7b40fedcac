"""Notices of agents: an e-mail and an event of each decision, each once."""

import pytest

from billing.accounts.profiles import update_profile
from billing.events.types import EVENT_GROUPS
from billing.notifications.agent_alerts import (
    COMMAND_EVENT,
    DECIDED_EVENT,
    STOPPED_EVENT,
    AgentAlert,
    enqueue_agent_alert,
)
from billing.notifications.agent_reports import REPORTED_EVENT
from billing.notifications.endpoints.endpoints import NewEndpoint, create_endpoint
from infra import ids
from tests.support.billing.making import sql
from tests.support.builders import SEALER
from tests.support.stories.story import Firm, Story


def alert(firm: Firm, kind: str = "inspect") -> AgentAlert:
    data = {"code": "model_not_found"} if kind == "stopped" else {"costs": {"wait": 431.5}}
    return AgentAlert(firm.account.id, "agent_1", "Pump 7", "P-7", "tick-1", kind, data)


async def send(firm: Firm, *alerts: AgentAlert) -> list[tuple[str, str]]:
    """Enqueue alerts; return action and JSON text of what is queued."""
    async with firm.story.database.transaction() as session:
        await update_profile(session, firm.account.id, email="li@acme.example")
        new = NewEndpoint("webhook", "https://acme.example/hook", enabled_events=("agents",))
        await create_endpoint(session, firm.story.clock, SEALER, firm.account.id, new)
        for one in alerts:
            await enqueue_agent_alert(session, firm.story.clock, one)
    query = """
        select action, payload::text as body, id from outbox where done_at is null
        union all select 'event', payload::text || page, id from notification_event order by id
    """
    return [(row.action, row.body) for row in await sql(firm.story.database, query)]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("inspect", "检查"),
        ("stop", "停机"),
        ("part", "备件"),
        ("cleared", "不再"),
        ("stopped", "停止"),
    ],
)
async def test_email_and_event_name_agent_asset_and_figures(
    story: Story, kind: str, word: str
) -> None:
    firm = await story.firm()
    (email, letter), (webhook, body) = await send(firm, alert(firm, kind))
    assert (email, webhook) == ("email", "event")
    for part in (word, "Pump 7", "P-7"):
        assert part in letter
    is_stopped = kind == "stopped"
    assert (STOPPED_EVENT if is_stopped else DECIDED_EVENT) in body
    for part in (kind, "/dashboard/agents/agent_1", "model_not_found" if is_stopped else "431.5"):
        assert part in body
    assert ids.format_id("acct", firm.account.id) in body


async def test_repeated_notice_of_a_tick_is_sent_once(story: Story) -> None:
    firm = await story.firm()
    assert len(await send(firm, alert(firm), alert(firm))) == 2


async def test_notice_of_a_refused_command_names_point_and_reason(story: Story) -> None:
    firm = await story.firm()
    told = {"tag": "P-7.SP", "code": "value_outside"}
    one = AgentAlert(firm.account.id, "agent_1", "Pump 7", "P-7", "c-1", "command_refused", told)
    (_, letter), (_, body) = await send(firm, one)
    assert all(part in letter for part in ("P-7.SP", "value_outside", "Pump 7"))
    assert COMMAND_EVENT in body


def test_events_are_a_group_that_endpoints_select() -> None:
    expected = {DECIDED_EVENT, STOPPED_EVENT, REPORTED_EVENT, COMMAND_EVENT}
    assert expected < set(EVENT_GROUPS["agents"])
