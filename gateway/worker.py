"""The worker: the process that does what falls due by itself. `maas up` starts one.

Owns building what the jobs work with, from the settings, and ending in order. Any number of workers
may run beside each other.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import time

import procrastinate
import structlog
from procrastinate.exceptions import ConnectorException

from billing.schedule import Worker, jobs
from gateway.process.integrations import mailer_of, payments_of, poster_of
from gateway.shared_models.factory import proposer
from gateway.shared_models.schedule import Nightly
from gateway.upstream.client import Upstream
from infra.clock import SystemClock
from infra.database.database import Database
from infra.processes import end_with_parent
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings, SettingsInvalid, load_settings
from infra.telemetry.log import configure_logging
from models.catalog import load_catalog

# More than there are kinds of ticks: none waits for a slow one of another kind.
_AT_ONCE = 8
_CONNECTIONS = 12
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PAUSE_S = 1.0


async def work(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM; what was begun is ended first. Raises SettingsInvalid."""
    if settings.database_url is None:
        raise SettingsInvalid("A worker needs MAAS_DATABASE_URL; `maas up` sets it.")
    url = settings.database_url.get_secret_value()
    database = Database(url, pool_size=_CONNECTIONS)
    payments = payments_of(settings)
    try:
        async with _improving(settings, database) as improve:
            worker = Worker(
                database=database,
                clock=SystemClock(),
                mailer=mailer_of(settings),
                sender=settings.mail_from,
                poster=poster_of(settings),
                sealer=Sealer(secret_key(settings)),
                payments=payments,
                improve=improve,
            )
            app = jobs(url, worker)
            async with app.open_async():
                await _until_stopped(app)
    finally:
        await database.close()
        if payments is not None:
            await payments.close()


async def _until_stopped(app: procrastinate.App) -> None:
    """Run the jobs until SIGINT or SIGTERM.

    Where the database goes away, as for a restart, the runner ends by itself, and without an error:
    it is begun again until the database is back.
    """
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    asked = asyncio.create_task(stopping.wait())
    try:
        while not stopping.is_set():
            await _run_once(app, asked)
            if not stopping.is_set():
                structlog.get_logger().warning("the database went away; the jobs are begun again")
                await asyncio.wait([asked], timeout=_PAUSE_S)
    finally:
        asked.cancel()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _run_once(app: procrastinate.App, asked: asyncio.Task[bool]) -> None:
    """Until asked to stop, or until the runner ends. Raises what it fell over, but for a database
    that does not answer."""
    running = asyncio.create_task(
        app.run_worker_async(
            concurrency=_AT_ONCE,
            delete_jobs="successful",
            shutdown_graceful_timeout=30,
            install_signal_handlers=False,
        )
    )
    try:
        await asyncio.wait([running, asked], return_when=asyncio.FIRST_COMPLETED)
    finally:
        running.cancel()  # which it takes as being told to end what it has begun
        (ended,) = await asyncio.gather(running, return_exceptions=True)
    if isinstance(ended, BaseException) and not isinstance(
        ended, ConnectorException | asyncio.CancelledError
    ):
        raise ended


@asynccontextmanager
async def _improving(
    settings: Settings, database: Database
) -> AsyncIterator[Callable[[], Awaitable[None]] | None]:
    """What proposes versions of shared models at night; None where that is not wanted."""
    if settings.improve_at is None:
        yield None
        return
    if settings.serving_url is None:
        raise SettingsInvalid(
            "A worker needs MAAS_SERVING_URL for MAAS_IMPROVE_AT; `maas up` sets it."
        )
    upstream, clock = Upstream(settings.connect_timeout_s), SystemClock()
    proposing = proposer(settings, settings.serving_url, database, upstream, clock)
    at, catalog = time.fromisoformat(settings.improve_at), load_catalog(settings.profile)
    engines = settings.engine_min_replicas
    try:
        yield Nightly(at, catalog, clock, database, proposing, engines)
    finally:
        await upstream.stop()


def main() -> None:
    """Run as `python -m gateway.worker`."""
    settings = load_settings()
    configure_logging(settings.log_level)
    end_with_parent()
    asyncio.run(work(settings))


if __name__ == "__main__":
    main()
