"""Add up the binned inputs of calls in memory and write them every few seconds.

A call adds a short text to a list: no parsing and no query on its path. A process that is killed
loses the counts since its last write; a database that is away delays them. Counts are added at most
once: those of a commit that fails are lost. What waits is bounded: beyond that, counts are dropped,
which a metric shows.
"""

import asyncio
from collections import Counter, defaultdict
from contextlib import suppress
from uuid import UUID

import structlog
from prometheus_client import Counter as MetricCounter
from sqlalchemy.exc import SQLAlchemyError

from gateway.drift.counts import add_counts
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.timing import DEFAULT_TIMING, Timing
from models.drift.counts_text import parse_counts

# A text is at most some kilobytes, mostly some hundred bytes.
_MAX_WAITING_BYTES = 8 << 20
_MAX_WAITING_VERSIONS = 4096
# Versions written in one transaction, so that it stays short.
_BATCH = 200

Version = tuple[UUID, UUID]
"""The ids of an account and of a version of one of its variants."""


class InputCounter:
    """Counts the inputs of one gateway process; `stop` writes what waits."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        dropped: MetricCounter,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self._database = database
        self._clock = clock
        self._dropped = dropped
        self._interval_s = timing.input_counts_s
        self._texts: defaultdict[Version, list[bytes]] = defaultdict(list)
        self._waiting_bytes = 0
        self._unwritten: dict[Version, Counter[int]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, account_id: UUID, variant_id: UUID, bins: bytes) -> None:
        """Add the bins of one call, as the header of its response has them."""
        if self._waiting_bytes + len(bins) > _MAX_WAITING_BYTES:
            self._dropped.inc()
            return
        self._waiting_bytes += len(bins)
        self._texts[account_id, variant_id].append(bins)

    async def start(self) -> None:
        """Start the task that writes the counts."""
        self._task = asyncio.create_task(self._run(), name="input counts")

    async def stop(self) -> None:
        """Stop the task and write what waits."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def flush(self) -> None:
        """Write what waits; keep it for the next time if the database is not available."""
        self._parse_texts()
        while self._unwritten:
            batch = dict(sorted(self._unwritten.items())[:_BATCH])
            try:
                async with self._database.transaction() as session:
                    await add_counts(session, self._clock.now(), batch)
                    # Before the commit, whose result can be lost: counts of a few seconds that are
                    # missing change no comparison, counts that are added twice look like drift.
                    for version in batch:
                        del self._unwritten[version]
            except (AppError, SQLAlchemyError) as error:
                structlog.get_logger().warning("input counts not written", reason=repr(error))
                return

    async def _run(self) -> None:
        """Write the counts every few seconds."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.flush()

    def _parse_texts(self) -> None:
        """Add the texts that calls have added to the counts by slot."""
        texts, self._texts, self._waiting_bytes = self._texts, defaultdict(list), 0
        for version, each in texts.items():
            if version not in self._unwritten and len(self._unwritten) >= _MAX_WAITING_VERSIONS:
                self._dropped.inc(len(each))
                continue
            counts = self._unwritten.setdefault(version, Counter())
            for text in each:
                try:
                    counts.update(parse_counts(text.decode("latin-1")))
                except ValueError:
                    self._dropped.inc()
