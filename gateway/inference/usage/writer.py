"""The usage writer: records every call exactly once, before the last byte of its answer is sent.

A call that is sent to a model opens an intent, which is durable before the first byte of the answer
is sent; a call that ends becomes a usage row, which is durable before the last. One writer per
process commits all pending rows as a batch (group commit). A call that ends before its intent is
due needs no intent row.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import structlog

from billing.metering.usage import UsageRecord
from billing.metering.usage_log import (
    IntentRecord,
    SignedDecision,
    StoredResponse,
    find_billed_calls,
    write_usage_batch,
)
from gateway.call.errors import MeteringUnavailable
from gateway.call.reservation import Reservation
from gateway.inference.usage.pending_writes import (
    InternalCallUsage,
    PendingIntent,
    PendingUsage,
    WriteBatch,
    not_recorded_error,
)
from gateway.quota.leaser import QuotaLeaser
from gateway.quota.process_heartbeat import ProcessHeartbeat
from infra.clock import Clock
from infra.database.database import DatabaseUnavailable, TransactionConflict
from infra.database.direct import DirectConnection
from infra.telemetry.metrics import Metrics
from infra.timing import DEFAULT_TIMING, Timing

_MAX_BATCH = 256
_MAX_QUEUE_LENGTH = 10_000
# The shortest time between two commits; a call after an idle time is committed at once.
_MIN_COMMIT_INTERVAL_S = 0.002
# The commit of an intent overlaps the upstream call. A call that ends sooner needs no intent row.
_INTENT_DELAY_S = 0.005


class UsageWriter:
    """Commits intents and usage rows in batches. `start` in the event loop; `stop` flushes."""

    def __init__(
        self,
        connection: DirectConnection,
        heartbeat: ProcessHeartbeat,
        leaser: QuotaLeaser,
        clock: Clock,
        metrics: Metrics,
        settle_timeout_s: float,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self._timing = timing
        self._connection = connection
        self._heartbeat = heartbeat
        self._leaser = leaser
        self._clock = clock
        self._metrics = metrics
        self._timeout_s = settle_timeout_s
        self._intents: deque[PendingIntent] = deque()
        self._usages: deque[PendingUsage] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._is_failing = self._is_flush_requested = False
        self._next_commit_monotonic = float("-inf")
        self._log = structlog.get_logger()

    async def start(self) -> None:
        """Start the writer task."""
        self._idle.set()
        self._task = asyncio.create_task(self._run(), name="usage-writer")

    async def stop(self) -> None:
        """Write pending rows, for at most the settle timeout; then stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._idle.wait()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._timer is not None:
            self._timer.cancel()

    @property
    def queue_length(self) -> int:
        """Return the number of usage rows that wait for their commit."""
        return len(self._usages)

    @property
    def is_failing(self) -> bool:
        """Return whether the last commit failed."""
        return self._is_failing

    def require_ready(self) -> None:
        """Raise MeteringUnavailable while rows cannot be written: no new call may start then."""
        if self._is_failing or len(self._usages) > _MAX_QUEUE_LENGTH // 2:
            raise MeteringUnavailable(
                "Usage cannot be recorded at the moment. Please try again shortly."
            )

    def open_intent(self, build_record: Callable[[], IntentRecord]) -> PendingIntent:
        """Queue the intent, the write-ahead row of a call that is about to be sent.

        `build_record` is called only if the intent is written, which a short call makes needless.
        """
        intent = PendingIntent(build_record, self._clock.monotonic() + _INTENT_DELAY_S)
        self._intents.append(intent)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_INTENT_DELAY_S, self._on_intents_due)
        return intent

    async def flush_intent(self, intent: PendingIntent) -> None:
        """Wait until a call's intent is committed.

        Raises MeteringUnavailable on timeout, or if the database rejected the intent.
        """
        if intent.is_committed:
            return
        if intent.is_rejected:
            raise not_recorded_error()
        if intent.committed is None:
            intent.committed = asyncio.get_running_loop().create_future()
        if not intent.is_submitted:
            self._is_flush_requested = True
            self._wake_writer()
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.shield(intent.committed)
        except TimeoutError:
            raise not_recorded_error() from None

    def enqueue(
        self,
        record: UsageRecord,
        reservation: Reservation | None = None,
        intent: PendingIntent | None = None,
        answer: StoredResponse | None = None,
        internal_calls: tuple[InternalCallUsage, ...] = (),
        decisions: tuple[SignedDecision, ...] = (),
    ) -> PendingUsage | None:
        """Queue a call's usage row, those of its internal calls and its decisions for one commit.

        Returns None if the row was dropped: an unauthenticated request while the queue is more than
        half full. Raises MeteringUnavailable if the queue is full, except for a call with a
        reservation, an intent or internal calls.
        """
        queue_length = len(self._usages)
        if record.account_id is None and queue_length > _MAX_QUEUE_LENGTH // 2:
            self._metrics.settle_dropped.inc()
            return None
        if (
            queue_length >= _MAX_QUEUE_LENGTH
            and reservation is None
            and intent is None
            and not internal_calls
        ):
            raise not_recorded_error()
        deadline = self._clock.monotonic() + self._timeout_s
        committed = asyncio.get_running_loop().create_future()
        usage = PendingUsage(
            record,
            committed,
            deadline,
            reservation,
            intent,
            answer,
            False,
            internal_calls,
            decisions,
        )
        usage.supersede_intents()
        self._usages.append(usage)
        self._wake_writer()
        return usage

    async def write(
        self,
        record: UsageRecord,
        reservation: Reservation | None = None,
        intent: PendingIntent | None = None,
        answer: StoredResponse | None = None,
        internal_calls: tuple[InternalCallUsage, ...] = (),
        decisions: tuple[SignedDecision, ...] = (),
    ) -> None:
        """Queue a usage row and wait until it is durable.

        Raises MeteringUnavailable on timeout; the row then has that error code and bills nothing,
        unless its commit was in progress when the connection was lost.
        """
        usage = self.enqueue(record, reservation, intent, answer, internal_calls, decisions)
        if usage is not None:
            await usage.committed

    def _on_intents_due(self) -> None:
        """Wake the writer if an intent is due; drop intents whose calls have ended already."""
        self._timer = None
        intents = self._intents
        while intents and intents[0].is_superseded:
            intents.popleft()
        if intents:
            if intents[0].due_monotonic <= self._clock.monotonic():
                self._wake_writer()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_INTENT_DELAY_S, self._on_intents_due)

    def _wake_writer(self) -> None:
        """Wake the writer task and mark the writer as busy."""
        self._idle.clear()
        self._wake.set()

    async def _run(self) -> None:
        """Commit batches while there is due work, then wait for more."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._has_due_work():
                await self._wait_for_interval()
                await self._commit(self._next_batch())
            if not self._usages and not self._wake.is_set():
                self._idle.set()

    def _has_due_work(self) -> bool:
        """Return whether usage rows or due intents wait for a commit."""
        if self._usages or not self._intents:
            return bool(self._usages)
        return self._is_flush_requested or self._intents[0].due_monotonic <= self._clock.monotonic()

    async def _wait_for_interval(self) -> None:
        """Wait for the shortest time between two commits, so that calls gather in a batch.

        A commit costs as much CPU as the rest of a call.
        """
        now = self._clock.monotonic()
        wait = self._next_commit_monotonic - now
        if wait > 0:
            await asyncio.sleep(wait)
        self._next_commit_monotonic = max(now, self._next_commit_monotonic) + _MIN_COMMIT_INTERVAL_S

    def _next_batch(self) -> WriteBatch:
        """Take the next due intents and usage rows from the queues."""
        batch, intents, now = WriteBatch(), self._intents, self._clock.monotonic()
        while intents and len(batch.intents) < _MAX_BATCH:
            if not (
                intents[0].is_superseded
                or self._is_flush_requested
                or intents[0].due_monotonic <= now
            ):
                break
            intent = intents.popleft()
            if not intent.is_superseded:
                intent.is_submitted = True
                batch.intents.append(intent)
        self._is_flush_requested = self._is_flush_requested and bool(intents)
        while self._usages and len(batch.usages) < _MAX_BATCH:
            batch.usages.append(self._usages.popleft())
        return batch

    async def _commit(self, batch: WriteBatch) -> None:
        """Write a batch, retrying until it succeeds: an accepted row is never dropped."""
        attempt = 0
        while True:
            try:
                done = await self._try_commit(batch)
            except DatabaseUnavailable as error:
                self._log_safely(
                    "error",
                    "usage rows cannot be written yet; retrying",
                    repr(error.__cause__ or error),
                )
                # After a conflict with another transaction the retry is expected to succeed.
                self._is_failing = not isinstance(error, TransactionConflict)
                if self._is_failing:
                    for usage in batch.usages:
                        usage.note_uncertain()
                done = False
            except Exception as error:
                # One row that cannot be written must not end the writer task.
                await self._write_individually(batch, error)
                return
            if done:
                return
            self._metrics.settle_failures.inc()
            self._time_out_waiting(batch)
            await asyncio.sleep(self._retry_delay_s(attempt))
            attempt += 1

    def _retry_delay_s(self, attempt: int) -> float:
        """Return the exponential backoff before the next attempt, in seconds."""
        # The exponent is bounded: after a day of failures the power would overflow a float.
        wait = self._timing.record_retry_s * float(2 ** min(attempt, 10))
        return min(wait, self._timing.record_retry_limit_s)

    async def _try_commit(self, batch: WriteBatch) -> bool:
        """Write a batch in one transaction, or return False if another process ended this one.

        Then nothing is written. A process is ended, and its open calls are settled as unknown, if
        its heartbeat expired.
        """
        process_id = self._heartbeat.process_id
        for usage in batch.usages:
            if any(reservation.process_id != process_id for reservation, _ in usage.reservations):
                usage.fail()  # the reaper took back the leases that pay for the call
        intents = [intent.build_record() for intent in batch.intents]
        settled = [call for usage in batch.usages for call in usage.settled_calls()]
        with self._metrics.settle_duration.time():
            is_process_alive = await write_usage_batch(
                self._connection, process_id, intents, settled
            )
        if not is_process_alive:
            self._heartbeat.recheck()
            return False
        if uncertain := batch.uncertain_calls():
            billed = await find_billed_calls(self._connection, uncertain)
            for usage in batch.usages:
                usage.restore(billed)
        self._is_failing = False
        self._metrics.settle_batch.observe(len(settled))
        self._complete(batch)
        return True

    def _complete(self, batch: WriteBatch) -> None:
        """Settle the reservations of a committed batch and notify the waiting callers."""
        for intent in batch.intents:
            intent.end()
        for usage in batch.usages:
            for reservation, record in usage.reservations:
                self._leaser.settle(reservation, record)
            if not usage.committed.done():
                usage.committed.set_result(None)

    def _time_out_waiting(self, batch: WriteBatch) -> None:
        """Fail the usage rows whose deadline has passed; they are then not billed."""
        now = self._clock.monotonic()
        for usage in (*batch.usages, *self._usages):
            if usage.deadline_monotonic <= now and not usage.is_failed:
                usage.fail()

    async def _write_individually(self, batch: WriteBatch, error: Exception) -> None:
        """Write each row of a rejected batch on its own, so that only invalid rows fail."""
        parts = [WriteBatch(intents=[intent]) for intent in batch.intents]
        parts += [WriteBatch(usages=[usage]) for usage in batch.usages]
        if len(parts) > 1:
            for part in parts:
                await self._commit(part)
            return
        for usage in batch.usages:
            await self._reject(usage, error)
        for intent in batch.intents:
            self._log_safely(
                "critical",
                "the database rejected an intent",
                str(error),
                row=repr(intent.build_record()),
            )
            intent.end(not_recorded_error())

    async def _reject(self, usage: PendingUsage, error: Exception) -> None:
        """Write a rejected row once more, without charges; drop one that is rejected again."""
        self._log_safely(
            "critical", "the database rejected a usage row", str(error), row=repr(usage.record)
        )
        if usage.is_rejected:
            return
        usage.fail()
        for reservation, _ in usage.reservations:
            self._leaser.release(reservation)
        usage.is_rejected = True
        await self._commit(WriteBatch(usages=[usage]))

    def _log_safely(self, level: str, event: str, reason: str, **fields: str) -> None:
        """Log an event, ignoring errors of the log itself."""
        # A failing log, such as a closed pipe, must not stop the writer.
        with suppress(Exception):
            getattr(self._log, level)(event, reason=reason, **fields)
