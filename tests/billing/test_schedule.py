"""Jobs: what each tick does, when, and that a dead worker's holds up nobody for long."""

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
from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.mail import Mailer
from infra.outbound.webhook_post import SignedPoster
from tests.support.billing.making import sql
from tests.support.builders import SEALER
from tests.support.stories.story import Story
from tests.support.stories.stripe_story import SEND, StripeStory

NAMES = {"ask", "bill", "check", "count", "dun", "exchange", "improve", "notify"}


@pytest.fixture
def worker(story: Story, tmp_path: Path) -> Worker:
    return Worker(
        story.database,
        story.clock,
        Mailer(None, tmp_path),
        "bill@maas.example",
        SignedPoster(AllowedAddresses()),
        SEALER,
    )


@pytest.fixture
async def app(worker: Worker, database_url: str) -> AsyncIterator[procrastinate.App]:
    made = create_job_app(database_url, worker)
    async with made.open_async():
        yield made


async def run(app: procrastinate.App) -> None:
    """Do what is queued, and end."""
    await app.run_worker_async(wait=False, install_signal_handlers=False, delete_jobs="always")


async def nothing_left(story: Story, app: procrastinate.App) -> None:
    """All that is queued is done, and what comes meanwhile: ticks come by this machine's clock."""
    async with asyncio.timeout(60):
        while await queued(story):
            await run(app)


async def queued(story: Story) -> list[Any]:
    query = "select task_name, status from jobs.procrastinate_jobs order by id"
    return [tuple(row) for row in await sql(story.database, query)]


class TestSchedule:
    def test_each_piece_has_its_cron(self, app: procrastinate.App) -> None:
        crons = {
            task.task.name: task.cron for task in app.periodic_registry.periodic_tasks.values()
        }
        assert crons.keys() == NAMES | {"tidy"}
        assert (crons["exchange"], crons["bill"]) == ("* * * * * */5", "* * * * *")

    def test_only_tidying_waits_for_nobody(self, app: procrastinate.App) -> None:
        for name in NAMES:
            assert (app.tasks[name].lock, app.tasks[name].queueing_lock) == (name, name)
        assert app.tasks["credit"].lock is None  # each part has one
        assert (app.tasks["tidy"].lock, app.tasks["tidy"].queueing_lock) == (None, "tidy")

    async def test_a_tick_does_its_work(self, story: Story, app: procrastinate.App) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=30_000)
        story.clock.set(2026, 11, 1, 1)
        for name in NAMES | {"tidy"}:
            await app.tasks[name].defer_async(timestamp=0)
        await run(app)
        (invoice,) = await firm.invoices()
        assert (invoice.status, firm.text(invoice.total)) == ("open", "30.00")
        await nothing_left(story, app)

    async def test_others_help_with_the_credit_of_many(
        self,
        story: Story,
        app: procrastinate.App,
        worker: Worker,
        database_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Who counts asks for help: of two beside it, each of which begins elsewhere."""
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

    async def test_of_a_few_one_worker_does_it_alone(
        self, story: Story, app: procrastinate.App
    ) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=1_000)
        await app.tasks["count"](timestamp=0)
        assert await queued(story) == []
        assert await firm.credit() == "999"

    async def test_models_are_improved_by_whoever_is_given_to(
        self, worker: Worker, database_url: str
    ) -> None:
        called = []

        async def improve() -> None:
            called.append(1)

        app = create_job_app(database_url, replace(worker, improve=improve))
        async with app.open_async():
            await app.tasks["improve"].defer_async(timestamp=0)
            await run(app)
        # Once for this, and maybe once for the minute that it is.
        assert called

    async def test_a_tick_that_fails_is_no_more_in_the_way(
        self, story: Story, worker: Worker, database_url: str
    ) -> None:
        """What it fails of is logged; the next tick tries again."""
        broken = replace(worker, clock=None)
        app = create_job_app(database_url, broken)
        async with app.open_async():
            await app.tasks["dun"].defer_async(timestamp=0)
            await nothing_left(story, app)


class TestStalled:
    async def test_a_tick_of_a_dead_worker_is_taken_off(
        self, story: Story, app: procrastinate.App
    ) -> None:
        """A worker was killed in the middle of a tick, a minute ago. Its lock would keep all
        others from that tick for good."""
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

    async def test_nobody_has_to_think_of_it(self, story: Story, app: procrastinate.App) -> None:
        """Any worker does so by itself, and goes on with the tick."""
        await self.begin(app, "bill")
        await sql(story.database, "delete from jobs.procrastinate_workers")
        firm = await story.firm()
        await firm.use("vib", rows=30_000)
        story.clock.set(2026, 11, 1, 1)
        # The usage is counted by a tick of its own, which comes by the clock of this machine.
        async with asyncio.timeout(60):
            while [one.status for one in await firm.invoices()] != ["open"]:
                await run(app)

    async def test_one_of_a_worker_that_lives_is_not(
        self, story: Story, app: procrastinate.App
    ) -> None:
        await self.begin(app, "bill")
        await remove_stalled_jobs(app)
        assert await queued(story) == [("bill", "doing")]

    async def test_one_of_a_worker_that_was_forgotten(
        self, story: Story, app: procrastinate.App
    ) -> None:
        """A worker that starts forgets those that are gone."""
        await self.begin(app, "bill")
        await sql(story.database, "delete from jobs.procrastinate_workers")
        await remove_stalled_jobs(app)
        assert await queued(story) == []

    async def begin(self, app: procrastinate.App, name: str) -> None:
        """A worker takes a tick and is not heard of again."""
        worker_id = await app.job_manager.register_worker()
        await app.tasks[name].defer_async(timestamp=0)
        assert await app.job_manager.fetch_job(queues=None, worker_id=worker_id) is not None


class TestWithoutStripe:
    async def test_what_is_for_stripe_waits(self, stripe: StripeStory) -> None:
        """It is there when an operator sets a key."""
        firm = await stripe.firm(SEND)
        await stripe.invoiced(firm, rows=30_000)
        without = replace(stripe.worker, collector=None)
        for tick in (without.sync_collector, without.poll_collector, without.send_notifications):
            await tick()
        assert await stripe.outbox(firm) == [("collect", "waits")]
        await stripe.works()
        assert stripe.theirs()["status"] == "open"


class TestTicks:
    async def test_asking_goes_on_where_stripe_does_not_answer(self, stripe: StripeStory) -> None:
        """The list of events is not to be had; the invoice that was paid is."""
        firm = await stripe.firm(SEND)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.exchanges()
        stripe.fake.webhooks.drop(100)
        stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
        stripe.story.clock.pass_(hours=1)
        stripe.fake.fail_next(3)
        await stripe.worker.poll_collector()
        assert (await stripe.ours(firm)).status == "paid"

    async def test_mails_wait_for_no_stripe(self, stripe: StripeStory) -> None:
        """Stripe is down; reminders are sent all the same."""
        firm = await stripe.firm(SEND, net_days=1)
        await stripe.invoiced(firm, rows=30_000)
        stripe.fake.down()
        stripe.story.clock.pass_(days=2)
        await stripe.worker.run_dunning()
        await stripe.worker.send_notifications()
        assert stripe.told() == ["Payment reminder: invoice MAAS-000001 is overdue"]
        assert await stripe.outbox(firm) == [("collect", "waits"), ("email", "done")]
