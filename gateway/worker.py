"""The worker process: runs the scheduled and queued jobs of billing and of shared models.

`maas up` starts one. Any number of workers may run concurrently.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import time, timedelta
from functools import partial

import procrastinate
import structlog
from procrastinate.exceptions import ConnectorException

from billing.collection.payments.poller import PaymentPoller
from billing.notifications.endpoints.dispatch import Dispatcher
from billing.schedule import Worker, create_job_app
from gateway.drift.check import DriftCheck
from gateway.observations.check import PromiseCheck
from gateway.plant.readings.storage.retention import RetentionDefaults
from gateway.plant.readings.storage.upkeep import ReadingUpkeep
from gateway.process.catalog_reloader import CatalogReloader
from gateway.process.integrations import (
    create_auto_top_ups,
    create_checkout,
    create_collector,
    create_endpoint_sender,
    create_mailer,
)
from gateway.shared_models.factory import create_proposer
from gateway.shared_models.schedule import NightlyProposals
from gateway.signups.factory import build_messages
from gateway.signups.payer_check import revoke_shared_grants
from gateway.signups.retention import delete_old_signups
from gateway.upstream.client import UpstreamClient
from infra.clock import SystemClock
from infra.database.database import Database
from infra.independent_steps import run_each
from infra.processes import exit_with_parent
from infra.secrets.named_secrets import NamedSecrets
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings, SettingsInvalid, load_settings
from infra.telemetry.log import configure_logging
from models.catalog import Catalog, load_configured_catalog
from models.catalog.reloading import CatalogSource

# More than there are kinds of periodic jobs, so that no kind waits for a slow job of another kind.
_CONCURRENCY = 16
_POOL_SIZE = 18
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_RESTART_DELAY_S = 1.0


async def run_worker(settings: Settings) -> None:
    """Run jobs until SIGINT or SIGTERM; running jobs are finished first. Raises SettingsInvalid."""
    if settings.database_url is None:
        raise SettingsInvalid("A worker needs MAAS_DATABASE_URL; `maas up` sets it.")
    url = settings.database_url.get_secret_value()
    database = Database(url, pool_size=_POOL_SIZE)
    collector = create_collector(settings)
    checkout = create_checkout(settings, SystemClock(), database)
    top_ups = create_auto_top_ups(settings, SystemClock(), database)
    sealer = Sealer(secret_key(settings))
    try:
        async with _nightly_proposals(settings, database) as nightly_job:
            worker = Worker(
                database=database,
                clock=SystemClock(),
                mailer=create_mailer(settings),
                sender=settings.mail_from,
                sealer=sealer,
                dispatcher=Dispatcher(
                    database,
                    SystemClock(),
                    sealer,
                    create_endpoint_sender(settings),
                    timedelta(days=settings.notification_retention_days),
                ),
                collector=collector,
                improve=nightly_job,
                check_inputs=model_checks(database),
                payments=PaymentPoller(database, SystemClock(), checkout),
                tend_signups=_signup_checks(database, settings),
                tend_readings=_reading_upkeep(database, settings),
                top_ups=top_ups,
            )
            app = create_job_app(url, worker)
            async with app.open_async():
                await _run_jobs_until_stopped(app)
    finally:
        await database.close()
        await checkout.close()
        if top_ups is not None:
            await top_ups.close()
        if collector is not None:
            await collector.close()


def model_checks(database: Database) -> Callable[[], Awaitable[None]]:
    """Return the job that checks customers' own models: their inputs, then observed results.

    It raises StepsFailed after all checks if a version could not be checked.
    """
    clock = SystemClock()
    drift, promises = DriftCheck(database, clock), PromiseCheck(database, clock)
    return partial(run_each, {"drift": drift, "promises": promises})


def _signup_checks(database: Database, settings: Settings) -> Callable[[], Awaitable[None]]:
    """Return the job that deletes old sign-ups and revokes grants of accounts with one payer."""
    clock = SystemClock()
    messages = build_messages(settings, clock)

    async def check() -> None:
        await delete_old_signups(database, clock)
        await revoke_shared_grants(database, clock, messages)

    return check


def _reading_upkeep(database: Database, settings: Settings) -> Callable[[], Awaitable[None]]:
    """Return the job that compresses readings of plant points and deletes expired ones."""
    defaults = RetentionDefaults(
        settings.readings_retention_days, settings.readings_rollup_retention_days
    )
    return ReadingUpkeep(database, SystemClock(), defaults)


async def _run_jobs_until_stopped(app: procrastinate.App) -> None:
    """Run jobs until SIGINT or SIGTERM.

    If the database becomes unavailable, as during a restart, procrastinate's worker ends without an
    error; it is started again until the database is back.
    """
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    stop_requested = asyncio.create_task(stopping.wait())
    try:
        while not stopping.is_set():
            await _run_worker_once(app, stop_requested)
            if not stopping.is_set():
                structlog.get_logger().warning(
                    "the database became unavailable; the jobs are restarted"
                )
                await asyncio.wait([stop_requested], timeout=_RESTART_DELAY_S)
    finally:
        stop_requested.cancel()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _run_worker_once(app: procrastinate.App, stop_requested: asyncio.Task[bool]) -> None:
    """Run procrastinate's worker until a stop is requested or the worker ends.

    Raises the error that ended the worker, unless the database is unavailable.
    """
    worker_task = asyncio.create_task(
        app.run_worker_async(
            concurrency=_CONCURRENCY,
            delete_jobs="successful",
            shutdown_graceful_timeout=30,
            install_signal_handlers=False,
        )
    )
    try:
        await asyncio.wait([worker_task, stop_requested], return_when=asyncio.FIRST_COMPLETED)
    finally:
        worker_task.cancel()  # procrastinate finishes the running jobs first
        (result,) = await asyncio.gather(worker_task, return_exceptions=True)
    if isinstance(result, BaseException) and not isinstance(
        result, ConnectorException | asyncio.CancelledError
    ):
        raise result


@asynccontextmanager
async def _nightly_proposals(
    settings: Settings, database: Database
) -> AsyncIterator[Callable[[], Awaitable[None]] | None]:
    """Yield the nightly job that proposes versions of shared models, None if it is not enabled."""
    if settings.improve_at is None:
        yield None
        return
    if settings.serving_url is None:
        raise SettingsInvalid(
            "A worker needs MAAS_SERVING_URL for MAAS_IMPROVE_AT; `maas up` sets it."
        )
    upstream, clock = UpstreamClient(settings.connect_timeout_s), SystemClock()
    proposer = create_proposer(settings, settings.serving_url, database, upstream, clock)
    at, catalog = time.fromisoformat(settings.improve_at), load_configured_catalog(settings)
    engines = settings.engine_min_replicas
    source = CatalogSource(settings, NamedSecrets(settings.secrets_dir), _accept)
    reloader = CatalogReloader(source, catalog, clock, timing=settings.timing)
    await reloader.start()
    try:
        yield NightlyProposals(at, catalog, clock, database, proposer, engines)
    finally:
        await reloader.stop()
        await upstream.stop()


def _accept(_catalog: Catalog) -> None:
    """Accept every valid catalog: the jobs have no conditions of their own."""


def main() -> None:
    """Run the worker process with the environment's settings: `python -m gateway.worker`."""
    settings = load_settings()
    configure_logging(settings.log_level)
    exit_with_parent()
    # Applies changed catalog files where jobs use the catalog; otherwise there is nothing to do.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asyncio.run(run_worker(settings))


if __name__ == "__main__":
    main()
