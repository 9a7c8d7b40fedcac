"""History of reconciliation runs."""

from datetime import timedelta

from billing.reconciliation.history import MAX_DIFFERENCES, list_check_runs, store_check_run
from billing.reconciliation.job import run_record_check
from tests.support.billing.making import sql
from tests.support.stories.story import Story


class TestCheckRunHistory:
    async def test_nightly_runs_are_stored_with_their_differences(self, story: Story) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=3)
        await story.counts()
        assert await run_record_check(story.database, story.clock) == 0
        await sql(story.database, "update usage_total set calls = calls + 1")
        story.clock.pass_(days=1)
        assert await run_record_check(story.database, story.clock) == 1
        async with story.database.transaction() as session:
            runs = await list_check_runs(session, 5)
        assert [(one.count, one.source) for one in runs] == [(1, "job"), (0, "job")]
        assert runs[0].differences[0]["check"].startswith("Period totals equal")
        assert runs[0].figures["usage_rows"] == 1

    async def test_stored_differences_are_limited_and_old_runs_deleted(self, story: Story) -> None:
        many = [{"check": "x", "subject": str(number)} for number in range(300)]
        began_at = story.clock.now() - timedelta(milliseconds=1500)
        async with story.database.transaction() as session:
            await store_check_run(session, story.clock, began_at, "command", {}, many)
            (run,) = await list_check_runs(session, 5)
        assert (run.count, len(run.differences), run.took_ms) == (300, MAX_DIFFERENCES, 1500)
        story.clock.pass_(days=401)
        async with story.database.transaction() as session:
            await store_check_run(session, story.clock, story.clock.now(), "command", {}, [])
            assert [one.count for one in await list_check_runs(session, 5)] == [0]
