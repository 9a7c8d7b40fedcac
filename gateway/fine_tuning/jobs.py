"""Adaptation jobs as rows: created, claimed by one gateway process, ended once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.call.errors import BadRequest
from gateway.tables import Adaptation, AdaptationEvent, AdaptationStatus
from infra import ids
from infra.clock import Clock
from infra.errors import AppError, error_object

PREFIX = "ftjob"
EVENT_PREFIX = "ftevent"
# Waiting or running, of one account.
MOST_OPEN = 10
# Of a job whose process was lost each time: then it is likely the job that brings it down.
MOST_ATTEMPTS = 3


class AdaptationNotFound(AppError):
    """The account has no such job."""

    status = 404
    type = "invalid_request_error"
    code = "fine_tuning_job_not_found"


class TooManyAdaptations(BadRequest):
    """As many jobs of the account wait as may."""

    status = 429
    type = "rate_limit_error"
    code = "too_many_fine_tuning_jobs"


class AdaptationOver(BadRequest):
    """The job has ended and cannot be cancelled."""

    status = 409
    code = "fine_tuning_job_over"


class AdaptationCancelled(AppError):
    """The customer cancelled the job while it ran."""

    status = 499
    code = "cancelled"


class Interrupted(AppError):
    """The gateway process that ran the job was lost, several times."""

    code = "interrupted"


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a customer asks for; `settings` are kept as they were given. `doubts` are told of its
    file, after the `notes`; `shared` says that the file may improve the model for everybody."""

    account_id: UUID
    key_id: UUID
    model: str
    name: str
    training_file_id: UUID
    tags: Mapping[str, str] | None
    settings: Mapping[str, Any]
    shared: bool = False
    notes: Sequence[str] = ()
    doubts: Sequence[str] = ()


async def create(session: AsyncSession, clock: Clock, new: NewJob) -> Adaptation:
    """Queue a job. Raises TooManyAdaptations."""
    query = select(func.count()).where(
        col(Adaptation.account_id) == new.account_id, col(Adaptation.status).in_(_OPEN)
    )
    if (await session.execute(query)).scalar_one() >= MOST_OPEN:
        raise TooManyAdaptations(f"{MOST_OPEN} jobs of this account wait already.")
    job = Adaptation(
        id=ids.new_id(),
        account_id=new.account_id,
        key_id=new.key_id,
        model=new.model,
        name=new.name,
        training_file_id=new.training_file_id,
        status=AdaptationStatus.QUEUED,
        tags=None if new.tags is None else dict(new.tags),
        settings=dict(new.settings),
        created_at=clock.now(),
        request_id=ids.new_id(),
        shared_at=clock.now() if new.shared else None,
    )
    session.add(job)
    await session.flush()
    for message in ("The job waits for its turn.", *new.notes):
        await say(session, clock, job, message)
    for message in new.doubts:
        await say(session, clock, job, message, "warn")
    return job


