"""Background runner of evaluation runs: one run at a time per gateway process, in turns.

    claim -> read pending questions -> take a turn -> release, end or complete

Progress is kept in rows, so that another process can go on after a crash.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.tables import QuotaKind
from gateway.access.authenticator import Authenticator
from gateway.call.values import SignedInCaller
from gateway.evaluations import answers, runs
from gateway.evaluations.question_calls import QuestionCalls
from gateway.evaluations.turn import Closed, Pause, Stop, Turn, TurnEnd, deadline
from gateway.inference.pipeline_client import PipelineClient
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.tables import EvaluationRun, EvaluationStatus
from infra.claim_poller import ClaimPoller
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.errors import AppError
from infra.telemetry.metrics import Metrics
from infra.timing import DEFAULT_TIMING, Timing

# After this time, the run is released and another one gets a turn.
_MAX_TURN_S = 30.0
_MAX_QUESTIONS_PER_TURN = 400
# A run uses at most half of a limit of requests per minute: this share of it in each turn.
_REQUEST_LIMIT_DIVISOR = 4


@dataclass(frozen=True, slots=True)
class EvaluationDependencies:
    """The parts of a gateway process that the runner uses."""

    clock: Clock
    database: Database
    authenticator: Authenticator
    heartbeat: ProcessHeartbeat
    client: PipelineClient
    metrics: Metrics
    timing: Timing = DEFAULT_TIMING


class EvaluationRunner(ClaimPoller[EvaluationRun]):
    """Polls for evaluation runs and asks some questions of one at a time, in a gateway process."""

    def __init__(self, dependencies: EvaluationDependencies) -> None:
        deps = self._deps = dependencies
        super().__init__(
            "evaluations", runs.QUEUE, deps.database, deps.heartbeat, deps.clock, deps.timing
        )

    async def _claim(self, session: AsyncSession, process_id: UUID) -> EvaluationRun | None:
        """Claim the next run; None if none is due."""
        return await runs.claim_next(session, self._deps.clock, process_id)

    async def _interrupted(self, run: EvaluationRun) -> None:
        """Release a run, because the process stops."""
        await self._release(run, Pause(), made_progress=True)

    async def _failed(self, run: EvaluationRun, error: Exception) -> None:
        """Go on later, or end the run."""
        if isinstance(error, AppError):
            return await self._stop_or_retry(run, error)
        self._log.exception("an evaluation turn failed", run=str(run.id))
        await self._release(run, Pause(0.0, "internal_error", "Something went wrong."), False)

    async def _work(self, run: EvaluationRun) -> None:
        """Answer questions of the run until the turn ends, and record what becomes of the run."""
        deps = self._deps
        limit = await self._question_limit(run)
        async with deps.database.transaction() as session:
            pending = await answers.list_pending(session, run, limit)
            spent_nano = await answers.sum_cost(session, run)
        if not pending:
            return await self._complete(run)
        calls = QuestionCalls(deps.client, deps.database, deps.metrics, run)
        is_over = deadline(deps.clock, _MAX_TURN_S)
        turn = Turn(calls, pending, run.max_cost_nano, spent_nano, is_over)
        await turn.take()
        is_limited = limit < _MAX_QUESTIONS_PER_TURN and turn.asked >= limit
        await self._end_turn(run, turn, Pause(_MAX_TURN_S) if is_limited else None)

    async def _end_turn(self, run: EvaluationRun, turn: Turn, pause: Pause | None) -> None:
        """Record what becomes of the run after a turn; `pause` keeps it below a request limit."""
        end: TurnEnd | None = turn.end or pause
        if isinstance(end, Stop):
            await self._stop(run, end)
        elif not isinstance(end, Closed):
            await self._release(run, end or Pause(), made_progress=turn.asked > 0)

    async def _question_limit(self, run: EvaluationRun) -> int:
        """Return how many questions a turn may ask, by the key's limit of requests per minute.

        Raises the error of a key that does not exist.
        """
        deps = self._deps
        caller = SignedInCaller(run.account_id, run.key_id)
        key = await deps.authenticator.identify_key(caller, deps.clock.now())
        limits = [
            quota.amount
            for quota in key.principal.rate_limit_quotas
            if quota.kind is QuotaKind.REQUESTS and quota.amount is not None
        ]
        allowed = [max(1, limit // _REQUEST_LIMIT_DIVISOR) for limit in limits]
        return min([_MAX_QUESTIONS_PER_TURN, *allowed])

    async def _complete(self, run: EvaluationRun) -> None:
        """Mark the run as completed; does nothing if it is no longer claimed."""
        async with self._deps.database.transaction() as session:
            row = await self._lock(session, run)
            if row is None:
                return
            await runs.complete(session, self._deps.clock, row)
        self._deps.metrics.evaluation_runs.labels(EvaluationStatus.COMPLETED.value).inc()

    async def _stop(self, run: EvaluationRun, end: Stop) -> None:
        """End the run before all questions were answered."""
        async with self._deps.database.transaction() as session:
            row = await self._lock(session, run)
            if row is None:
                return
            await runs.stop(session, self._deps.clock, row, end.status, end.code, end.message)
        self._deps.metrics.evaluation_runs.labels(end.status.value).inc()

    async def _stop_or_retry(self, run: EvaluationRun, error: AppError) -> None:
        """Go on later after an error of the platform, else end the run."""
        code = error.code or "internal_error"
        if isinstance(error, DatabaseUnavailable) or error.status >= 500:
            await self._release(run, Pause(0.0, code, error.message), made_progress=False)
        else:
            await self._stop(run, Stop(EvaluationStatus.FAILED, code, error.message))

    async def _release(self, run: EvaluationRun, pause: Pause, made_progress: bool) -> None:
        """Release the run for its next turn; end it after too many turns without progress."""
        clock = self._deps.clock
        async with self._deps.database.transaction() as session:
            row = await self._lock(session, run)
            if row is None:
                return
            if made_progress or not runs.QUEUE.retry.gives_up_after(row.attempts):
                runs.release(clock, row, made_progress, pause.seconds)
                return
            status = EvaluationStatus.INCOMPLETE
            await runs.stop(session, clock, row, status, pause.code, pause.message)
        self._deps.metrics.evaluation_runs.labels(EvaluationStatus.INCOMPLETE.value).inc()

    async def _lock(self, session: AsyncSession, run: EvaluationRun) -> EvaluationRun | None:
        """Lock the run's row; None if it has ended or is no longer claimed by this process."""
        return await runs.lock_claimed(session, run, self._deps.heartbeat.process_id)
