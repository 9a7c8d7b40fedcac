"""Fine-tuning jobs as rows: create, claim by one gateway process, cancel, complete or fail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from billing.metering.process_reaper import ENDED_PROCESSES
from gateway.call.errors import BadRequest
from gateway.fine_tuning.notices import emit_job_ended
from gateway.fine_tuning.reasons import reason_of
from gateway.tables import Adaptation, AdaptationEvent, AdaptationStatus
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of
from infra.errors import AppError, error_object
from infra.work_queue import OwnedQueue, RetryPolicy
from models.sentences import Sentence, sentence

JOB_ID_PREFIX = "ftjob"
EVENT_ID_PREFIX = "ftevent"
# Queued or running jobs per account.
MAX_OPEN_JOBS = 10
_OPEN_STATUSES = (AdaptationStatus.QUEUED, AdaptationStatus.RUNNING)
# Jobs of all accounts, oldest first. A claim lasts until the gateway process has ended.
QUEUE = OwnedQueue(
    table=Adaptation,
    id=col(Adaptation.id),
    attempts=col(Adaptation.attempts),
    pending=col(Adaptation.status).in_(_OPEN_STATUSES),
    order=(col(Adaptation.id),),
    # If the process is lost in each attempt, the job itself likely crashes it.
    retry=RetryPolicy(max_attempts=3),
    owner=col(Adaptation.process_id),
    lost_owners=ENDED_PROCESSES,
)


class FineTuningJobNotFound(AppError):
    """The account has no such job."""

    status = 404
    type = "invalid_request_error"
    code = "fine_tuning_job_not_found"


class TooManyFineTuningJobs(BadRequest):
    """The account has reached the maximum number of open jobs."""

    status = 429
    type = "rate_limit_error"
    code = "too_many_fine_tuning_jobs"


class FineTuningJobAlreadyEnded(BadRequest):
    """The job has ended and cannot be cancelled."""

    status = 409
    code = "fine_tuning_job_over"


class FineTuningJobCancelled(AppError):
    """The customer cancelled the job while it ran."""

    status = 499
    code = "cancelled"


class FineTuningJobLost(AppError):
    """Another attempt holds the job: this process was regarded as ended, or claimed it again."""

    status = 409
    code = "fine_tuning_job_lost"


class FineTuningJobInterrupted(AppError):
    """The gateway process that ran the job was lost, several times."""

    code = "interrupted"


@dataclass(frozen=True, slots=True)
class NewFineTuningJob:
    """The parameters of a new job. `settings` are stored unchanged.

    `notes` and then `warnings` become events of the job. `shared`: the customer consents to using
    the file for training the shared model.
    """

    account_id: UUID
    key_id: UUID
    model: str
    name: str
    training_file_id: UUID
    tags: Mapping[str, str] | None
    settings: Mapping[str, Any]
    shared: bool = False
    notes: Sequence[Sentence] = ()
    warnings: Sequence[Sentence] = ()


async def create_job(
    session: AsyncSession, clock: Clock, job_request: NewFineTuningJob
) -> Adaptation:
    """Insert a queued job with its first events. Raises TooManyFineTuningJobs."""
    await require_open_slot(session, job_request.account_id)
    job = Adaptation(
        id=ids.new_id(),
        account_id=job_request.account_id,
        key_id=job_request.key_id,
        model=job_request.model,
        name=job_request.name,
        training_file_id=job_request.training_file_id,
        status=AdaptationStatus.QUEUED,
        tags=None if job_request.tags is None else dict(job_request.tags),
        settings=dict(job_request.settings),
        created_at=clock.now(),
        request_id=ids.new_id(),
        shared_at=clock.now() if job_request.shared else None,
    )
    session.add(job)
    await session.flush()
    for message in (sentence("The job is queued."), *job_request.notes):
        await add_event(session, clock, job, message)
    for message in job_request.warnings:
        await add_event(session, clock, job, message, "warn")
    return job


async def require_open_slot(session: AsyncSession, account_id: UUID) -> None:
    """Raise TooManyFineTuningJobs if the account can have no further open job."""
    query = select(func.count()).where(
        col(Adaptation.account_id) == account_id, col(Adaptation.status).in_(_OPEN_STATUSES)
    )
    if (await session.execute(query)).scalar_one() >= MAX_OPEN_JOBS:
        raise TooManyFineTuningJobs(
            f"{MAX_OPEN_JOBS} jobs of this account are already waiting. Try again when "
            "one of them has ended."
        )


async def claim_job(session: AsyncSession, clock: Clock, process_id: UUID) -> Adaptation | None:
    """Claim the oldest job that is queued or whose process was lost. Returns None if there is none.

    A process holds no job when it calls this; a row with its own process id is one that it failed
    to finish while the database was unavailable.
    """
    job = await QUEUE.claim(session, clock.now(), process_id, status=AdaptationStatus.RUNNING)
    if job is None:
        return None
    is_first = job.attempts == 1
    told = sentence("The job has started.") if is_first else sentence("It goes on.")
    await add_event(session, clock, job, told)
    return job


async def requeue_job(session: AsyncSession, clock: Clock, job: Adaptation, reason: str) -> None:
    """Put a running job back in the queue, for another attempt by any process.

    Raises FineTuningJobLost.
    """
    job = await lock_job(session, job)
    if not AdaptationStatus(job.status).over:
        job.status, job.process_id = AdaptationStatus.QUEUED, None
        await session.flush()
        told = sentence("{reason} The job will be retried.", reason=reason)
        await add_event(session, clock, job, told, "warn")


async def find_job(session: AsyncSession, account_id: UUID, job_id: str) -> Adaptation:
    """Return one of the account's jobs. Raises FineTuningJobNotFound."""
    parsed_id = ids.parse_id(JOB_ID_PREFIX, job_id)
    query = select(Adaptation).where(
        col(Adaptation.id) == parsed_id, col(Adaptation.account_id) == account_id
    )
    job = None if parsed_id is None else (await session.scalars(query)).one_or_none()
    if job is None:
        raise FineTuningJobNotFound(f"The job {job_id[:60]!r} does not exist.", param="job")
    return job


