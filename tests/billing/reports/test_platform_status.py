"""Platform status for metrics: outbox, inbox, invoices and reconciliation."""

from datetime import UTC, datetime, timedelta

from billing.collection.collector import CollectorEvent
from billing.collection.inbox import store_event
from billing.outbox import enqueue
from billing.reconciliation.history import store_check_run
from billing.reports.platform_status import LabelledCount, read_platform_status
from tests.support.billing.fapiao_steps import paid_invoice, request
from tests.support.billing.making import sql
from tests.support.stories.story import Story


class TestPlatformStatus:
    async def test_empty_database_has_empty_status(self, story: Story) -> None:
        async with story.database.transaction() as session:
            found = await read_platform_status(session, story.clock.now())
        assert (found.workers, found.checked_at, found.differences) == (0, None, 0)
        assert not [*found.jobs, *found.outbox, *found.inbox, *found.invoices, *found.fapiao]
        assert found.oldest_fapiao is None

    async def test_outbox_and_inbox_are_counted_by_state(self, story: Story) -> None:
        firm = await story.firm("Acme")
        async with story.database.transaction() as session:
            for number in range(5):
                place = (firm.account.id, "mail", f"m{number}", f"m{number}", {})
                await enqueue(session, story.clock, *place)
            await store_event(
                session, story.clock, CollectorEvent("stripe", "evt_1", "invoice.paid", {})
            )
            await store_event(
                session, story.clock, CollectorEvent("stripe", "evt_2", "invoice.paid", {})
            )
        await sql(
            story.database, "update outbox set last_error = 'x' where subject in ('m0', 'm1')"
        )
        await sql(story.database, "update outbox set given_up_at = now() where subject = 'm0'")
        await sql(story.database, "update outbox set done_at = now() where subject = 'm2'")
        await sql(story.database, "update inbox set outcome = 'x' where id = 'evt_2'")
        async with story.database.transaction() as session:
            found = await read_platform_status(session, story.clock.now())
        expected = [("failed", 1), ("retrying", 1), ("waiting", 2)]
        assert found.outbox == [
            LabelledCount(("mail", state), number) for state, number in expected
        ]
        assert found.inbox == [LabelledCount(("retrying",), 1), LabelledCount(("waiting",), 1)]

    async def test_open_fapiao_are_counted_with_the_oldest_request(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        row = await request(firm, invoice)
        story.clock.pass_(days=1)
        async with story.database.transaction() as session:
            found = await read_platform_status(session, story.clock.now())
        assert found.fapiao == [LabelledCount(("requested",), 1)]
        assert found.oldest_fapiao == row.requested_at

    async def test_failures_older_than_a_week_are_not_counted(self, story: Story) -> None:
        async with story.database.transaction() as session:
            await enqueue(session, story.clock, None, "mail", "m", "m", {})
        await sql(story.database, "update outbox set given_up_at = now()")
        async with story.database.transaction() as session:
            later = await read_platform_status(session, datetime.now(UTC) + timedelta(days=8))
        assert later.outbox == []

    async def test_open_invoices_and_reconciliation_differences_are_counted(
        self, story: Story
    ) -> None:
        firm = await story.firm(net_days=20)
        await firm.use("vib", rows=1_000)
        await story.until(2026, 11, 1, 1)
        async with story.database.transaction() as session:
            now = story.clock.now()
            await store_check_run(
                session, story.clock, now, "job", {}, [{"what": "x"}, {"what": "y"}]
            )
            soon = await read_platform_status(session, now)
            late = await read_platform_status(session, now + timedelta(days=400))
        assert (soon.checked_at, soon.differences) == (now, 2)
        assert soon.invoices == [LabelledCount(("CNY", "no"), 1)]
        assert late.invoices == [LabelledCount(("CNY", "yes"), 1)]
