"""Apply changed catalog files to a running process, without restart.

The files are compared every `catalog_poll_s` seconds, and at once on SIGHUP. A file that is being
written is not applied: two polls in a row must read the same content.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from infra.clock import Clock
from infra.telemetry.metrics import Metrics
from infra.timing import DEFAULT_TIMING, Timing
from models.catalog import Catalog, Problem
from models.catalog.reloading import CatalogSource, ReloadResult


@dataclass(frozen=True, slots=True)
class CatalogStatus:
    """When the catalog in force was read, and why newer files were refused, if they were."""

    applied_at: datetime
    refused_at: datetime | None = None
    problems: tuple[Problem, ...] = ()


class CatalogReloader:
    """Background task that keeps the catalog of one process equal to its files.

    `listeners` are called after each change; they must not wait. `metrics` is None in processes
    without metrics.
    """

    def __init__(
        self,
        source: CatalogSource,
        catalog: Catalog,
        clock: Clock,
        metrics: Metrics | None = None,
        timing: Timing = DEFAULT_TIMING,
        listeners: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._source = source
        self._catalog = catalog
        self._clock = clock
        self._metrics = metrics
        self._timing = timing
        self._listeners = tuple(listeners)
        self._handled = self._seen = b""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger()
        self.status = CatalogStatus(clock.now())

    async def start(self) -> None:
        """Start polling the files, if there are any."""
        if not self._source.files:
            return
        self._handled = self._seen = self._source.digest(self._catalog)
        if threading.current_thread() is threading.main_thread():  # the only one with signals
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._wake.set)
        self._task = asyncio.create_task(self._run(), name="catalog-reloader")

    async def stop(self) -> None:
        """Stop polling."""
        if self._task is None:
            return
        if threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def reload_if_changed(self, must_be_stable: bool = True) -> None:
        """Apply the files if their content has changed since they were applied or refused.

        With `must_be_stable`, only content that the previous comparison found too is applied.
        """
        digest = await asyncio.to_thread(self._source.digest, self._catalog)
        is_stable = digest == self._seen or not must_be_stable
        self._seen = digest
        if digest == self._handled or not is_stable:
            return
        self._handled = digest
        self._report(self._source.read_into(self._catalog))
        # Another catalog may name other secrets.
        self._handled = self._seen = self._source.digest(self._catalog)

    async def _run(self) -> None:
        """Compare the files periodically, and at once after SIGHUP, until cancelled."""
        while True:
            is_signalled = False
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.catalog_poll_s):
                    is_signalled = await self._wake.wait()
            self._wake.clear()
            try:
                await self.reload_if_changed(must_be_stable=not is_signalled)
            except Exception:  # the process keeps its catalog
                self._log.exception("the catalog files could not be compared")

    def _report(self, result: ReloadResult) -> None:
        """Record the result in status, log and metrics; call the listeners if it is applied."""
        if self._metrics is not None:
            label = "applied" if result.is_applied else "refused"
            self._metrics.catalog_reloads.labels(label).inc()
        if not result.is_applied:
            self.status = CatalogStatus(self.status.applied_at, self._clock.now(), result.problems)
            for problem in result.problems:
                self._log.error("catalog_refused", problem=problem.text)
            return
        self.status = CatalogStatus(self._clock.now())
        self._log.info("catalog_applied", models=len(self._catalog.models))
        for listener in self._listeners:
            listener()
