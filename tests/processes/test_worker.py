"""The worker as a process: it aggregates, invoices, collects and sends alerts; it shuts down
cleanly; and several workers do no work twice.

It uses the machine's clock, so its accounts have usage of October 2026.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sized
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from billing.notifications.alert_targets import update_alert_target
from billing.tables import Invoice
from gateway.worker import run_worker
from infra.clock import SystemClock
from infra.database.database import Database
from infra.database.embedded_postgres import start_postgres
from infra.settings import Settings, SettingsInvalid
from tests.support.billing.making import sql
from tests.support.fakes.smtp import FakeSmtp, run_fake_smtp
from tests.support.fakes.stripe.clock import MovableClock
from tests.support.fakes.stripe.running import FakeStripe, run_fake_stripe
from tests.support.starting import Child, start_process
from tests.support.stories.story import Firm, Story
from tests.support.stories.stripe_story import SEND

PATIENCE_S = 180


class StripesClock(SystemClock):
    """The clock of the fake Stripe, the same as the worker's."""

    def advance(self, by: object) -> None:
        raise AssertionError("time passes by itself here")


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeStripe]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    clock: MovableClock = StripesClock()
    async with run_fake_stripe(clock) as running:
        yield running


@pytest.fixture
async def smtp() -> AsyncIterator[FakeSmtp]:
    async with run_fake_smtp() as running:
        yield running


@pytest.fixture
def story(database: Database) -> Story:
    return Story(database)


@pytest.fixture
def environment(
    database_url: str, tmp_path: Path, fake: FakeStripe, smtp: FakeSmtp
) -> dict[str, str]:
    return {
        "MAAS_DATABASE_URL": database_url,
        "MAAS_DATA_DIR": str(tmp_path),
        "MAAS_STRIPE_SECRET_KEY": fake.key,
        "MAAS_STRIPE_API_BASE": fake.url,
        "MAAS_SMTP_URL": smtp.url,
    }


