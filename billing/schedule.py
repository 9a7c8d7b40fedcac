"""Jobs: when the work of billing that falls due by itself is done, on procrastinate.

Any number of workers may run, on several machines: each tick is deferred once among them, a tick
does not start while the one before still runs, and all that a tick does may be done twice. The tick
of a worker that was killed holds up the next ones until it is taken off.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status
from structlog.contextvars import bound_contextvars

from billing.collection.stripe.client import Payments
from billing.collection.stripe.inbox import handle_events
from billing.collection.stripe.outbox_handlers import Collector
from billing.collection.stripe.poller import ask_about_invoices, catch_up
from billing.collection.stripe.webhooks import StripeEvents
from billing.cycle import (
    ALL,
    Share,
    bill_accounts,
    dun_accounts,
    expire_wallets,
    put_credit_right,
    take_in_usage,
)
from billing.job_queue import running_workers
from billing.notifications.outbox_handlers import Notifier
from billing.outbox import TryLater, deliver
from billing.outcomes.settlement.jobs import settle_outcomes
from billing.outcomes.settlement.measured_effects import measure_effect
from billing.outcomes.settlement.replay import Measure
from billing.reconciliation.job import check_records
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.mail import Mailer
from infra.outbound.webhook_post import SignedPoster
from infra.secrets.sealer import Sealer


@dataclass(frozen=True, slots=True)
class Worker:
    """What the jobs of one process work with; `payments` None where Stripe is not configured.
    `measure` computes measured effects; `improve` is what becomes of customers' feedback."""

    database: Database
    clock: Clock
    mailer: Mailer
    sender: str
    poster: SignedPoster
    sealer: Sealer
    payments: Payments | None = None
    measure: Measure = measure_effect
    improve: Callable[[], Awaitable[None]] | None = None

    async def count(self) -> int:
        """Usage into totals; gives of how many accounts the credit is to be put right."""
        return await take_in_usage(self.database, self.clock)

    async def helpers(self) -> int:
        """How many workers there are beside this one, of which so many are asked to help."""
        async with self.database.transaction() as session:
            return min(await running_workers(session) - 1, _MOST_HELPERS)

    async def credit(self, share: Share = ALL) -> None:
        """Credit as the totals say."""
        await put_credit_right(self.database, self.clock, share)

    async def bill(self) -> None:
        """Settled outcomes, drafts, final invoices and fees; grants that expire."""
        await settle_outcomes(self.database, self.clock, self.measure)
        await bill_accounts(self.database, self.clock)
        await expire_wallets(self.database, self.clock)

    async def dun(self) -> None:
        """Overdue invoices."""
        await dun_accounts(self.database, self.clock)

    async def exchange(self) -> None:
        """What came in from Stripe, and what is to go there."""
        if self.payments is not None:
            events = StripeEvents(self.database, self.clock, self.payments)
            await handle_events(self.database, self.clock, events.handle)
            collector = Collector(self.database, self.clock, self.payments)
            await deliver(self.database, self.clock, collector.handlers)

    async def ask(self) -> None:
        """What Stripe knows and no event told."""
        if self.payments is not None:
            with suppress(TryLater):  # the next tick is the later
                await catch_up(self.database, self.clock, self.payments)
            events = StripeEvents(self.database, self.clock, self.payments)
            await ask_about_invoices(self.database, self.clock, events)

    async def notify(self) -> None:
        """E-mails and webhooks; of a job of its own, as receivers may be slow."""
        notifier = Notifier(
            self.database, self.clock, self.mailer, self.sender, self.poster, self.sealer
        )
        await deliver(self.database, self.clock, notifier.handlers)

    async def check(self) -> None:
        """Whether all records agree."""
        await check_records(self.database, self.clock)

    async def propose(self) -> None:
        """Versions of shared models, at night; of a job of its own, as learning takes long."""
        if self.improve is not None:
            await self.improve()


# By name: how often, as cron says it with seconds at the end.
_SCHEDULE: Mapping[str, tuple[str, Callable[[Worker], Awaitable[None]]]] = {
    "exchange": ("* * * * * */5", Worker.exchange),
    "notify": ("* * * * * */5", Worker.notify),
    "bill": ("* * * * *", Worker.bill),
    "ask": ("*/5 * * * *", Worker.ask),
    "dun": ("*/15 * * * *", Worker.dun),
    # At night in China.
    "check": ("17 19 * * *", Worker.check),
    "improve": ("*/10 * * * *", Worker.propose),
}
_COUNTING = "* * * * * */10"
_TIDYING = "* * * * * */20"
# Of so many accounts one worker puts the credit right in a second or two.
_ALONE = 100
_MOST_HELPERS = 7
# For a day operators see what failed, and can have it run again.
_FAILED_HOURS = 24


def jobs(url: str, worker: Worker) -> procrastinate.App:
    """The job runner on a database; `open_async` it, then `run_worker_async`."""
    connector = procrastinate.PsycopgConnector(
        conninfo=url, kwargs={"options": "-c search_path=jobs,public"}, min_size=1, max_size=4
    )
    app = procrastinate.App(connector=connector)
    for name, (cron, work) in _SCHEDULE.items():
        _add(app, name, cron, work, worker)
    _add_counting(app, worker)

    # Without a lock: it must run whatever became of the one before.
    @app.periodic(cron=_TIDYING)
    @app.task(name="tidy", queueing_lock="tidy")
    async def tidy(timestamp: int) -> None:
        await take_off_stalled(app)
        await app.job_manager.delete_old_jobs(nb_hours=_FAILED_HOURS, include_failed=True)

    return app


async def take_off_stalled(app: procrastinate.App) -> None:
    """Take off the ticks of workers that are gone: their locks would hold for good."""
    stalled = [job.id for job in await app.job_manager.get_stalled_jobs() if job.id is not None]
    for job_id in stalled:
        with suppress(ConnectorException):  # another worker was quicker
            await app.job_manager.finish_job_by_id_async(job_id, Status.FAILED, delete_job=True)


def _add(
    app: procrastinate.App,
    name: str,
    cron: str,
    work: Callable[[Worker], Awaitable[None]],
    worker: Worker,
) -> None:
    @app.periodic(cron=cron)
    @app.task(name=name, queueing_lock=name, lock=name)
    async def tick(timestamp: int) -> None:
        with bound_contextvars(caused_by={"job": name}):
            await work(worker)


def _add_counting(app: procrastinate.App, worker: Worker) -> None:
    """Usage is taken in by one worker; where many accounts used anything, others help with their
    credit."""

    @app.task(name="credit")
    async def help_out(part: int, of: int) -> None:
        with bound_contextvars(caused_by={"job": "credit"}):
            await worker.credit(Share(part, of))

    @app.periodic(cron=_COUNTING)
    @app.task(name="count", queueing_lock="count", lock="count")
    async def count(timestamp: int) -> None:
        with bound_contextvars(caused_by={"job": "count"}):
            helpers = await worker.helpers() if await worker.count() > _ALONE else 0
            for part in range(1, helpers + 1):
                name = f"credit {part}"
                with suppress(AlreadyEnqueued):  # it will see these accounts as well
                    helping = help_out.configure(lock=name, queueing_lock=name)
                    await helping.defer_async(part=part, of=helpers + 1)
            await worker.credit()