async def list_jobs(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None
) -> Sequence[Adaptation]:
    """Return a page of the account's jobs, newest first."""
    query = select(Adaptation).where(col(Adaptation.account_id) == account_id)
    return (await session.scalars(page_of(query, col(Adaptation.id), limit, after))).all()


async def list_events(
    session: AsyncSession, job: Adaptation, limit: int, after: UUID | None
) -> Sequence[AdaptationEvent]:
    """Return a page of a job's events, newest first."""
    query = select(AdaptationEvent).where(
        col(AdaptationEvent.adaptation_id) == job.id,
        col(AdaptationEvent.account_id) == job.account_id,
    )
    page = page_of(query, col(AdaptationEvent.id), limit, after)
    return (await session.scalars(page)).all()


async def find_last_metrics(session: AsyncSession, job: Adaptation) -> Mapping[str, Any] | None:
    """Return the job's latest training metrics, or None if it reported none."""
    query = select(col(AdaptationEvent.metrics)).where(
        col(AdaptationEvent.adaptation_id) == job.id,
        col(AdaptationEvent.account_id) == job.account_id,
        col(AdaptationEvent.metrics).is_not(None),
    )
    newest = query.order_by(col(AdaptationEvent.id).desc()).limit(1)
    metrics: Mapping[str, Any] | None = (await session.scalars(newest)).one_or_none()
    return metrics


async def cancel_job(
    session: AsyncSession, clock: Clock, account_id: UUID, job_id: str
) -> Adaptation:
    """Cancel a job; its runner polls the status.

    Raises FineTuningJobNotFound, FineTuningJobAlreadyEnded.
    """
    job = await find_job(session, account_id, job_id)
    await session.refresh(job, with_for_update=True)
    if AdaptationStatus(job.status).over:
        raise FineTuningJobAlreadyEnded(f"The job has already ended: {job.status}.")
    if job.score is not None:
        raise FineTuningJobAlreadyEnded(
            "The job has finished training and is about to end; it cannot be cancelled."
        )
    told = sentence("The job was cancelled.")
    await end_job(session, clock, job, AdaptationStatus.CANCELLED, told)
    return job


async def set_sharing_consent(
    session: AsyncSession, clock: Clock, account_id: UUID, job_id: str, shared: bool
) -> Adaptation:
    """Give or withdraw consent to train the shared model on the job's file.

    Raises FineTuningJobNotFound.
    """
    job = await find_job(session, account_id, job_id)
    await session.refresh(job, with_for_update=True)
    if shared != (job.shared_at is not None):
        job.shared_at = clock.now() if shared else None
        await session.flush()
        told = (
            sentence("Consent to use this file for improving the shared model is given.")
            if shared
            else sentence("Consent to use this file for improving the shared model is withdrawn.")
        )
        await add_event(session, clock, job, told)
    return job


async def fail_job(session: AsyncSession, clock: Clock, job: Adaptation, error: AppError) -> None:
    """Mark a job as failed; it is not billed. Does nothing if it has ended already.

    If it was accepted, as when credit is exhausted since, the model can be accepted again. Raises
    FineTuningJobLost.
    """
    job = await lock_job(session, job)
    if not AdaptationStatus(job.status).over:
        job.error = error_object(error)
        job.accepted_at = job.accepted_by = None
        message = sentence("{reason} The job is not billed.", reason=reason_of(error))
        await end_job(session, clock, job, AdaptationStatus.FAILED, message, "error")


