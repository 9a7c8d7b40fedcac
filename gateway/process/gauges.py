"""Periodically update the Prometheus gauges of this process and of the platform.

Platform gauges are read from the database, less often and with a short timeout. They keep their
last value while the database is unavailable; `maas_platform_read_timestamp_seconds` shows their
age.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog
from prometheus_client import Gauge

from billing.reports.platform_status import LabelledCount, PlatformStatus, read_platform_status
from gateway.drift.check import count_levels
from gateway.inference.usage.writer import UsageWriter
from gateway.observations.check import count_promises
from gateway.process.database_pools import DatabaseConnections
from gateway.signups.queries import SignupCounts, count_signups
from gateway.upstream.circuit_breaker import CircuitState
from gateway.upstream.concurrency import Schedulers
from gateway.upstream.load_balancer import Router
from infra.clock import Clock
from infra.errors import AppError
from infra.telemetry.metrics import Metrics
from infra.timing import DEFAULT_TIMING, Timing
from models.catalog import Catalog
from models.drift.psi import DriftLevel


class Gauges:
    """Background task that updates the gauges of one gateway process."""

    def __init__(
        self,
        metrics: Metrics,
        clock: Clock,
        catalog: Catalog,
        router: Router,
        schedulers: Schedulers,
        writer: UsageWriter,
        connections: DatabaseConnections,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self._timing = timing
        self._gauges = metrics.platform_gauges
        self._clock = clock
        self._catalog = catalog
        self._router = router
        self._schedulers = schedulers
        self._writer = writer
        self._connections = connections
        self._models_reported: set[str] = set()
        self._reported_labels: dict[Gauge, set[tuple[str, ...]]] = {}
        self._platform_due = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the task that updates the gauges periodically."""
        self._platform_due = self._clock.monotonic() + self._timing.first_look_s
        self._tasks = [asyncio.create_task(self._run(), name="gauges")]

    async def stop(self) -> None:
        """Cancel the task and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        """Update the gauges every `gauges_s` seconds, surviving errors."""
        await asyncio.sleep(min(self._timing.first_look_s, self._timing.gauges_s))
        while True:
            try:
                self.update_process_gauges()
                await self._update_platform_gauges_if_due()
            except AppError:
                pass  # the database is unavailable; its pools count that
            except Exception:
                structlog.get_logger().exception("gauges could not be read")
            await asyncio.sleep(self._timing.gauges_s)

    def update_process_gauges(self) -> None:
        """Update the gauges that need no database access."""
        gauges = self._gauges
        for model_id, scheduler in self._schedulers.by_model().items():
            for tier, number in scheduler.waiting.items():
                gauges.calls_waiting.labels(model_id, tier.value).set(number)
        self._update_model_gauges()
        gauges.records_waiting.set(self._writer.queue_length)
        gauges.records_failing.set(self._writer.is_failing)
        for name, database in self._connections.pools.items():
            gauges.database_connections.labels(name).set(database.in_use)
            gauges.database_pool.labels(name).set(database.pool_size)

    def _update_model_gauges(self) -> None:
        """Set each model's gauge: up if the circuit breaker of any of its servers is not open."""
        circuits = {server.id: server.circuits for server in self._router.snapshot()}
        for model_id in self._models_reported - self._catalog.models.keys():
            self._gauges.models_up.labels(model_id).set(1)  # a removed model is not down
        self._models_reported = set(self._catalog.models)
        for model_id in self._catalog.models:
            states = [
                circuits[server].get(model_id) for server in self._router.server_ids(model_id)
            ]
            up = any(state is not CircuitState.OPEN for state in states)
            self._gauges.models_up.labels(model_id).set(up)

    async def _update_platform_gauges_if_due(self) -> None:
        """Update the gauges from the database every `platform_gauges_s` seconds."""
        now = self._clock.monotonic()
        if now < self._platform_due:
            return
        self._platform_due = now + self._timing.platform_gauges_s
        async with self._connections.handlers.transaction() as session:
            status = await read_platform_status(session, self._clock.now())
            drift_levels = await count_levels(session)
            promises = await count_promises(session)
            signups = await count_signups(session, self._clock.now())
        self._set_platform_gauges(status)
        for level in DriftLevel:
            self._gauges.drifting.labels(level).set(drift_levels.get(level, 0))
        for state in ("kept", "broken"):
            self._gauges.promises.labels(state).set(promises.get(state, 0))
        self._set_signup_gauges(signups)

    def _set_platform_gauges(self, status: PlatformStatus) -> None:
        """Set job, outbox, inbox, invoice and reconciliation gauges from the platform status."""
        gauges = self._gauges
        gauges.platform_read.set(self._clock.now().timestamp())
        gauges.workers.set(status.workers)
        states = ("waiting", "running", "failed")
        self._set_counts(
            gauges.jobs,
            [
                LabelledCount((job.name, item), getattr(job, item))
                for job in status.jobs
                for item in states
            ],
        )
        self._set_counts(gauges.outbox, status.outbox)
        self._set_counts(gauges.notifications, status.notifications)
        self._set_counts(gauges.inbox, status.inbox)
        self._set_counts(gauges.invoices, status.invoices)
        self._set_counts(gauges.fapiao, status.fapiao)
        oldest = status.oldest_fapiao
        gauges.oldest_fapiao.set(0 if oldest is None else oldest.timestamp())
        self._set_counts(gauges.payment_orders, status.payment_orders)
        self._set_counts(gauges.payment_discrepancies, status.payment_discrepancies)
        self._set_counts(gauges.credit_refusals, status.credit_refusals)
        for job in status.jobs:
            if job.ticked_at is not None:
                gauges.job_ticked.labels(job.name).set(job.ticked_at.timestamp())
        if status.checked_at is not None:
            gauges.checked.set(status.checked_at.timestamp())
            gauges.differences.set(status.differences)

    def _set_signup_gauges(self, signups: SignupCounts) -> None:
        """Set the gauges of sign-ups by outcome and of the oldest that waits for a review."""
        counts = [LabelledCount((name,), number) for name, number in signups.by_outcome.items()]
        self._set_counts(self._gauges.signups, counts)
        oldest = signups.oldest_review
        self._gauges.oldest_signup.set(0 if oldest is None else oldest.timestamp())

    def _set_counts(self, gauge: Gauge, counts: Sequence[LabelledCount]) -> None:
        """Set the counts of a gauge; label sets that are no longer reported become 0."""
        reported = self._reported_labels.setdefault(gauge, set())
        for names in reported - {item.names for item in counts}:
            gauge.labels(*names).set(0)
        for item in counts:
            gauge.labels(*item.names).set(item.number)
            reported.add(item.names)
