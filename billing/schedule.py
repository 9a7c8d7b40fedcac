"""Periodic background jobs of billing and their schedule, on procrastinate.

Any number of workers may run on several machines: each run of a job is queued once and does not
start while the previous one runs. Jobs are idempotent. A job of a killed worker blocks later runs
until it is removed as stalled.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status
from structlog.contextvars import bound_contextvars

from billing.collection.collector import Collector
from billing.collection.events import CollectorEventHandler
from billing.collection.inbox import process_pending_events
from billing.collection.outbox_handlers import CollectionHandlers
from billing.collection.payments.poller import PaymentPoller
from billing.collection.poller import poll_open_invoices, store_missed_events
from billing.credit.job import evaluate_due_credit
from billing.cycle import (
    ALL_ACCOUNTS,
    WorkShare,
    aggregate_new_usage,
    apply_price_changes,
    bill_accounts,
    dun_accounts,
    expire_wallets,
    refresh_available_credit,
)
from billing.fapiao.red_letters import request_due_red_letters
from billing.job_queue import count_running_workers
from billing.notifications.endpoints.dispatch import Dispatcher
from billing.notifications.outbox_handlers import Notifier
from billing.outbox import RetryLater, process_due_items
from billing.outcomes.settlement.jobs import settle_outcomes
from billing.outcomes.settlement.measured_effects import measure_effect
from billing.outcomes.settlement.replay import MeasureFunction
from billing.prepaid.auto_top_up_runner import AutoTopUpRunner
from billing.prepaid.pack_jobs import run_pack_jobs
from billing.reconciliation.job import run_record_check
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.mail import Mailer
from infra.secrets.sealer import Sealer


@dataclass(frozen=True, slots=True)
class Worker:
    """The background jobs of one worker process, with their dependencies.

    `collector` is None if none is configured. `measure` computes measured effects; `improve`
    trains new versions of shared models from customers' feedback, `check_inputs` compares the
    inputs of customers' models with those of their training. `tend_signups` deletes old sign-ups
    and revokes starting grants of accounts with one payer. `tend_readings` compresses and expires
    readings of plant points. `payments` asks payment providers
    about orders and refunds, `top_ups` charges saved payment methods; None if none is configured.
    `dispatcher` sends to notification endpoints.
    """

    database: Database
    clock: Clock
    mailer: Mailer
    sender: str
    sealer: Sealer
    dispatcher: Dispatcher
    collector: Collector | None = None
    measure: MeasureFunction = measure_effect
    improve: Callable[[], Awaitable[None]] | None = None
    check_inputs: Callable[[], Awaitable[None]] | None = None
    payments: PaymentPoller | None = None
    tend_signups: Callable[[], Awaitable[None]] | None = None
    tend_readings: Callable[[], Awaitable[None]] | None = None
    top_ups: AutoTopUpRunner | None = None

    async def aggregate_usage(self) -> int:
        """Aggregate new usage. Returns the number of accounts whose credit must be refreshed."""
        return await aggregate_new_usage(self.database, self.clock)

    async def count_helper_workers(self) -> int:
        """Return how many other running workers can share the refresh of accounts' credit."""
        async with self.database.transaction() as session:
            return min(await count_running_workers(session) - 1, _MAX_HELPERS)

    async def refresh_credit(self, share: WorkShare = ALL_ACCOUNTS) -> None:
        """Recompute available credit of accounts with new usage, those of `share` first.

        `share` selects the accounts if several workers divide them.
        """
        await refresh_available_credit(self.database, self.clock, share)

    async def bill(self) -> None:
        """Settle outcome contracts, close periods, invoice fees, expire wallet grants.

        Then schedule due price changes, and request red-letter fapiao for credit notes.
        """
        await settle_outcomes(self.database, self.clock, self.measure)
        await bill_accounts(self.database, self.clock)
        await expire_wallets(self.database, self.clock)
        await apply_price_changes(self.database, self.clock)
        await request_due_red_letters(self.database, self.clock)

    async def decide_credit(self) -> None:
        """Decide the credit limits of accounts with a credit policy, daily and after events."""
        await evaluate_due_credit(self.database, self.clock)

    async def update_packs(self) -> None:
        """Expire prepaid packs, recognize their revenue, cancel unpaid ones, send notices."""
        await run_pack_jobs(self.database, self.clock)

    async def run_dunning(self) -> None:
        """Take the due dunning steps of overdue invoices."""
        await dun_accounts(self.database, self.clock)

    async def sync_collector(self) -> None:
        """Handle received events and send due outbox items to the collector."""
        if self.collector is not None:
            events = CollectorEventHandler(self.database, self.clock, self.collector)
            await process_pending_events(self.database, self.clock, events.handle)
            collection = CollectionHandlers(self.database, self.clock, self.collector)
            await process_due_items(self.database, self.clock, collection.handlers)

    async def poll_collector(self) -> None:
        """Poll the collector for events and invoice states whose webhooks were missed."""
        if self.collector is not None:
            with suppress(RetryLater):  # retried by the next run
                await store_missed_events(self.database, self.clock, self.collector)
            events = CollectorEventHandler(self.database, self.clock, self.collector)
            await poll_open_invoices(self.database, self.clock, events)

    async def poll_payments(self) -> None:
        """Query payment orders whose notification may be lost; send and query refunds."""
        if self.payments is not None:
            await self.payments.poll_orders()
            await self.payments.poll_refunds()

    async def top_up_wallets(self) -> None:
        """Top up wallets below their threshold from saved payment methods."""
        if self.top_ups is not None:
            await self.top_ups.run()

    async def send_notifications(self) -> None:
        """Send due e-mails. A separate job, because the mail server may be slow."""
        notifier = Notifier(self.database, self.clock, self.mailer, self.sender, self.sealer)
        await process_due_items(self.database, self.clock, notifier.handlers)

    async def deliver_events(self) -> None:
        """Send events to notification endpoints, and delete events past the retention."""
        await self.dispatcher.send_due()
        await self.dispatcher.delete_old_events()

    async def check_records(self) -> None:
        """Check that usage, quotas, invoices and the ledger agree."""
        await run_record_check(self.database, self.clock)

    async def improve_models(self) -> None:
        """Train and propose new versions of shared models. A separate job, as it takes long."""
        if self.improve is not None:
            await self.improve()

    async def check_drift(self) -> None:
        """Find the drift of customers' models, and alert where it has risen."""
        if self.check_inputs is not None:
            await self.check_inputs()

    async def check_signups(self) -> None:
        """Delete old sign-ups, and revoke starting grants of accounts with one payer."""
        if self.tend_signups is not None:
            await self.tend_signups()

    async def store_readings(self) -> None:
        """Merge buffered readings of plant points into blocks, and delete expired ones."""
        if self.tend_readings is not None:
            await self.tend_readings()


