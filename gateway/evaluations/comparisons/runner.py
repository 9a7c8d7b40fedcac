"""Background runner of comparisons: one at a time per gateway process.

claim -> read the table -> predict by billed calls -> score -> store the figures
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.authenticator import Authenticator
from gateway.call.values import SignedInCaller
from gateway.evaluations.comparisons import rows
from gateway.evaluations.comparisons.calls import CallsEnded, ComparisonCalls
from gateway.evaluations.comparisons.contenders import ComparisonPlan, ContenderPlanner
from gateway.evaluations.comparisons.forecasts import compare_forecasts
from gateway.evaluations.comparisons.labelled_table import classes_of, numbers_of
from gateway.evaluations.comparisons.scoring import (
    Contender,
    Predictions,
    choose_output,
    compare_classes,
    compare_numbers,
    is_class_output,
)
from gateway.evaluations.comparisons.views import report_json
from gateway.evaluations.turn import Pause, Stop
from gateway.inference.pipeline_client import PipelineClient
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.registry.files import read_content
from gateway.tables import EvaluationStatus, ModelComparison
from gateway.wire.own_models.comparisons import ComparisonRequest
from infra.claim_poller import ClaimPoller
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.errors import AppError, error_object
from infra.timing import DEFAULT_TIMING, Timing
from models.observed.clusters import plan_clusters


@dataclass(frozen=True, slots=True)
class ComparisonDependencies:
    """The parts of a gateway process that the runner uses. `ended` counts by status."""

    clock: Clock
    database: Database
    authenticator: Authenticator
    heartbeat: ProcessHeartbeat
    client: PipelineClient
    planner: ContenderPlanner
    ended: Counter
    timing: Timing = DEFAULT_TIMING


class ComparisonRunner(ClaimPoller[ModelComparison]):
    """Polls for comparisons and runs them, in a gateway process."""

    def __init__(self, dependencies: ComparisonDependencies) -> None:
        deps = self._deps = dependencies
        super().__init__(
            "comparisons", rows.QUEUE, deps.database, deps.heartbeat, deps.clock, deps.timing
        )

    async def _claim(self, session: AsyncSession, process_id: UUID) -> ModelComparison | None:
        """Claim the next comparison; None if none is due."""
        return await rows.claim_next(session, self._deps.clock, process_id)

    async def _interrupted(self, row: ModelComparison) -> None:
        """Release a comparison, because the process stops."""
        await self._end(row, Pause())

    async def _failed(self, row: ModelComparison, error: Exception) -> None:
        """End the comparison, or release it for another attempt."""
        match error:
            case CallsEnded():
                await self._end(row, error.end)
            case AppError():
                await self._end(row, _end_of(error))
            case _:
                self._log.exception("a comparison failed", comparison=str(row.id))
                await self._end(row, Pause(0.0, "internal_error", "Something went wrong."))

    async def _work(self, row: ModelComparison) -> None:
        """Predict and score all rows. Raises CallsEnded and the errors that end the comparison."""
        deps = self._deps
        request = msgspec.convert(row.options, ComparisonRequest)
        caller = SignedInCaller(row.account_id, row.key_id)
        key = await deps.authenticator.identify_key(caller, deps.clock.now())
        async with deps.database.transaction() as session:
            content = await read_content(session, row.account_id, row.file_id)
        plan = await deps.planner.plan(key.principal, request, content)
        calls = ComparisonCalls(deps.client, deps.database, row)
        predictions = await calls.predict(plan)
        report = await asyncio.to_thread(build_report, request, plan, predictions)
        async with deps.database.transaction() as session:
            locked = await rows.lock_claimed(session, row, deps.heartbeat.process_id)
            if locked is not None:
                locked.report, locked.cost_nano = report, calls.cost_nano
                rows.end(deps.clock, locked, EvaluationStatus.COMPLETED)
                deps.ended.labels(EvaluationStatus.COMPLETED).inc()

    async def _end(self, row: ModelComparison, end: Stop | Pause) -> None:
        """End the comparison, or release it for another attempt unless that was the last."""
        clock = self._deps.clock
        async with self._deps.database.transaction() as session:
            locked = await rows.lock_claimed(session, row, self._deps.heartbeat.process_id)
            if locked is None:
                return
            if isinstance(end, Pause) and not rows.QUEUE.retry.gives_up_after(locked.attempts):
                rows.release(clock, locked, end.seconds)
                return
            status = end.status if isinstance(end, Stop) else EvaluationStatus.FAILED
            error = {"code": end.code or "interrupted", "message": end.message}
            rows.end(clock, locked, status, error)
            self._deps.ended.labels(status).inc()


def build_report(
    request: ComparisonRequest, plan: ComparisonPlan, predictions: Sequence[Predictions]
) -> dict[str, Any]:
    """Score the predictions of each model, [models][rows], and return the figures as JSON.

    Raises ParameterInvalid if outputs cannot be compared with the results.
    """
    labelled, positions = plan.labelled, plan.models[0].found.positions
    machines, times = labelled.machines, labelled.times
    kind, clusters = plan_clusters(
        None if machines is None else [str(machines[position]) for position in positions],
        None if times is None else times[list(positions)],
        len(positions),
    )
    if plan.origins is not None:
        models = [planned.model for planned in plan.models]
        forecasts = compare_forecasts(models, predictions, plan.origins, clusters, request.season)
        return report_json(forecasts, kind, plan.notes)
    contenders = [
        Contender(
            planned.model,
            of_model,
            choose_output(of_model, request.outputs.get(planned.model), planned.model),
            request.labels.get(planned.model, {}),
        )
        for planned, of_model in zip(plan.models, predictions, strict=True)
    ]
    is_class = request.goal == "class" or (
        request.goal is None and any(map(is_class_output, contenders))
    )
    if is_class:
        written, trained = (
            texts[list(positions)] for texts in (labelled.results, classes_of(labelled))
        )
        report = compare_classes(written, trained, contenders, clusters)
    else:
        report = compare_numbers(numbers_of(labelled)[list(positions)], contenders, clusters)
    return report_json(report, kind, plan.notes)


def _end_of(error: AppError) -> Stop | Pause:
    """Return what an error of a comparison's preparation means: try again, or stop."""
    fields = error_object(error)
    code, message = str(fields.get("code") or "internal_error"), error.message
    if isinstance(error, DatabaseUnavailable) or error.status >= 500:
        return Pause(0.0, code, message)
    return Stop(EvaluationStatus.FAILED, code, message)