async def complete_job(session: AsyncSession, clock: Clock, job: Adaptation, message: str) -> None:
    """Mark a job as succeeded; its fine-tuned model can be called. Raises FineTuningJobLost."""
    job = await lock_job(session, job)
    job.candidate_until = None
    await end_job(session, clock, job, AdaptationStatus.SUCCEEDED, message)


async def require_not_cancelled(session: AsyncSession, job: Adaptation) -> None:
    """Raise FineTuningJobCancelled if the job has ended, FineTuningJobLost if it was taken over."""
    row = (await session.scalars(_select_job(job))).one()
    if AdaptationStatus(row.status).over:
        raise FineTuningJobCancelled("The job was cancelled.")
    _require_held(row, job)


async def set_usage_request(session: AsyncSession, job: Adaptation, request_id: UUID) -> None:
    """Set the request id under which this attempt is metered; clear an earlier attempt's score.

    An accepted job keeps its score, because it is not trained again.

    Raises FineTuningJobCancelled, FineTuningJobLost.
    """
    row = await lock_job(session, job)
    if AdaptationStatus(row.status).over:
        raise FineTuningJobCancelled("The job was cancelled.")
    row.request_id = request_id
    if row.accepted_at is None:
        row.score = None
    await session.flush()


async def record_score(
    session: AsyncSession,
    job: Adaptation,
    score: Mapping[str, Any],
    seconds: int,
    trained_tokens: int | None = None,
) -> None:
    """Store a training's hold-out score and seconds; the job can no longer be cancelled.

    Raises FineTuningJobCancelled, FineTuningJobLost.
    """
    row = await lock_job(session, job)
    if AdaptationStatus(row.status).over:
        raise FineTuningJobCancelled("The job was cancelled.")
    row.score, row.seconds, row.trained_tokens = dict(score), seconds, trained_tokens
    await session.flush()


async def add_event(
    session: AsyncSession,
    clock: Clock,
    job: Adaptation,
    message: str,
    level: str = "info",
    metrics: Mapping[str, Any] | None = None,
    made_of: Mapping[str, Any] | None = None,
) -> None:
    """Add an event to the job, visible to the customer.

    `made_of` has template and values of a message from the training process; those of a Sentence
    are known.
    """
    if isinstance(message, Sentence):
        made_of = message.as_json()
    session.add(
        AdaptationEvent(
            id=ids.new_id(),
            account_id=job.account_id,
            adaptation_id=job.id,
            level=level,
            message=str(message)[:1000].replace("\x00", ""),
            sentence=None if made_of is None else _without_nul(made_of),
            metrics=None if metrics is None else dict(metrics),
            created_at=clock.now(),
        )
    )
    await session.flush()


def _without_nul(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON content without NUL characters, which PostgreSQL cannot store."""
    encoded = msgspec.json.encode(content).replace(b"\\u0000", b"")
    stored: dict[str, Any] = msgspec.json.decode(encoded)
    return stored


async def lock_job(session: AsyncSession, job: Adaptation) -> Adaptation:
    """Lock the row of a claimed job for update and return it, for writing what its attempt found.

    Raises FineTuningJobLost if another attempt holds the job: a process that was slow for so long
    that others regard it as ended must not overwrite, bill or publish what they do.
    """
    query = _select_job(job).with_for_update().execution_options(populate_existing=True)
    row = (await session.scalars(query)).one()
    _require_held(row, job)
    return row


async def end_job(
    session: AsyncSession,
    clock: Clock,
    job: Adaptation,
    status: AdaptationStatus,
    message: str,
    level: str = "info",
) -> None:
    """End a job with a status, and add `message` as an event of the level."""
    job.status, job.finished_at = status, clock.now()
    await session.flush()
    await add_event(session, clock, job, message, level)
    await emit_job_ended(session, clock, job, ids.format_id(JOB_ID_PREFIX, job.id))


def _select_job(job: Adaptation) -> SelectOfScalar[Adaptation]:
    """Return the query for a job's row."""
    return select(Adaptation).where(
        col(Adaptation.id) == job.id, col(Adaptation.account_id) == job.account_id
    )


def _require_held(row: Adaptation, job: Adaptation) -> None:
    """Raise FineTuningJobLost unless the row is claimed as `job` was: same process and attempt."""
    if (row.process_id, row.attempts) != (job.process_id, job.attempts):
        raise FineTuningJobLost("Another attempt has taken over the job.")