# Job name -> cron expression (a sixth field is seconds) and function.
_SCHEDULE: Mapping[str, tuple[str, Callable[[Worker], Awaitable[None]]]] = {
    "exchange": ("* * * * * */5", Worker.sync_collector),
    "notify": ("* * * * * */5", Worker.send_notifications),
    "deliver": ("* * * * * */5", Worker.deliver_events),
    "bill": ("* * * * *", Worker.bill),
    "ask": ("*/5 * * * *", Worker.poll_collector),
    "payments": ("* * * * * */10", Worker.poll_payments),
    "dun": ("*/15 * * * *", Worker.run_dunning),
    "decide": ("* * * * *", Worker.decide_credit),
    "top_up": ("* * * * *", Worker.top_up_wallets),
    "packs": ("7 * * * *", Worker.update_packs),
    # At night in China.
    "check": ("17 19 * * *", Worker.check_records),
    "drift": ("*/5 * * * *", Worker.check_drift),
    "improve": ("*/10 * * * *", Worker.improve_models),
    "signups": ("*/5 * * * *", Worker.check_signups),
    "readings": ("* * * * *", Worker.store_readings),
}
_AGGREGATION_CRON = "* * * * * */10"
_CLEANUP_CRON = "* * * * * */20"
# One worker refreshes the credit of this many accounts in a second or two.
_ACCOUNTS_PER_WORKER = 100
_MAX_HELPERS = 7
# Operators can see and retry failed jobs for one day.
_FAILED_JOB_RETENTION_HOURS = 24


