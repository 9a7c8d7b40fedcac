"""Stores the results of lines, those that end at the same time in one transaction."""

import asyncio

from gateway.batches.lines import LineResult, PendingLine, count_attempt, store_results
from gateway.tables import Batch
from infra.database.database import Database
from infra.telemetry.metrics import Metrics


class ResultWriter:
    """Stores the results of one batch in one turn. Bound to one event loop."""

    def __init__(self, database: Database, metrics: Metrics, batch: Batch) -> None:
        self._database = database
        self._metrics = metrics
        self._batch = batch
        self._waiting: list[tuple[LineResult, asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None

    async def store(self, result: LineResult) -> bool:
        """Store a result. Returns whether more lines may be sent. Raises DatabaseUnavailable."""
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((result, stored))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._store_waiting(), name="batch-results")
        is_open: bool = await stored
        return is_open

    async def count_attempt(self, line: PendingLine) -> None:
        """Count a failed attempt of a line. Raises DatabaseUnavailable."""
        async with self._database.transaction() as session:
            await count_attempt(session, self._batch, line)

    async def close(self) -> None:
        """Wait until the results that were passed are stored."""
        if self._task is not None:
            await self._task

    async def _store_waiting(self) -> None:
        """Store waiting results, a group at a time, until none is left."""
        while self._waiting:
            group, self._waiting = self._waiting, []
            results = [result for result, _ in group]
            try:
                async with self._database.transaction() as session:
                    is_open = await store_results(session, self._batch, results)
            except Exception as error:
                # The lines are sent again: their responses are stored with their usage rows.
                for _, stored in group:
                    _fail(stored, error)
                continue
            for result, stored in group:
                self._metrics.batch_lines.labels(result.outcome.value).inc()
                if not stored.done():
                    stored.set_result(is_open)


def _fail(stored: "asyncio.Future[bool]", error: Exception) -> None:
    """Pass an error to the line that waits, unless it was cancelled."""
    if not stored.done():
        stored.set_exception(error)
