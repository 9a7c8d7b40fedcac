"""Usage totals by project: each row once, the default project is the rest."""

from datetime import UTC, datetime
from uuid import UUID

from sqlmodel import col, select

from billing.metering.usage import list_usage
from billing.metering.usage_buckets import BucketWidth, UsageBucketQuery, list_usage_buckets
from billing.metering.usage_search import UsageFilter, list_newest_usage
from billing.reports.spending import SpendingDimension, SpendingFilter, list_spending
from billing.subscriptions.usage_totals import rebuild_totals
from billing.tables import BillingPeriod
from tests.support.billing.making import sql
from tests.support.billing.project_rows import add_project, use_in
from tests.support.stories.story import Firm, Story

DAY = datetime(2026, 10, 12, tzinfo=UTC)


async def used(story: Story) -> tuple[Firm, UUID]:
    """Two calls of the default project and one of another, a refused call left out."""
    story.clock._now = DAY
    firm = await story.firm()
    project = await add_project(story.database, firm.account.id, created_at=DAY)
    await firm.use("vib", rows=2)
    await use_in(firm, project, rows=5)
    await use_in(firm, firm.account.id, rows=1)
    await story.counts()
    return firm, project


async def by_project(firm: Firm, **values: object) -> dict[object, tuple[int, int]]:
    """(calls, cost in rows' prices) by project."""
    query = UsageBucketQuery(
        DAY,
        DAY.replace(day=13),
        BucketWidth.DAY,
        by_project=True,
        **values,  # type: ignore[arg-type]
    )
    async with firm.story.database.transaction() as session:
        found = await list_usage_buckets(session, firm.account.id, query)
    return {one.project_id: (one.calls, one.cost_nano // 10**6) for one in found}


async def test_buckets_of_projects_sum_to_all_usage(story: Story) -> None:
    firm, project = await used(story)
    expected = {firm.account.id: (2, 3), project: (1, 5)}
    assert await by_project(firm) == expected
    assert await by_project(firm, project_ids=[project]) == {project: (1, 5)}
    # A second step adds the new rows only, and a rebuild gives the same.
    await story.counts()
    assert await by_project(firm) == expected
    async with story.database.transaction() as session:
        await rebuild_totals(session, firm.account.id)
    assert await by_project(firm) == expected


async def test_project_without_usage_beside_the_default_one_has_no_row(story: Story) -> None:
    """All usage is of another project: the rest is nothing."""
    story.clock._now = DAY
    firm = await story.firm()
    project = await add_project(story.database, firm.account.id, created_at=DAY)
    await use_in(firm, project, rows=5)
    await story.counts()
    assert await by_project(firm) == {project: (1, 5)}


async def test_rows_before_the_cursor_of_an_older_worker_are_added_later(story: Story) -> None:
    firm, project = await used(story)
    await sql(story.database, "delete from usage_project_total returning 1")
    await sql(story.database, "update project_cursor set consumed = 0 returning 1")
    assert await by_project(firm) == {firm.account.id: (3, 8)}
    await story.counts()
    assert await by_project(firm) == {firm.account.id: (2, 3), project: (1, 5)}


async def test_spending_is_grouped_and_filtered_by_project(story: Story) -> None:
    firm, project = await used(story)
    async with story.database.transaction() as session:
        query = select(BillingPeriod).where(col(BillingPeriod.account_id) == firm.account.id)
        period = (await session.scalars(query)).one()
        rows = await list_spending(session, firm.account.id, period, SpendingDimension.PROJECT)
        only = SpendingFilter(project_ids=[firm.account.id])
        days = await list_spending(session, firm.account.id, period, SpendingDimension.DAY, only)
    assert [(row.value, row.calls, row.quantities.rows) for row in rows] == [
        (project, 1, 5),
        (firm.account.id, 2, 3),
    ]
    assert [(row.calls, row.quantities.rows) for row in days] == [(2, 3)]


async def test_usage_rows_are_filtered_by_project(story: Story) -> None:
    firm, project = await used(story)
    async with story.database.transaction() as session:
        listed = await list_usage(
            session, account_id=firm.account.id, limit=9, project_ids=[project]
        )
        of_default = UsageFilter(account_id=firm.account.id, project_id=firm.account.id)
        newest = await list_newest_usage(session, of_default, 9)
    assert [row.rows for row in listed] == [5]
    assert sorted(row.rows or 0 for row in newest) == [1, 2]
