"""Scheduled jobs: cron schedules, locks, work sharing, and stalled jobs of dead workers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import procrastinate
import pytest

import billing.schedule
from billing.cycle import WorkShare
from billing.schedule import Worker, create_job_app, remove_stalled_jobs
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.mail import Mailer
from tests.support.billing.making import sql
from tests.support.billing.notifying import make_dispatcher
from tests.support.builders import SEALER
from tests.support.stories.story import Story
from tests.support.stories.stripe_story import SEND, StripeStory

NAMES = {
    *("ask", "bill", "check", "count", "decide", "deliver", "drift", "dun", "exchange"),
    *("improve", "notify", "packs", "payments", "readings", "signups", "top_up"),
}


@pytest.fixture
def worker(story: Story, tmp_path: Path) -> Worker:
    return Worker(
        story.database,
        story.clock,
        Mailer(None, tmp_path),
        "bill@maas.example",
        SEALER,
        make_dispatcher(story.database, story.clock),
    )


@pytest.fixture
async def app(worker: Worker, database_url: str) -> AsyncIterator[procrastinate.App]:
    made = create_job_app(database_url, worker)
    async with made.open_async():
        yield made


async def run(app: procrastinate.App) -> None:
    """Run the queued jobs, then stop."""
    await app.run_worker_async(wait=False, install_signal_handlers=False, delete_jobs="always")


async def nothing_left(story: Story, app: procrastinate.App) -> None:
    """Run jobs until the queue is empty; periodic jobs may be added by the real clock meanwhile."""
    async with asyncio.timeout(60):
        while await queued(story):
            await run(app)


async def queued(story: Story) -> list[Any]:
    query = "select task_name, status from jobs.procrastinate_jobs order by id"
    return [tuple(row) for row in await sql(story.database, query)]


class TestPeriodicTasks:
    def test_every_periodic_task_has_a_cron_schedule(self, app: procrastinate.App) -> None:
        crons = {
            task.task.name: task.cron for task in app.periodic_registry.periodic_tasks.values()
        }
        assert crons.keys() == NAMES | {"tidy"}
        assert (crons["exchange"], crons["bill"]) == ("* * * * * */5", "* * * * *")

    def test_every_task_except_tidy_and_credit_has_an_own_lock(
        self, app: procrastinate.App
    ) -> None:
        for name in NAMES:
            assert (app.tasks[name].lock, app.tasks[name].queueing_lock) == (name, name)
        assert app.tasks["credit"].lock is None  # each part has one
        assert (app.tasks["tidy"].lock, app.tasks["tidy"].queueing_lock) == (None, "tidy")

    async def test_periodic_jobs_invoice_the_usage(
        self, story: Story, app: procrastinate.App
    ) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=30_000)
        story.clock.set(2026, 11, 1, 1)
        for name in NAMES | {"tidy"}:
            await app.tasks[name].defer_async(timestamp=0)
        await run(app)
        (invoice,) = await firm.invoices()
        assert (invoice.status, firm.text(invoice.total)) == ("open", "30.00")
        await nothing_left(story, app)

    async def test_credit_refresh_of_many_accounts_is_shared_among_workers(
        self,
        story: Story,
        app: procrastinate.App,
        worker: Worker,
        database_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The aggregating worker queues two more shares, each starting at another account."""
        monkeypatch.setattr(billing.schedule, "_ACCOUNTS_PER_WORKER", 3)
        firms = [await story.firm(str(number)) for number in range(5)]
        for firm in firms:
            await firm.use("vib", rows=1_000)
        shares: list[WorkShare] = []
        put_right = billing.schedule.refresh_available_credit

        async def seen(database: Database, clock: Clock, share: WorkShare) -> int:
            shares.append(share)
            return await put_right(database, clock, share)

        monkeypatch.setattr(billing.schedule, "refresh_available_credit", seen)
        other = create_job_app(database_url, worker)
        async with other.open_async():
            for _ in range(3):
                await other.job_manager.register_worker()
            await app.tasks["count"](timestamp=0)
            assert await queued(story) == [("credit", "todo")] * 2
            await asyncio.gather(run(app), run(other))
        assert {WorkShare(1, 3), WorkShare(2, 3)} <= set(shares)
        assert [await firm.credit() for firm in firms] == ["999"] * 5
        await nothing_left(story, app)

    async def test_credit_refresh_of_few_accounts_runs_in_one_worker(
        self, story: Story, app: procrastinate.App
    ) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=1_000)
        await app.tasks["count"](timestamp=0)
        assert await queued(story) == []
        assert await firm.credit() == "999"

    @pytest.mark.parametrize(
        ("task", "setting"),
        [
            ("improve", "improve"),
            ("drift", "check_inputs"),
            ("signups", "tend_signups"),
            ("readings", "tend_readings"),
        ],
    )
    async def test_task_calls_the_configured_function(
        self, worker: Worker, database_url: str, task: str, setting: str
    ) -> None:
        called = []

        async def work() -> None:
            called.append(1)

        configured: dict[str, Any] = {setting: work}
        app = create_job_app(database_url, replace(worker, **configured))
        async with app.open_async():
            await app.tasks[task].defer_async(timestamp=0)
            await run(app)
        # Once for this, and maybe once for the minute that it is.
        assert called

    async def test_failed_job_is_removed_from_the_queue(
        self, story: Story, worker: Worker, database_url: str
    ) -> None:
        """The error is logged; the next periodic job tries again."""
        broken = replace(worker, clock=None)
        app = create_job_app(database_url, broken)
        async with app.open_async():
            await app.tasks["dun"].defer_async(timestamp=0)
            await nothing_left(story, app)