async def claim(session: AsyncSession, clock: Clock, process_id: UUID) -> Adaptation | None:
    """The oldest job that waits, or whose process was lost; None where there is none.

    Whoever asks runs no job, so one of its own is one that it could not end when the database was
    away.
    """
    free = (
        col(Adaptation.process_id).is_(None)
        | (col(Adaptation.process_id) == process_id)
        | col(Adaptation.process_id).in_(_LOST)
    )
    query = (
        select(Adaptation)
        .where(col(Adaptation.status).in_(_OPEN), free)
        .order_by(col(Adaptation.id))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    job = (await session.scalars(query)).one_or_none()
    if job is None:
        return None
    job.process_id, job.attempts = process_id, job.attempts + 1
    job.status = AdaptationStatus.RUNNING
    await session.flush()
    await say(session, clock, job, "The job has begun." if job.attempts == 1 else "It goes on.")
    return job


async def release(session: AsyncSession, clock: Clock, job: Adaptation, why: str) -> None:
    """Let a later try have it, of whichever process."""
    job = await _locked(session, job)
    if not AdaptationStatus(job.status).over:
        job.status, job.process_id = AdaptationStatus.QUEUED, None
        await session.flush()
        await say(session, clock, job, f"{why} The job is tried again.", "warn")


async def find(session: AsyncSession, account_id: UUID, job_id: str) -> Adaptation:
    """One of the account's jobs. Raises AdaptationNotFound."""
    found = ids.parse(PREFIX, job_id)
    query = select(Adaptation).where(
        col(Adaptation.id) == found, col(Adaptation.account_id) == account_id
    )
    job = None if found is None else (await session.scalars(query)).one_or_none()
    if job is None:
        raise AdaptationNotFound(f"The job {job_id[:60]!r} does not exist.", param="job")
    return job


async def page(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None
) -> Sequence[Adaptation]:
    """The account's jobs, the newest first."""
    query = select(Adaptation).where(col(Adaptation.account_id) == account_id)
    if after is not None:
        query = query.where(col(Adaptation.id) < after)
    return (await session.scalars(query.order_by(col(Adaptation.id).desc()).limit(limit))).all()


async def events(
    session: AsyncSession, job: Adaptation, limit: int, after: UUID | None
) -> Sequence[AdaptationEvent]:
    """What was said of a job, the newest first."""
    query = select(AdaptationEvent).where(
        col(AdaptationEvent.adaptation_id) == job.id,
        col(AdaptationEvent.account_id) == job.account_id,
    )
    if after is not None:
        query = query.where(col(AdaptationEvent.id) < after)
    query = query.order_by(col(AdaptationEvent.id).desc()).limit(limit)
    return (await session.scalars(query)).all()


async def last_metrics(session: AsyncSession, job: Adaptation) -> Mapping[str, Any] | None:
    """How far learning was at last; None of what tells no figures."""
    query = select(col(AdaptationEvent.metrics)).where(
        col(AdaptationEvent.adaptation_id) == job.id,
        col(AdaptationEvent.account_id) == job.account_id,
        col(AdaptationEvent.metrics).is_not(None),
    )
    newest = query.order_by(col(AdaptationEvent.id).desc()).limit(1)
    found: Mapping[str, Any] | None = (await session.scalars(newest)).one_or_none()
    return found


async def cancel(session: AsyncSession, clock: Clock, account_id: UUID, job_id: str) -> Adaptation:
    """End a job; whoever runs it finds out. Raises AdaptationNotFound, AdaptationOver."""
    job = await find(session, account_id, job_id)
    await session.refresh(job, with_for_update=True)
    if AdaptationStatus(job.status).over:
        raise AdaptationOver(f"The job has ended before: {job.status}.")
    if job.score is not None:
        raise AdaptationOver("The job has learned already and is about to end.")
    await _end(session, clock, job, AdaptationStatus.CANCELLED, "The job was cancelled.")
    return job


async def share(
    session: AsyncSession, clock: Clock, account_id: UUID, job_id: str, shared: bool
) -> Adaptation:
    """The customer's consent to what its file may be used for besides, or its withdrawal. Raises
    AdaptationNotFound."""
    job = await find(session, account_id, job_id)
    await session.refresh(job, with_for_update=True)
    if shared != (job.shared_at is not None):
        job.shared_at = clock.now() if shared else None
        await session.flush()
        told = "is given" if shared else "is withdrawn"
        await say(session, clock, job, f"Consent to improving the model by this file {told}.")
    return job


async def fail(session: AsyncSession, clock: Clock, job: Adaptation, error: AppError) -> None:
    """The job came to nothing, and is not billed. One that was cancelled stays so."""
    job = await _locked(session, job)
    if not AdaptationStatus(job.status).over:
        job.error = error_object(error)
        message = f"{error.message} The job is not billed."
        await _end(session, clock, job, AdaptationStatus.FAILED, message, "error")


async def succeed(session: AsyncSession, clock: Clock, job: Adaptation, message: str) -> None:
    """The job's variant can be called."""
    job = await _locked(session, job)
    await _end(session, clock, job, AdaptationStatus.SUCCEEDED, message)


async def require_open(session: AsyncSession, job: Adaptation) -> None:
    """Raises AdaptationCancelled."""
    query = select(col(Adaptation.status)).where(
        col(Adaptation.id) == job.id, col(Adaptation.account_id) == job.account_id
    )
    if AdaptationStatus((await session.scalars(query)).one()).over:
        raise AdaptationCancelled("The job was cancelled.")


async def bill_by(session: AsyncSession, job: Adaptation, request_id: UUID) -> None:
    """This try's usage row is that. Raises AdaptationCancelled."""
    row = await _locked(session, job)
    if AdaptationStatus(row.status).over:
        raise AdaptationCancelled("The job was cancelled.")
    row.request_id, row.score = request_id, None
    await session.flush()


async def scored(
    session: AsyncSession,
    job: Adaptation,
    score: Mapping[str, Any],
    seconds: int,
    trained_tokens: int | None = None,
) -> None:
    """It has learned; from now on it cannot be cancelled. Raises AdaptationCancelled."""
    row = await _locked(session, job)
    if AdaptationStatus(row.status).over:
        raise AdaptationCancelled("The job was cancelled.")
    row.score, row.seconds, row.trained_tokens = dict(score), seconds, trained_tokens
    await session.flush()


async def say(
    session: AsyncSession,
    clock: Clock,
    job: Adaptation,
    message: str,
    level: str = "info",
    metrics: Mapping[str, Any] | None = None,
) -> None:
    """Tell the customer how the job goes."""
    session.add(
        AdaptationEvent(
            id=ids.new_id(),
            account_id=job.account_id,
            adaptation_id=job.id,
            level=level,
            message=message[:1000].replace("\x00", ""),
            metrics=None if metrics is None else dict(metrics),
            created_at=clock.now(),
        )
    )
    await session.flush()


async def _locked(session: AsyncSession, job: Adaptation) -> Adaptation:
    query = select(Adaptation).where(
        col(Adaptation.id) == job.id, col(Adaptation.account_id) == job.account_id
    )
    return (await session.scalars(query.with_for_update())).one()


async def _end(
    session: AsyncSession,
    clock: Clock,
    job: Adaptation,
    status: AdaptationStatus,
    message: str,
    level: str = "info",
) -> None:
    job.status, job.finished_at = status, clock.now()
    await session.flush()
    await say(session, clock, job, message, level)


_OPEN = (AdaptationStatus.QUEUED, AdaptationStatus.RUNNING)
_LOST = text("(select id from gateway_process where ended_at is not null)")