@contextmanager
def running(environment: dict[str, str], count: int = 1) -> Iterator[list[Child]]:
    """Run a number of workers until the block ends."""
    workers = [start_process("gateway.worker", environment) for _ in range(count)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


async def counts(found: Sized, count: int) -> bool:
    return len(found) == count


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition that another process fulfils."""
    async with asyncio.timeout(PATIENCE_S):
        while not await true():  # noqa: ASYNC110  # another process does it
            await asyncio.sleep(0.1)


async def used(story: Story, *names: str) -> list[Firm]:
    """Accounts with usage of 30.00 each in October and 30.00 now; Stripe sends their invoices, and
    they have an alert at a tenth of their credit."""
    firms = []
    for name in names:
        firm = await story.firm(name, credit="50", collection=SEND)
        await firm.billed(email=f"{name}@acme.example")
        async with story.database.transaction() as session:
            await update_alert_target(session, firm.account.id, percentages=[10])
        await firm.use("vib", rows=30_000)
        await firm.use("vib", datetime.now(UTC), rows=30_000)
        firms.append(firm)
    return firms


async def collected(firms: list[Firm]) -> list[Invoice]:
    """The invoices that were created at Stripe."""
    invoices = [invoice for firm in firms for invoice in await firm.invoices()]
    return [invoice for invoice in invoices if invoice.external_invoice is not None]


async def test_worker_aggregates_invoices_collects_and_sends_alerts(
    story: Story, environment: dict[str, str], fake: FakeStripe, smtp: FakeSmtp
) -> None:
    """October's 30.00 are aggregated, invoiced and sent; an alert of the usage is e-mailed."""
    firms = await used(story, "a")
    with running(environment) as (worker,):
        await until(lambda: counts(fake.events("invoice.sent"), 1))
        (invoice,) = await collected(firms)
        assert (invoice.status, firms[0].text(invoice.total)) == ("open", "30.00")
        (theirs,) = fake.objects("invoice")
        assert (theirs["id"], theirs["total"]) == (invoice.external_invoice, 3000)
        rows = await sql(story.database, "select sum(rows) as counted from usage_total")
        assert rows[0].counted == 60_000
        await until(lambda: counts(smtp.taken, 1))
        assert smtp.taken[0].recipients == ["a@acme.example"]
        assert worker.poll() is None
        worker.send_signal(signal.SIGTERM)
        await asyncio.to_thread(worker.wait, PATIENCE_S)
        assert worker.returncode == 0
    # The worker has removed its row and left no job running.
    for table in ("procrastinate_workers", "procrastinate_jobs where status = 'doing'"):
        assert await sql(story.database, f"select 1 from jobs.{table}") == []
    assert await story.differences() == ()


async def test_two_concurrent_workers_invoice_and_alert_each_account_once(
    story: Story, environment: dict[str, str], fake: FakeStripe, smtp: FakeSmtp
) -> None:
    names = [f"firm-{number}" for number in range(6)]
    firms = await used(story, *names)
    with running(environment, count=2) as workers:
        await until(lambda: counts(fake.events("invoice.sent"), 6))
        await until(lambda: counts(smtp.taken, 6))
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            await asyncio.to_thread(worker.wait, PATIENCE_S)
            assert worker.returncode == 0
    assert sorted(invoice.number or 0 for invoice in await collected(firms)) == [1, 2, 3, 4, 5, 6]
    assert [one["total"] for one in fake.objects("invoice")] == [3000] * 6
    assert len(fake.objects("customer")) == 6
    told = sorted(recipient for mail in smtp.taken for recipient in mail.recipients)
    assert told == sorted(f"{name}@acme.example" for name in names)
    assert await story.differences() == ()


async def test_second_worker_completes_the_work_of_a_killed_worker(
    story: Story, environment: dict[str, str], fake: FakeStripe
) -> None:
    """The worker is killed while Stripe is slow to create the invoice; another one completes it."""
    firms = await used(story, "a")
    fake.slow(2)
    with running(environment) as (worker,):
        await until(lambda: counts(fake.objects("customer"), 1))
        worker.kill()
        worker.wait()
    fake.slow(0)
    # As after a minute: the heartbeat is old and the lease of its work has expired.
    await sql(
        story.database,
        "update jobs.procrastinate_workers set last_heartbeat = now() - interval '1 minute'",
    )
    await sql(story.database, "update outbox set due_at = created_at where done_at is null")
    with running(environment):
        await until(lambda: counts(fake.events("invoice.sent"), 1))
    assert len(await collected(firms)) == 1
    assert (len(fake.objects("customer")), len(fake.objects("invoice"))) == (1, 1)


async def test_worker_exits_when_its_parent_process_is_gone(
    story: Story, environment: dict[str, str]
) -> None:
    """As after `maas up` was killed."""
    script = (
        "from infra.processes import start_module; import sys, time\n"
        "print(start_module('gateway.worker').pid, flush=True); time.sleep(600)"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), PATIENCE_S))
    alive = "select 1 from jobs.procrastinate_workers"

    async def works() -> bool:
        return await sql(story.database, alive) != []

    async def has_ended() -> bool:
        return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    await until(works)
    parent.kill()
    await parent.wait()
    await until(has_ended)
    assert await sql(story.database, alive) == []


async def test_worker_without_a_database_url_raises_settings_invalid() -> None:
    with pytest.raises(SettingsInvalid, match="MAAS_DATABASE_URL"):
        await run_worker(Settings(database_url=None))


async def test_worker_with_model_improvement_requires_a_serving_url(database_url: str) -> None:
    with pytest.raises(SettingsInvalid, match="MAAS_SERVING_URL"):
        await run_worker(Settings(database_url=database_url, improve_at="18:30"))


class TestWorkerDatabaseOutage:
    async def test_jobs_continue_after_a_database_restart(self, data_dir: Path) -> None:
        """A restart of PostgreSQL ends the job runner; it must start again to bill accounts."""
        postgres = await asyncio.to_thread(start_postgres, data_dir / "postgres")
        environment = {"MAAS_DATABASE_URL": postgres.url, "MAAS_DATA_DIR": str(data_dir)}
        child = start_process("gateway.worker", environment)
        database = Database(postgres.url)
        last = "select coalesce(max(id), 0) from jobs.procrastinate_periodic_defers"
        try:
            await _until(lambda: sql(database, f"{last} having max(id) > 0"))
            await asyncio.to_thread(postgres._server.stop)
            # Longer than the interval of one second at which a worker polls for jobs.
            await asyncio.sleep(2)
            await asyncio.to_thread(postgres._server.ensure_postgres_running)
            await database.close()
            database = Database(postgres.url)
            ((before,),) = await sql(database, last)
            await _until(lambda: sql(database, f"{last} having max(id) > {before}"))
            assert child.poll() is None
            child.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(child.wait, PATIENCE_S) == 0
        finally:
            child.kill()
            child.wait()
            await database.close()
            postgres.stop()


async def _until(ask: Callable[[], Awaitable[Sized]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not len(await ask()):  # noqa: ASYNC110  # the database gives no event
            await asyncio.sleep(0.2)
