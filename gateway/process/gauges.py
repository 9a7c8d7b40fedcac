"""Gauges: how this process and the platform stand, looked at now and then for the metrics.

What the database knows is asked for seldom, with its own short patience, and keeps its last value
while the database is away; that it is old, `maas_platform_read_timestamp_seconds` says.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog
from prometheus_client import Gauge

from billing.reports.platform_status import Counted, PlatformStanding, platform_standing
from gateway.inference.usage_writer import UsageWriter
from gateway.process.database_pools import Connections
from gateway.upstream.concurrency import Schedulers
from gateway.upstream.load_balancer import CircuitState, Router
from infra.clock import Clock
from infra.errors import AppError
from infra.telemetry.metrics import Metrics
from infra.timing import USUAL, Timing
from models.catalog import Catalog


class Gauges:
    """Of one gateway process. `start` it in the event loop; `stop` it at the end."""

    def __init__(
        self,
        metrics: Metrics,
        clock: Clock,
        catalog: Catalog,
        router: Router,
        schedulers: Schedulers,
        writer: UsageWriter,
        connections: Connections,
        timing: Timing = USUAL,
    ) -> None:
        self._timing = timing
        self._standing = metrics.standing
        self._clock = clock
        self._catalog = catalog
        self._router = router
        self._schedulers = schedulers
        self._writer = writer
        self._connections = connections
        self._known: dict[Gauge, set[tuple[str, ...]]] = {}
        self._platform_due = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._platform_due = self._clock.monotonic() + self._timing.first_look_s
        self._tasks = [asyncio.create_task(self._run(), name="gauges")]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            try:
                self.look()
                await self._ask()
            except AppError:
                pass  # the database is away, which those say who need it
            except Exception:
                structlog.get_logger().exception("gauges could not be read")
            await asyncio.sleep(self._timing.gauges_s)

    def look(self) -> None:
        """Tell what this process knows by itself."""
        standing = self._standing
        for model_id, scheduler in self._schedulers.all().items():
            for tier, number in scheduler.waiting.items():
                standing.calls_waiting.labels(model_id, tier.value).set(number)
        self._models()
        standing.records_waiting.set(self._writer.waiting)
        standing.records_failing.set(self._writer.failing)
        for name, database in self._connections.pools.items():
            standing.database_connections.labels(name).set(database.in_use)
            standing.database_pool.labels(name).set(database.pool_size)

    def _models(self) -> None:
        circuits = {server.url: server.circuits for server in self._router.state()}
        for model_id in self._catalog.models:
            states = [circuits[url].get(model_id) for url in self._router.servers(model_id)]
            up = any(state is not CircuitState.OPEN for state in states)
            self._standing.models_up.labels(model_id).set(up)

    async def _ask(self) -> None:
        now = self._clock.monotonic()
        if now < self._platform_due:
            return
        self._platform_due = now + self._timing.platform_gauges_s
        async with self._connections.handlers.transaction() as session:
            found = await platform_standing(session, self._clock.now())
        self._tell(found)

    def _tell(self, found: PlatformStanding) -> None:
        standing = self._standing
        standing.platform_read.set(self._clock.now().timestamp())
        standing.workers.set(found.workers)
        states = ("waiting", "running", "failed")
        self._set(
            standing.jobs,
            [Counted((job.name, one), getattr(job, one)) for job in found.jobs for one in states],
        )
        self._set(standing.outbox, found.outbox)
        self._set(standing.inbox, found.inbox)
        self._set(standing.invoices, found.invoices)
        for job in found.jobs:
            if job.ticked_at is not None:
                standing.job_ticked.labels(job.name).set(job.ticked_at.timestamp())
        if found.checked_at is not None:
            standing.checked.set(found.checked_at.timestamp())
            standing.differences.set(found.differences)

    def _set(self, gauge: Gauge, counted: Sequence[Counted]) -> None:
        """What was there and is not any more is nothing, rather than what it was."""
        known = self._known.setdefault(gauge, set())
        for names in known - {one.names for one in counted}:
            gauge.labels(*names).set(0)
        for one in counted:
            gauge.labels(*one.names).set(one.number)
            known.add(one.names)