def create_job_app(url: str, worker: Worker) -> procrastinate.App:
    """Create the procrastinate app with all jobs; call `open_async`, then `run_worker_async`."""
    connector = procrastinate.PsycopgConnector(
        conninfo=url, kwargs={"options": "-c search_path=jobs,public"}, min_size=1, max_size=4
    )
    app = procrastinate.App(connector=connector)
    for name, (cron, work) in _SCHEDULE.items():
        _add_periodic_job(app, name, cron, work, worker)
    _add_aggregation_job(app, worker)

    # Without a lock, so that it runs even if its previous run is stalled.
    @app.periodic(cron=_CLEANUP_CRON)
    @app.task(name="tidy", queueing_lock="tidy")
    async def tidy(timestamp: int) -> None:
        """Delete stalled running jobs and ended jobs past their retention."""
        await remove_stalled_jobs(app)
        await app.job_manager.delete_old_jobs(
            nb_hours=_FAILED_JOB_RETENTION_HOURS, include_failed=True
        )

    return app


async def remove_stalled_jobs(app: procrastinate.App) -> None:
    """Delete the running jobs of dead workers, whose locks would block the next runs for ever."""
    stalled = [job.id for job in await app.job_manager.get_stalled_jobs() if job.id is not None]
    for job_id in stalled:
        with suppress(ConnectorException):  # another worker was quicker
            await app.job_manager.finish_job_by_id_async(job_id, Status.FAILED, delete_job=True)


def _add_periodic_job(
    app: procrastinate.App,
    name: str,
    cron: str,
    work: Callable[[Worker], Awaitable[None]],
    worker: Worker,
) -> None:
    """Register a job that runs `work` by a cron expression, never twice at once."""

    @app.periodic(cron=cron)
    @app.task(name=name, queueing_lock=name, lock=name)
    async def tick(timestamp: int) -> None:
        """Run the work; audit events name the job as their cause."""
        with bound_contextvars(caused_by={"job": name}):
            await work(worker)


def _add_aggregation_job(app: procrastinate.App, worker: Worker) -> None:
    """Register the job that aggregates usage and the job by which other workers refresh credit.

    Other workers help only if many accounts have new usage.
    """

    @app.task(name="credit")
    async def help_out(part: int, of: int) -> None:
        """Refresh credit, beginning with the accounts of part `part` of `of`."""
        with bound_contextvars(caused_by={"job": "credit"}):
            await worker.refresh_credit(WorkShare(part, of))

    @app.periodic(cron=_AGGREGATION_CRON)
    @app.task(name="count", queueing_lock="count", lock="count")
    async def count(timestamp: int) -> None:
        """Aggregate usage, ask other workers to help if needed, and refresh credit."""
        with bound_contextvars(caused_by={"job": "count"}):
            helpers = (
                await worker.count_helper_workers()
                if await worker.aggregate_usage() > _ACCOUNTS_PER_WORKER
                else 0
            )
            for part in range(1, helpers + 1):
                name = f"credit {part}"
                with suppress(AlreadyEnqueued):  # it will see these accounts as well
                    helping = help_out.configure(lock=name, queueing_lock=name)
                    await helping.defer_async(part=part, of=helpers + 1)
            await worker.refresh_credit()
