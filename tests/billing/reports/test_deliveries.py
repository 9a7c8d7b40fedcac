"""Delivery report: outbox items and inbox events by state."""

from billing.collection.collector import CollectorEvent
from billing.collection.inbox import requeue_event, store_event
from billing.outbox import enqueue, retry_item
from billing.reports.deliveries import (
    DeliveryState,
    InboxCursor,
    count_inbox,
    count_outbox,
    list_inbox,
    list_outbox,
)
from billing.tables import OutboxItem
from tests.support.billing.making import sql
from tests.support.stories.story import Story


class TestOutboxReport:
    async def test_outbox_items_are_counted_and_listed_by_state(self, story: Story) -> None:
        firm = await story.firm()
        for key, state in (
            ("a", "done_at = now()"),
            ("b", "given_up_at = now(), last_error = 'no'"),
            ("c", "last_error = 'busy'"),
            ("d", "attempts = 0"),
        ):
            async with story.database.transaction() as session:
                owner = None if key == "a" else firm.account.id
                await enqueue(session, story.clock, owner, "email", "s", key, {"text": "secret"})
            await sql(story.database, f"update outbox set {state} where business_key = :k", k=key)
        async with story.database.transaction() as session:
            assert set((await count_outbox(session)).values()) == {1}
            rows = await list_outbox(session, None, 10)
            (failed,) = await list_outbox(session, DeliveryState.FAILED, 10)
            older = await list_outbox(session, None, 10, rows[2].id)
            await retry_item(session, story.clock, failed.id)
            assert (await count_outbox(session))[DeliveryState.FAILED] == 0
            assert await session.get(OutboxItem, failed.id) is not None
        assert [one.progress for one in rows] == ["waiting", "retrying", "failed", "done"]
        assert (failed.error, failed.account_name) == ("no", "Acme 精密")
        assert [(one.progress, one.account_name) for one in older] == [("done", None)]


class TestInboxReport:
    async def test_inbox_events_are_counted_and_listed_by_state(self, story: Story) -> None:
        for number, state in enumerate(
            (
                "handled_at = now(), outcome = 'paid'",
                "handled_at = now(), outcome = 'refused: no such'",
                "outcome = 'busy'",
                "attempts = 0",
            )
        ):
            story.clock.pass_(minutes=1)
            said = {"data": {"object": {}}}
            async with story.database.transaction() as session:
                event = CollectorEvent("stripe", f"evt_{number}", "invoice.paid", said)
                await store_event(session, story.clock, event)
            query = f"update inbox set {state} where id = :id"
            await sql(story.database, query, id=f"evt_{number}")
        async with story.database.transaction() as session:
            assert set((await count_inbox(session)).values()) == {1}
            rows = await list_inbox(session, None, 10)
            mark = InboxCursor.parse(str(InboxCursor.from_event(rows[1])))
            older = await list_inbox(session, None, 10, mark)
            await requeue_event(session, story.clock, "evt_1")
            await requeue_event(session, story.clock, "evt_3")
            assert (await count_inbox(session))[DeliveryState.FAILED] == 0
            waiting = await list_inbox(session, DeliveryState.WAITING, 10)
        assert [one.progress for one in rows] == ["waiting", "retrying", "failed", "done"]
        assert [one.id for one in older] == ["evt_1", "evt_0"]
        assert {one.id for one in waiting} == {"evt_1", "evt_3"}

    def test_invalid_inbox_cursor_is_parsed_as_none(self) -> None:
        for text in ("", "x", "2026-11-01 evt_1", "2026-11-01T00:00:00+00:00 \x00"):
            assert InboxCursor.parse(text) is None
