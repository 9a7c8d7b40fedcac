"""The daily report of an agent: e-mail and event, once a day."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from billing.accounts.profiles import update_profile
from billing.notifications.agent_reports import (
    REPORTED_EVENT,
    AgentReportNotice,
    enqueue_agent_report,
)
from billing.notifications.endpoints.endpoints import NewEndpoint, create_endpoint
from tests.support.billing.making import sql
from tests.support.builders import SEALER
from tests.support.stories.story import Firm, Story

NANO = 10**9


def report(firm: Firm) -> AgentReportNotice:
    return AgentReportNotice(
        account_id=firm.account.id,
        agent="agent_1",
        name="Pump 7",
        asset="P-7",
        day="2026-10-02",
        since=datetime(2026, 10, 1, tzinfo=UTC),
        currency="CNY",
        counts={
            "ticks": 288,
            "predictions": 12,
            "recommendations": 1,
            "actions": 1,
            "errors": 0,
        },
        cost_nano=12_000_000,
        expected_nano=1139 * NANO,
        observed_nano=(-120 * NANO, 10_380 * NANO),
    )


async def send(firm: Firm, *reports: AgentReportNotice) -> list[tuple[str, str]]:
    """Enqueue reports; returns action and text of what is queued."""
    async with firm.story.database.transaction() as session:
        await update_profile(session, firm.account.id, email="li@acme.example", locale="en")
        new = NewEndpoint("webhook", "https://acme.example/hook", enabled_events=("agents",))
        await create_endpoint(session, firm.story.clock, SEALER, firm.account.id, new)
        for one in reports:
            await enqueue_agent_report(session, firm.story.clock, one)
    query = """
        select action, payload ->> 'text' as body, id from outbox where done_at is null
        union all select 'event', payload::text || page, id from notification_event order by id
    """
    return [(row.action, row.body) for row in await sql(firm.story.database, query)]


async def test_report_states_counts_cost_and_savings(story: Story) -> None:
    firm = await story.firm()
    (email, letter), (event, body) = await send(firm, report(firm))
    assert (email, event) == ("email", "event")
    for line in (
        "since 2026-10-01 00:00 (UTC)",
        "Checks: 288\nPredictions: 12\nRecommendations: 1\nActions: 1\nErrors: 0",
        "Cost of calls: 0.012 CNY",
        "Expected saving: 1139.00 CNY",
        "Observed saving: -120.00 CNY … 10380.00 CNY",
    ):
        assert line in letter
    for part in (REPORTED_EVENT, "1139.000000000", "-120.000000000", "/dashboard/agents/agent_1"):
        assert part in body


@pytest.mark.parametrize(
    ("observed", "said"),
    [(None, "Observed saving: –"), ((5 * NANO, 5 * NANO), "Observed saving: 5.00 CNY\n")],
)
async def test_saving_that_is_not_known_is_a_dash_and_a_known_one_a_figure(
    story: Story, observed: tuple[int, int] | None, said: str
) -> None:
    firm = await story.firm()
    quiet = replace(report(firm), cost_nano=0, expected_nano=None, observed_nano=observed)
    (_, letter), (_, body) = await send(firm, quiet)
    for line in ("Cost of calls: 0.00 CNY", "Expected saving: –", said):
        assert line in letter
    assert "null" in body


async def test_report_of_a_day_is_sent_once(story: Story) -> None:
    firm = await story.firm()
    one = report(firm)
    assert len(await send(firm, one, one, replace(one, day="2026-10-03"))) == 4
