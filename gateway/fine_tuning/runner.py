"""Background runner of fine-tuning jobs: one job at a time per gateway process.

    claim -> authenticate -> reserve -> train -> store -> bill -> make live -> await propagation

A job is billed by a usage row like any call, and that row is durable before the variant can be
called. A job whose process was lost continues in another process and is not billed twice: before a
further attempt is billed, the call of the attempt before is settled for good. A job whose rejected
model was accepted is billed and published without training.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.key_epoch import read_epoch
from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.access.key_lookup import find_key_by_id
from gateway.access.price_book import PriceBook
from gateway.access.propagation import Propagation
from gateway.call.errors import (
    KeyRevoked,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from gateway.call.tags import VARIANT_TAG
from gateway.call.values import AdmittedCall, Call, CallResult, ParsedRequest, Principal
from gateway.fine_tuning import acceptance, jobs
from gateway.fine_tuning.call import create_job_call
from gateway.fine_tuning.observed_rows import append_observed
from gateway.fine_tuning.pii_scrubber import scrub_training_file
from gateway.fine_tuning.progress_stream import (
    ProgressLine,
    TrainedVariant,
    read_progress_lines,
    to_specialist_error,
)
from gateway.fine_tuning.reasons import reason_of
from gateway.fine_tuning.settled_attempt import is_attempt_billed
from gateway.inference.stages import Stages
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.registry import variants
from gateway.registry.files import read_content
from gateway.tables import Adaptation
from gateway.upstream.availability import find_catalog_model
from gateway.upstream.client import UpstreamClient
from gateway.upstream.load_balancer import Router
from gateway.wire.fine_tuning import (
    MAX_TEXT_DURATION_S,
    SCHEMA,
    SENSITIVITY,
    build_fine_tuning_request,
)
from infra import ids
from infra.claim_poller import ClaimPoller
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.errors import AppError
from infra.telemetry.own_model_metrics import TRAINING_EVENTS, OwnModelMetrics
from infra.timing import DEFAULT_TIMING, Timing
from models.adaptation import Score
from models.catalog import Catalog
from models.sentences import sentence

# The serving process limits the training itself; the rest is time in its queue.
_TRAINING_TIMEOUT_S = 4.0 * MAX_TEXT_DURATION_S
_EXPIRY_CHECK_PERIOD_S = 60.0
# A job's setting: the most that it may cost, as an amount in the account's currency.
MAX_COST = "max_cost"


class VariantWorseThanBase(AppError):
    """The variant scores worse than its base on held-out examples."""

    status = 400
    type = "invalid_request_error"
    code = "adaptation_worse"


@dataclass(frozen=True, slots=True)
class FineTuningDependencies:
    """The parts of the gateway process that the runner uses."""

    catalog: Catalog
    clock: Clock
    database: Database
    price_book: PriceBook
    stages: Stages
    heartbeat: ProcessHeartbeat
    router: Router
    upstream: UpstreamClient
    propagation: Propagation
    metrics: OwnModelMetrics
    timing: Timing = DEFAULT_TIMING


class FineTuningRunner(ClaimPoller[Adaptation]):
    """Polls for fine-tuning jobs and runs them in one gateway process.

    All that an attempt writes is fenced: once another one holds the job, it writes nothing.
    """

    def __init__(self, deps: FineTuningDependencies) -> None:
        super().__init__(
            "adaptations", jobs.QUEUE, deps.database, deps.heartbeat, deps.clock, deps.timing
        )
        self._deps = deps
        self._next_expiry_check = float("-inf")
        for model in deps.catalog.models.values():
            for event in TRAINING_EVENTS if model.adapter else ():
                deps.metrics.trainings.labels(model.id, event)

    async def _claim(self, session: AsyncSession, process_id: UUID) -> Adaptation | None:
        """Claim the next job, after erasing rejected models that were not accepted in time."""
        now = self._deps.clock.monotonic()
        if now >= self._next_expiry_check:
            self._next_expiry_check = now + _EXPIRY_CHECK_PERIOD_S
            await acceptance.erase_expired_candidates(session, self._deps.clock)
        job = await jobs.claim_job(session, self._deps.clock, process_id)
        if job is not None:
            self._count(job, "started")
        return job

    async def _interrupted(self, job: Adaptation) -> None:
        """Requeue a job, because the process stops."""
        await self._end(job, partial(self._requeue, job, sentence("The service is shutting down.")))

    async def _failed(self, job: Adaptation, error: Exception) -> None:
        """Requeue the job, or fail it."""
        match error:
            case jobs.FineTuningJobLost():
                self._note_lost(job)
            case Unavailable():
                await self._end(job, partial(self._requeue, job, reason_of(error)))
                await asyncio.sleep(self._timing.training_retry_s)
            case DatabaseUnavailable() | SQLAlchemyError():
                # Perhaps the job is billed by now, which the next attempt finds out.
                self._log.error("a fine-tuning job failed", job=str(job.id), exc_info=error)
                await self._failed(job, Unavailable(sentence("Something went wrong on our side.")))
            case AppError():
                await self._end(job, partial(self._fail, job, error))
            case _:
                self._log.error("a fine-tuning job failed", job=str(job.id), exc_info=error)
                failure = UpstreamFailed(sentence("Something went wrong on our side."))
                await self._end(job, partial(self._fail, job, failure))

    async def _end(self, job: Adaptation, end: Callable[[], Awaitable[None]]) -> None:
        """End an attempt, unless another one holds the job by now."""
        try:
            await end()
        except jobs.FineTuningJobLost:
            self._note_lost(job)

    def _note_lost(self, job: Adaptation) -> None:
        """Log and count that another attempt holds the job."""
        self._log.warning("a fine-tuning job was taken over", job=str(job.id))
        self._count(job, "lost")

    def _count(self, job: Adaptation, event: str) -> None:
        """Count an event of an attempt."""
        self._deps.metrics.trainings.labels(job.model, event).inc()

    async def _work(self, job: Adaptation) -> None:
        """Run one attempt of a job. Raises the error that the job fails with."""
        if job.attempts > 1 and await self._is_billed(job):
            return await self._publish(job)
        if jobs.QUEUE.retry.is_exceeded_by(job.attempts):
            raise jobs.FineTuningJobInterrupted(sentence("The job was interrupted several times."))
        deps, limits = self._deps, _limit_headers(job)
        call = create_job_call(deps.clock, ids.new_id(), limits)
        principal = await self._load_principal(job, call.request_id)
        if job.accepted_at is not None:
            return await self._bill_accepted(job, principal, call)
        content, observed = await self._load_training_file(job)
        request = self._build_request(job, content, job.settings.get("seconds"))

        async def train_and_store(admitted: AdmittedCall) -> CallResult:
            """Train, store the variant and return the call's result, billed by time."""
            variant, seconds = await self._train_unless_cancelled(job, admitted, call)
            await self._store_variant(job, variant, seconds, observed)
            score = _score_of(variant)
            deps.metrics.verdicts.labels(job.model, score.verdict).inc()
            _require_not_worse(score)
            return _to_call_result(seconds)

        await deps.stages.internal_calls.execute(call, principal, request, train_and_store)
        await self._publish(job)

    async def _bill_accepted(self, job: Adaptation, principal: Principal, call: Call) -> None:
        """Bill the training of an accepted model as if it had not been rejected, and publish it."""
        seconds = job.seconds or 0
        request = self._build_request(job, b"", seconds)

        async def take_over(_admitted: AdmittedCall) -> CallResult:
            """Return the call's result, billed by the time of the training."""
            # From here on, the call's intent is durable: an attempt that takes over settles it.
            async with self._deps.database.transaction() as session:
                await jobs.lock_job(session, job)
            return _to_call_result(seconds)

        await self._deps.stages.internal_calls.execute(call, principal, request, take_over)
        await self._publish(job)

    def _build_request(
        self, job: Adaptation, content: bytes, max_seconds: int | None
    ) -> ParsedRequest:
        """Return the job's metered request, with a tag that names the fine-tuned model."""
        request = build_fine_tuning_request(
            find_catalog_model(self._deps.catalog, job.model),
            content,
            max_seconds,
            sensitivity=job.settings.get(SENSITIVITY),
            schema=job.settings.get(SCHEMA),
        )
        variant_id = variants.public_id(job.model, job.account_id, job.name)
        return replace(request, tags={**(job.tags or {}), VARIANT_TAG: variant_id})

    async def _load_principal(self, job: Adaptation, request_id: UUID) -> Principal:
        """Return the job's current principal; the attempt is metered as `request_id`.

        Raises KeyRevoked and the errors of an account or key that may not make calls.
        """
        deps, account_id = self._deps, job.account_id
        async with deps.database.transaction() as session:
            at = deps.clock.now()
            key = await find_key_by_id(session, deps.price_book, account_id, job.key_id, at)
            if key is None:
                raise KeyRevoked(sentence("The API key that created the job no longer exists."))
            principal = deps.stages.authenticator.require_active(key)
            deps.stages.authenticator.require_not_suspended(key)
            await jobs.set_usage_request(session, job, request_id)
        return principal

    async def _load_training_file(self, job: Adaptation) -> tuple[bytes, Mapping[str, Any] | None]:
        """Return the job's training file, scrubbed or with observed rows if requested.

        Also returns where the observed rows come from. Raises FileNotFound, TrainingFileInvalid.
        """
        async with self._deps.database.transaction() as session:
            content = await read_content(session, job.account_id, job.training_file_id)
        if job.settings.get("scrub"):
            content, _ = await asyncio.to_thread(scrub_training_file, content)
        adapter = find_catalog_model(self._deps.catalog, job.model).adapter or ""
        appended = await append_observed(self._deps.database, job, adapter, content)
        if appended is None:
            return content, None
        told = appended.sentence
        await self._add_progress_event(job, ProgressLine(str(told), told.as_json()))
        return appended.content, appended.provenance

    async def _train_unless_cancelled(
        self, job: Adaptation, admitted: AdmittedCall, call: Call
    ) -> tuple[TrainedVariant, int]:
        """Train, polling for cancellation. Raises FineTuningJobCancelled."""
        training = asyncio.create_task(self._train(job, admitted, call))
        try:
            while not training.done():
                await asyncio.wait([training], timeout=self._timing.work_watch_s)
                async with self._deps.database.transaction() as session:
                    await jobs.require_not_cancelled(session, job)
            return training.result()
        finally:
            training.cancel()
            await asyncio.wait([training])

    async def _train(
        self, job: Adaptation, admitted: AdmittedCall, call: Call
    ) -> tuple[TrainedVariant, int]:
        """Train on a serving process. Returns the trained variant and the training seconds."""
        deps = self._deps
        target = deps.router.route(admitted, call.request_id)
        try:
            with deps.router.track(target):
                async with (
                    asyncio.timeout(_TRAINING_TIMEOUT_S),
                    deps.upstream.open(target) as response,
                ):
                    async for line in read_progress_lines(response):
                        if line.error is not None:
                            raise to_specialist_error(line.error)
                        if line.variant is not None:
                            return line.variant, line.seconds
                        await self._add_progress_event(job, line)
        except TimeoutError:
            raise UpstreamTimeout(sentence("Training exceeded its time limit.")) from None
        raise UpstreamFailed(sentence("Training was interrupted."))

    async def _store_variant(
        self,
        job: Adaptation,
        variant: TrainedVariant,
        seconds: int,
        observed: Mapping[str, Any] | None,
    ) -> None:
        """Store score, training seconds, and the weights as a new version, not callable yet.

        observed: where appended rows come from, None without any.
        """
        deps = self._deps
        async with deps.database.transaction() as session:
            score = {**variant.score, "examples": variant.examples, "held_out": variant.held_out}
            if observed is not None:
                score["observed"] = dict(observed)
            await jobs.record_score(session, job, score, seconds, variant.trained_tokens)
            await variants.create_version(session, deps.clock, job, variant.artefact)

    async def _publish(self, job: Adaptation) -> None:
        """Make the version callable, wait until all gateway processes know it, complete the job."""
        deps = self._deps
        async with deps.database.transaction() as session:
            await jobs.lock_job(session, job)
            version = await variants.make_live(session, deps.clock, job)
            epoch = await read_epoch(session)
        await deps.propagation.wait(epoch)
        async with deps.database.transaction() as session:
            name = variants.public_id(job.model, job.account_id, job.name)
            told = sentence(
                "Version {version} of {name} is ready for calls.", version=version, name=name
            )
            await jobs.complete_job(session, deps.clock, job, told)
        self._count(job, "succeeded")
        if job.accepted_at is not None:
            deps.metrics.verdicts.labels(job.model, "accepted").inc()

    async def _is_billed(self, job: Adaptation) -> bool:
        """Whether the job's newest attempt was billed; if not, it never will be."""
        async with self._deps.database.transaction() as session:
            return await is_attempt_billed(session, self._deps.clock, job)

    async def _add_progress_event(self, job: Adaptation, line: ProgressLine) -> None:
        """Add a progress line and its metrics to the job's events."""
        metrics = None if line.metrics is None else msgspec.structs.asdict(line.metrics)
        async with self._deps.database.transaction() as session:
            text = line.progress or ""
            await jobs.add_event(
                session, self._deps.clock, job, text, metrics=metrics, made_of=line.sentence
            )

    async def _fail(self, job: Adaptation, error: AppError) -> None:
        """Mark the job as failed with the error; a model that is worse can still be accepted."""
        is_rejected = isinstance(error, VariantWorseThanBase)
        end_job = acceptance.reject_job if is_rejected else jobs.fail_job
        async with self._deps.database.transaction() as session:
            await end_job(session, self._deps.clock, job, error)
        is_cancelled = isinstance(error, jobs.FineTuningJobCancelled)
        self._count(job, "cancelled" if is_cancelled else "rejected" if is_rejected else "failed")

    async def _requeue(self, job: Adaptation, reason: str) -> None:
        """Requeue the job, or fail it after its last attempt unless it is billed already."""
        if jobs.QUEUE.retry.gives_up_after(job.attempts) and not await self._is_billed(job):
            return await self._fail(job, Unavailable(reason))
        async with self._deps.database.transaction() as session:
            await jobs.requeue_job(session, self._deps.clock, job, reason)
        self._count(job, "requeued")


def _limit_headers(job: Adaptation) -> Mapping[bytes, bytes]:
    """Return the header with the most that a job may cost, if it has such a limit."""
    limit = job.settings.get(MAX_COST)
    return {} if limit is None else {b"x-max-cost": str(limit).encode()}


def _to_call_result(seconds: int) -> CallResult:
    """Return the result of a successful call that took `seconds` of training."""
    return CallResult(
        settlement=Settlement.COMPLETE,
        status=200,
        tail=b"",
        headers={},
        quantities=Quantities(adaptation_seconds=seconds),
    )


def _score_of(variant: TrainedVariant) -> Score:
    """Return the score of a trained variant."""
    return msgspec.convert({"base": None, **variant.score}, Score, strict=False)


def _require_not_worse(score: Score) -> None:
    """Raise VariantWorseThanBase if the base of the fine-tuned variant scores better."""
    if score.worse:
        raise VariantWorseThanBase(
            sentence(
                "The fine-tuned model is worse than its base model on held-out examples ({metric}: "
                "{score:.4g} against {base:.4g}), so it was rejected.",
                metric=score.metric,
                score=score.adapted,
                base=score.base,
            )
        )
