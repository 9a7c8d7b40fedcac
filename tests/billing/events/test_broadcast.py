"""Events of the platform: one for each account with an endpoint that selected the type."""

import pytest

from billing.events import broadcast
from billing.events.broadcast import BroadcastEvent, broadcast_event
from billing.events.texts import EventText
from billing.notifications.endpoints.endpoints import NewEndpoint, create_endpoint
from tests.support.billing.making import sql
from tests.support.billing.notifying import event_payloads
from tests.support.builders import SEALER
from tests.support.stories.story import Story

EVENT = BroadcastEvent(
    "incident.opened", "incident:1", {"id": "1"}, {"en": EventText("Slow", "We look.")}, "/page"
)


async def test_repeated_event_is_stored_once_for_each_subscribed_account(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "_ACCOUNTS_PER_STATEMENT", 2)
    for name, events in (("A", "*"), ("B", "incidents"), ("C", "incident.opened"), ("D", "jobs")):
        firm = await story.firm(name)
        new = NewEndpoint("email", f"{name}@acme.example", enabled_events=(events,))
        async with story.database.transaction() as session:
            await create_endpoint(session, story.clock, SEALER, firm.account.id, new)
    for _ in range(2):
        async with story.database.transaction() as session:
            assert await broadcast_event(session, story.clock.now(), EVENT) == 3
    payloads = await event_payloads(story.database)
    assert [one["type"] for one in payloads] == ["incident.opened"] * 3
    assert len({one["data"]["account"] for one in payloads}) == 3
    deliveries = await sql(story.database, "select count(*) from notification_delivery")
    assert deliveries[0][0] == 3
