"""The job queue: task states, failed jobs, and retries of failed jobs."""

from billing.job_queue import count_running_workers, list_failed_jobs, list_task_states, retry_job
from tests.support.billing.making import sql
from tests.support.billing.queued import put_job
from tests.support.stories.story import Story


class TestJobQueue:
    async def test_task_states_and_failed_jobs_are_listed(self, story: Story) -> None:
        await put_job(story.database, 901, "bill", "failed")
        await put_job(story.database, 902, "bill", "todo")
        await put_job(story.database, 903, "dun", "failed")
        await put_job(story.database, 904, "count", "doing")
        await sql(story.database, "insert into jobs.procrastinate_workers default values")
        await sql(
            story.database,
            "insert into jobs.procrastinate_periodic_defers (task_name, defer_timestamp) "
            "values ('notify', 1792000000)",
        )
        async with story.database.transaction() as session:
            states = {one.name: one for one in await list_task_states(session)}
            failed = await list_failed_jobs(session, 10)
            assert await count_running_workers(session) == 1
        assert (states["bill"].waiting, states["bill"].failed) == (1, 1)
        assert (states["count"].running, states["count"].ticked_at) == (1, None)
        assert states["notify"].ticked_at is not None
        assert [(one.id, one.task, one.followed) for one in failed] == [
            (903, "dun", False),
            (901, "bill", True),
        ]

    async def test_failed_job_without_successor_is_retried_once(self, story: Story) -> None:
        await put_job(story.database, 901, "bill", "failed")
        await put_job(story.database, 902, "bill", "todo")
        await put_job(story.database, 903, "dun", "failed")
        async with story.database.transaction() as session:
            assert await retry_job(session, story.clock, 901) is None
            assert await retry_job(session, story.clock, 903) == "dun"
            assert await retry_job(session, story.clock, 903) is None
            assert await retry_job(session, story.clock, 999) is None
        rows = await sql(
            story.database, "select id, status from jobs.procrastinate_jobs order by 1"
        )
        assert [tuple(row) for row in rows] == [(901, "failed"), (902, "todo"), (903, "todo")]
