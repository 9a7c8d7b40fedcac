"""Notices of agents that learn: an e-mail and an event of each step, in the account's language."""

import pytest

from billing.accounts.profiles import update_profile
from billing.events.types import EVENT_GROUPS
from billing.notifications.agent_learning_alerts import (
    LEARNED_EVENT,
    LearningAlert,
    enqueue_learning_alert,
)
from billing.notifications.agent_learning_texts import AGENT_LEARNING_TEXTS
from billing.notifications.endpoints.endpoints import NewEndpoint, create_endpoint
from tests.support.billing.making import sql
from tests.support.builders import SEALER
from tests.support.stories.story import Story


async def test_every_kind_of_step_is_told_once_with_its_figures(story: Story) -> None:
    firm = await story.firm()
    kinds = [kind.removeprefix("agent_") for kind in AGENT_LEARNING_TEXTS]
    async with story.database.transaction() as session:
        await update_profile(session, firm.account.id, email="li@acme.example")
        new = NewEndpoint("webhook", "https://acme.example/hook", enabled_events=("agents",))
        await create_endpoint(session, story.clock, SEALER, firm.account.id, new)
        for kind in [*kinds, kinds[0]]:
            data = {"number": 3, "rule": "vibration", "figures": {"decisions": 120}}
            alert = LearningAlert(
                firm.account.id, "agent_1", "Pump 7", "P-7", f"step-{kind}", kind, data
            )
            await enqueue_learning_alert(session, story.clock, alert)
    query = "select payload::text as body from outbox where action = 'email' order by id"
    letters = [row.body for row in await sql(story.database, query)]
    events = [
        row.body
        for row in await sql(
            story.database, "select type || payload::text || page as body from notification_event"
        )
    ]
    assert (len(letters), len(events)) == (len(kinds), len(kinds))
    assert all("Pump 7" in one and "P-7" in one for one in letters)
    assert all(LEARNED_EVENT in one and "#learning" in one and "120" in one for one in events)


@pytest.mark.parametrize("kind", list(AGENT_LEARNING_TEXTS))
def test_texts_name_agent_and_asset(kind: str) -> None:
    subject, text = AGENT_LEARNING_TEXTS[kind]
    assert "{name}" in subject
    assert "{asset}" in text


def test_event_is_in_the_group_of_agents() -> None:
    assert LEARNED_EVENT in EVENT_GROUPS["agents"]
