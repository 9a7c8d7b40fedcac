"""Incidents on the database: each update is an event of every account that selected it, once."""

from billing.notifications.endpoints.endpoints import (
    EndpointChange,
    NewEndpoint,
    create_endpoint,
    update_endpoint,
)
from gateway.incidents.fields import LocalText, NewIncident, NewUpdate
from gateway.incidents.store import (
    list_open_incidents,
    list_recent_incidents,
    load_updates,
    open_incident,
    update_incident,
)
from tests.support.billing.making import sql
from tests.support.billing.notifying import event_payloads
from tests.support.builders import SEALER
from tests.support.stories.story import Firm, Story

NEW = NewIncident(
    LocalText("Slow answers", "响应变慢"),
    LocalText("We are looking.", "正在排查。"),
    "major",
    ("llm",),
)


async def listens(story: Story, firm: Firm, *events: str, enabled: bool = True) -> None:
    """Add a mailbox that receives these events."""
    new = NewEndpoint("email", "li@acme.example", enabled_events=events)
    place = (story.clock, SEALER, firm.account.id)
    async with story.database.transaction() as session:
        made = await create_endpoint(session, *place, new)
        await update_endpoint(session, *place, made.row.id, EndpointChange(enabled=enabled))


async def test_updates_are_sent_to_subscribed_accounts_only_and_each_once(story: Story) -> None:
    all_events, own, others, off = [await story.firm(name) for name in ("A", "B", "C", "D")]
    await listens(story, all_events, "*")
    await listens(story, all_events, "incident.resolved")
    await listens(story, own, "incidents")
    await listens(story, others, "invoices")
    await listens(story, off, "incidents", enabled=False)
    async with story.database.transaction() as session:
        row = await open_incident(session, story.clock, NEW)
    async with story.database.transaction() as session:
        text = LocalText("A fix is being rolled out.")
        await update_incident(session, story.clock, row.id, NewUpdate("monitoring", text))
    story.clock.pass_(hours=1)
    async with story.database.transaction() as session:
        await update_incident(session, story.clock, row.id, NewUpdate("resolved", text))
    sent = await sql(
        story.database,
        "select a.name, d.event_type, count(*) from notification_delivery d "
        "join account a on a.id = d.account_id group by 1, 2 order by 1, 2",
    )
    assert [tuple(one) for one in sent] == [
        ("A", "incident.opened", 1),
        ("A", "incident.resolved", 2),
        ("A", "incident.updated", 1),
        ("B", "incident.opened", 1),
        ("B", "incident.resolved", 1),
        ("B", "incident.updated", 1),
    ]
    first, *_ = [one["data"] for one in await event_payloads(story.database)]
    assert first["title"] == {"en": "Slow answers", "zh": "响应变慢"}
    assert (first["impact"], first["models"], first["status"]) == (
        "major",
        ["llm"],
        "investigating",
    )
    assert first["update"]["text"] == {"en": "We are looking.", "zh": "正在排查。"}
    assert first["account"].startswith("acct_")
    query = "select texts, page from notification_event order by id"
    (texts, *_) = await sql(story.database, query)
    assert texts.texts["zh"] == {"title": "响应变慢", "text": "正在排查。"}
    assert texts.page == "/status"


async def test_resolved_incident_is_shown_for_fourteen_days(story: Story) -> None:
    async with story.database.transaction() as session:
        row = await open_incident(session, story.clock, NEW)
        assert [one.id for one in await list_open_incidents(session)] == [row.id]
        done = NewUpdate("resolved", LocalText(zh="已恢复。"))
        await update_incident(session, story.clock, row.id, done)
        assert await list_open_incidents(session) == []
        updates = (await load_updates(session, [row]))[row.id]
        assert [one.text_in("zh") for one in updates] == ["已恢复。", "正在排查。"]
        assert len(await list_recent_incidents(session, story.clock.now())) == 1
        story.clock.pass_(days=14, seconds=1)
        assert await list_recent_incidents(session, story.clock.now()) == []
