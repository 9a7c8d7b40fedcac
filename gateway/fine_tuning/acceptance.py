"""Rejected candidates: models that scored worse than their base, kept for a time to be accepted.

    rejected, not billed -> accepted by the customer -> billed -> live, like any trained version

Some customers know why a score is low, such as a file with the rare cases only, and want the model
nevertheless.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.call.errors import BadRequest
from gateway.fine_tuning import jobs
from gateway.fine_tuning.reasons import reason_of
from gateway.registry.variants import has_version_of_job
from gateway.tables import Adaptation, AdaptationStatus, Variant
from infra.clock import Clock
from infra.errors import AppError, error_object
from models.sentences import sentence

CANDIDATE_LIFETIME = timedelta(days=7)
# Candidates kept per account: each has the size of a model.
MAX_CANDIDATES = 10


class FineTuningJobNotRejected(BadRequest):
    """The job's model was not rejected, so there is nothing to accept."""

    status = 409
    code = "fine_tuning_job_not_rejected"


class CandidateErased(BadRequest):
    """The rejected model was erased, because it was not accepted in time."""

    status = 409
    code = "candidate_erased"


async def reject_job(session: AsyncSession, clock: Clock, job: Adaptation, error: AppError) -> None:
    """Mark a job as failed because its model is worse; the model is kept as a candidate.

    Erases the account's oldest candidates beyond MAX_CANDIDATES. Does nothing if the job has ended.
    Raises FineTuningJobLost.
    """
    row = await jobs.lock_job(session, job)
    if AdaptationStatus(row.status).over:
        return
    row.error, row.candidate_until = error_object(error), clock.now() + CANDIDATE_LIFETIME
    message = sentence(
        "{reason} The job is not billed. You can accept the model until {moment} UTC.",
        reason=_reason(row, error),
        moment=f"{row.candidate_until:%Y-%m-%d %H:%M}",
    )
    await jobs.end_job(session, clock, row, AdaptationStatus.FAILED, message, "error")
    await _erase_candidates_beyond_limit(session, row.account_id)


async def accept_job(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    job_id: str,
    accepted_by: str | None,
    key_id: UUID | None = None,
) -> Adaptation:
    """Queue a rejected job again, which bills and publishes its model. `key_id` pays, if given.

    `accepted_by` is the public id of a person or API key, None for the operator. Wake the runner
    after the transaction. Raises FineTuningJobNotFound, FineTuningJobNotRejected, CandidateErased,
    TooManyFineTuningJobs.
    """
    job = await find_candidate(session, clock, account_id, job_id)
    await jobs.require_open_slot(session, account_id)
    job.status, job.attempts, job.process_id = AdaptationStatus.QUEUED, 0, None
    job.error = job.finished_at = None
    job.accepted_at, job.accepted_by = clock.now(), accepted_by
    job.key_id = job.key_id if key_id is None else key_id
    await session.flush()
    await jobs.add_event(session, clock, job, sentence("The rejected model was accepted."))
    return job


async def find_candidate(
    session: AsyncSession, clock: Clock, account_id: UUID, job_id: str
) -> Adaptation:
    """Return a job whose rejected model can be accepted now, and lock its row.

    Raises FineTuningJobNotFound, FineTuningJobNotRejected, CandidateErased.
    """
    job = await jobs.find_job(session, account_id, job_id)
    await session.refresh(job, with_for_update=True)
    if job.candidate_until is None or job.status != AdaptationStatus.FAILED:
        raise FineTuningJobNotRejected(
            f"Only a job whose model was rejected can be accepted. This one: {job.status}."
        )
    if job.candidate_until <= clock.now() or not await has_version_of_job(session, job):
        raise CandidateErased(
            "The rejected model is no longer stored. Create a new job to train it again."
        )
    return job


def _reason(job: Adaptation, error: AppError) -> str:
    """Return why a model is rejected: its score beside the base's, as the error says it."""
    score = job.score or {}
    if score.get("base") is None:
        return reason_of(error)
    return sentence(
        "The fine-tuned model is worse than its base model on held-out examples ({metric}: "
        "{score:.4g} against {base:.4g}), so it was rejected.",
        metric=str(score.get("metric", "")),
        score=score["adapted"],
        base=score["base"],
    )


def audit_details(job: Adaptation) -> dict[str, str]:
    """Return the details of an acceptance for the audit log: model, metric and both scores."""
    score = job.score or {}
    base = score.get("base")
    return {
        "model": job.model,
        "metric": str(score.get("metric", "")),
        "score": f"{score['adapted']:.4g}" if "adapted" in score else "",
        "base_score": "" if base is None else f"{base:.4g}",
    }


async def erase_expired_candidates(session: AsyncSession, clock: Clock) -> None:
    """Erase the weights of candidates that were not accepted in time. Operates on all accounts."""
    expired = select(col(Adaptation.id)).where(
        col(Adaptation.candidate_until) <= clock.now(),
        col(Adaptation.status) == AdaptationStatus.FAILED,
    )
    await session.execute(
        delete(Variant).where(
            col(Variant.adaptation_id).in_(expired), col(Variant.live_at).is_(None)
        )
    )


async def _erase_candidates_beyond_limit(session: AsyncSession, account_id: UUID) -> None:
    """Erase the weights of an account's oldest candidates beyond MAX_CANDIDATES."""
    query = (
        select(col(Variant.id))
        .join(Adaptation, col(Adaptation.id) == col(Variant.adaptation_id))
        .where(
            col(Variant.account_id) == account_id,
            col(Variant.live_at).is_(None),
            col(Adaptation.candidate_until).is_not(None),
            col(Adaptation.status) == AdaptationStatus.FAILED,
        )
        .order_by(col(Adaptation.candidate_until).desc())
        .offset(MAX_CANDIDATES)
    )
    old = (await session.scalars(query)).all()
    if old:
        await session.execute(
            delete(Variant).where(col(Variant.account_id) == account_id, col(Variant.id).in_(old))
        )