class TestStalledJobs:
    async def test_job_of_a_worker_without_heartbeat_is_removed(
        self, story: Story, app: procrastinate.App
    ) -> None:
        """A worker was killed during a job a minute ago. The job's lock would block all later jobs
        of the task."""
        await self.begin(app, "bill")
        await app.tasks["bill"].defer_async(timestamp=1)
        other = await app.job_manager.register_worker()
        assert await app.job_manager.fetch_job(queues=None, worker_id=other) is None
        await sql(
            story.database,
            "update jobs.procrastinate_workers set last_heartbeat = now() - interval '1 minute' "
            "where id <> :other",
            other=other,
        )
        await remove_stalled_jobs(app)
        assert await queued(story) == [("bill", "todo")]
        job = await app.job_manager.fetch_job(queues=None, worker_id=other)
        assert job is not None
        assert job.task_kwargs == {"timestamp": 1}

    async def test_worker_removes_stalled_jobs_by_itself(
        self, story: Story, app: procrastinate.App
    ) -> None:
        """Every running worker removes stalled jobs and then runs the task."""
        await self.begin(app, "bill")
        await sql(story.database, "delete from jobs.procrastinate_workers")
        firm = await story.firm()
        await firm.use("vib", rows=30_000)
        story.clock.set(2026, 11, 1, 1)
        # The usage is counted by a tick of its own, which comes by the clock of this machine.
        async with asyncio.timeout(60):
            while [one.status for one in await firm.invoices()] != ["open"]:
                await run(app)

    async def test_job_of_a_live_worker_is_kept(self, story: Story, app: procrastinate.App) -> None:
        await self.begin(app, "bill")
        await remove_stalled_jobs(app)
        assert await queued(story) == [("bill", "doing")]

    async def test_job_of_a_deleted_worker_is_removed(
        self, story: Story, app: procrastinate.App
    ) -> None:
        """A starting worker deletes the rows of workers without heartbeat."""
        await self.begin(app, "bill")
        await sql(story.database, "delete from jobs.procrastinate_workers")
        await remove_stalled_jobs(app)
        assert await queued(story) == []

    async def begin(self, app: procrastinate.App, name: str) -> None:
        """Register a worker that fetches a job and never finishes it."""
        worker_id = await app.job_manager.register_worker()
        await app.tasks[name].defer_async(timestamp=0)
        assert await app.job_manager.fetch_job(queues=None, worker_id=worker_id) is not None


class TestWorkerWithoutCollector:
    async def test_collector_items_wait_until_stripe_is_configured(
        self, stripe: StripeStory
    ) -> None:
        """The item is still queued when an operator configures a Stripe key."""
        firm = await stripe.firm(SEND)
        await stripe.invoiced(firm, rows=30_000)
        without = replace(stripe.worker, collector=None)
        for tick in (without.sync_collector, without.poll_collector, without.send_notifications):
            await tick()
        assert await stripe.outbox(firm) == [("collect", "waits")]
        await stripe.works()
        assert stripe.theirs()["status"] == "open"


class TestStripeOutage:
    async def test_paid_invoice_is_polled_while_the_event_list_fails(
        self, stripe: StripeStory
    ) -> None:
        """The event list fails, but the paid invoice can be retrieved."""
        firm = await stripe.firm(SEND)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.exchanges()
        stripe.fake.webhooks.drop(100)
        stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
        stripe.story.clock.pass_(hours=1)
        stripe.fake.fail_next(3)
        await stripe.worker.poll_collector()
        assert (await stripe.ours(firm)).status == "paid"

    async def test_emails_are_sent_while_stripe_is_down(self, stripe: StripeStory) -> None:
        """Stripe is down; payment reminders are still sent."""
        firm = await stripe.firm(SEND, net_days=1)
        await stripe.invoiced(firm, rows=30_000)
        stripe.fake.down()
        stripe.story.clock.pass_(days=2)
        await stripe.worker.run_dunning()
        await stripe.worker.send_notifications()
        assert stripe.told() == ["Payment reminder: invoice MAAS-000001 is overdue"]
        assert await stripe.outbox(firm) == [("collect", "waits"), ("email", "done")]
