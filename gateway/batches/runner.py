"""Background runner of batches: one batch at a time per gateway process, in turns.

    claim -> take over the hold -> send some lines -> release, or end and write the files

Progress is kept in rows, so that another process can go on after a crash.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.holds import HoldRefused, move_hold
from gateway.access.authenticator import Authenticator
from gateway.batches import batches
from gateway.batches.finalizing import (
    CANCELLED,
    COMPLETED,
    EXPIRED,
    OUTPUT_TOO_LARGE,
    BatchEnd,
    finish,
)
from gateway.batches.hold_admission import HoldAdmission, usable_pack_ids
from gateway.batches.line_calls import LineCalls, Pause, Stop
from gateway.batches.lines import PendingLine, list_pending
from gateway.batches.result_writer import ResultWriter
from gateway.batches.turn import Turn
from gateway.call.errors import Unauthorised
from gateway.call.values import Principal, SignedInCaller
from gateway.inference.admission import Admission
from gateway.inference.call_metrics import CallMetrics
from gateway.inference.pipeline_client import PipelineClient
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.tables import Batch, BatchStatus
from infra.claim_poller import ClaimPoller
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.telemetry.metrics import Metrics
from infra.timing import DEFAULT_TIMING, Timing

# After this time, the batch is released and another one gets a turn.
_MAX_TURN_S = 30.0
_MAX_LINES_PER_TURN = 500
# More results than this cannot be downloaded as one file.
_MAX_OUTPUT_BYTES = 256 << 20
# The budget of a new month does not cover the rest: it may be raised.
_REFUSED_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class BatchDependencies:
    """The parts of a gateway process that the runner uses.

    `open_database` opens connections without a time limit for a transaction, to write the files of
    results, which can be large.
    """

    clock: Clock
    database: Database
    open_database: Callable[[], Database]
    authenticator: Authenticator
    admission: Admission
    heartbeat: ProcessHeartbeat
    client: PipelineClient
    call_metrics: CallMetrics
    metrics: Metrics
    timing: Timing = DEFAULT_TIMING


class BatchRunner(ClaimPoller[Batch]):
    """Polls for batches and sends some lines of one at a time, in a gateway process."""

    def __init__(self, dependencies: BatchDependencies) -> None:
        deps = self._deps = dependencies
        super().__init__(
            "batches", batches.QUEUE, deps.database, deps.heartbeat, deps.clock, deps.timing
        )

    async def _claim(self, session: AsyncSession, process_id: UUID) -> Batch | None:
        """Claim the next batch; None if none is due."""
        return await batches.claim_next(session, self._deps.clock, process_id)

    async def _interrupted(self, batch: Batch) -> None:
        """Release a batch, because the process stops."""
        await self._release(batch, Pause(), made_progress=True)

    async def _failed(self, batch: Batch, error: Exception) -> None:
        """End the batch if its key may not make calls; otherwise go on later."""
        match error:
            case Unauthorised():
                await self._finish(batch, _failure(Stop(error.code or "", error.message)))
            case HoldRefused():
                await self._release(batch, Pause(_REFUSED_PAUSE_S), made_progress=False)
            case _:
                self._log.exception("a turn of a batch failed", batch=str(batch.id))
                await self._release(batch, Pause(), made_progress=False)

    async def _work(self, batch: Batch) -> None:
        """End the batch if it is due, else send some of its lines."""
        end = self._due_end(batch)
        if end is not None:
            return await self._finish(batch, end)
        deps = self._deps
        principal = await self._identify(batch)
        hold = HoldAdmission(deps.admission, deps.heartbeat, deps.clock, batch.id)
        async with deps.database.transaction() as session:
            packs = usable_pack_ids(principal)
            hold.load(await move_hold(session, batch.id, principal.quotas, packs))
            pending = await list_pending(session, batch, _MAX_LINES_PER_TURN)
        if not pending:
            return await self._finish(batch, COMPLETED)
        await self._take_turn(batch, hold, pending)

    def _due_end(self, batch: Batch) -> BatchEnd | None:
        """Return how a batch ends that must not go on, None if it goes on."""
        if batch.status == BatchStatus.CANCELLING:
            return CANCELLED
        if batch.status == BatchStatus.FINALIZING:
            return COMPLETED
        if self._deps.clock.now() >= batch.expires_at:
            return EXPIRED
        return OUTPUT_TOO_LARGE if batch.output_bytes > _MAX_OUTPUT_BYTES else None

    async def _take_turn(
        self, batch: Batch, hold: HoldAdmission, pending: list[PendingLine]
    ) -> None:
        """Send lines until the turn ends, and record what becomes of the batch."""
        deps = self._deps
        writer = ResultWriter(deps.database, deps.metrics, batch)
        turn = Turn(
            LineCalls(deps.client, batch, hold),
            writer,
            pending,
            self._turn_end(batch),
            lambda: deps.call_metrics.running_calls,
        )
        try:
            await turn.take()
        except ExceptionGroup as group:
            if group.split(DatabaseUnavailable)[1] is not None:
                raise
        finally:
            await asyncio.shield(writer.close())
        if isinstance(turn.end, Stop):
            return await self._finish(batch, _failure(turn.end))
        await self._release(batch, turn.end or Pause(), made_progress=turn.stored > 0)

    def _turn_end(self, batch: Batch) -> Callable[[], bool]:
        """Return the function that returns whether the turn's time or the batch's is over."""
        clock = self._deps.clock
        ends_at = clock.monotonic() + _MAX_TURN_S
        return lambda: clock.monotonic() >= ends_at or clock.now() >= batch.expires_at

    async def _identify(self, batch: Batch) -> Principal:
        """Return the principal of the batch's key. Raises KeyInvalid, KeyRevoked, KeyExpired."""
        authenticator = self._deps.authenticator
        caller = SignedInCaller(batch.account_id, batch.key_id)
        key_record = await authenticator.identify_key(caller, self._deps.clock.now())
        return authenticator.require_active(key_record)

    async def _finish(self, batch: Batch, end: BatchEnd) -> None:
        """End the batch with its files; does nothing if it is no longer claimed."""
        deps = self._deps
        process_id, database = deps.heartbeat.process_id, deps.open_database()
        try:
            ended = await finish(database, deps.clock, batch, process_id, end)
        finally:
            await database.close()
        if ended:
            deps.metrics.batches.labels(end.status.value).inc()

    async def _release(self, batch: Batch, pause: Pause, made_progress: bool) -> None:
        """Release the batch for its next turn."""
        deps = self._deps
        async with deps.database.transaction() as session:
            row = await batches.lock_claimed(session, batch, deps.heartbeat.process_id)
            if row is not None:
                batches.release(deps.clock, row, made_progress, pause.seconds)


def _failure(stop: Stop) -> BatchEnd:
    """Return the end of a batch whose lines can no longer be sent."""
    return BatchEnd(BatchStatus.FAILED, stop.code, stop.message)
