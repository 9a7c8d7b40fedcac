"""Pending work of operators."""

from datetime import timedelta

from billing.reconciliation.history import store_check_run
from billing.reports.pending_work import FAPIAO_OVERDUE, PendingKind, PendingWork, list_pending_work
from tests.support.billing.fapiao_steps import paid_invoice, request
from tests.support.billing.line_disputes import disputed
from tests.support.stories.story import Story


async def pending(story: Story) -> dict[PendingKind, PendingWork]:
    async with story.database.transaction() as session:
        rows = await list_pending_work(session, story.clock.now())
    assert [row.kind for row in rows] == list(PendingKind)
    return {row.kind: row for row in rows}


async def test_nothing_is_pending_in_an_empty_database(story: Story) -> None:
    assert {row.count for row in (await pending(story)).values()} == {0}


async def test_disputes_fapiao_and_differences_are_counted_since_the_oldest(story: Story) -> None:
    firm, invoice = await paid_invoice(story)
    dispute = await disputed(firm, invoice)
    fapiao = await request(firm, invoice)
    now = story.clock.now()
    async with story.database.transaction() as session:
        await store_check_run(session, story.clock, now, "job", {}, [{"check": "x"}])
    found = await pending(story)
    assert found[PendingKind.LINE_DISPUTE] == PendingWork(
        PendingKind.LINE_DISPUTE, 1, dispute.opened_at
    )
    assert (found[PendingKind.FAPIAO].count, found[PendingKind.FAPIAO_OVERDUE].count) == (1, 0)
    assert (found[PendingKind.DIFFERENCE].count, found[PendingKind.DIFFERENCE].since) == (1, now)
    async with story.database.transaction() as session:
        late = fapiao.requested_at + FAPIAO_OVERDUE + timedelta(seconds=1)
        rows = await list_pending_work(session, late)
    assert rows[4] == PendingWork(PendingKind.FAPIAO_OVERDUE, 1, fapiao.requested_at)
