"""Create the job of an offer that a customer accepted, through the API or on a page."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.fine_tuning import jobs
from gateway.fine_tuning.observed_rows import OBSERVED_UNTIL
from gateway.fine_tuning.offers import JobOffer
from gateway.registry.files import find_file
from gateway.tables import Adaptation
from gateway.wire.fine_tuning import (
    SCHEMA,
    SENSITIVITY,
    JobRequest,
    max_duration_s,
    sensitivity_of,
)
from infra.clock import Clock


async def create_offered_job(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    key_id: UUID,
    job_request: JobRequest,
    offer: JobOffer,
    tags: Mapping[str, str] | None = None,
) -> Adaptation:
    """Create the queued job of an offer; the key pays. Raises FileNotFound, TooManyFineTuningJobs.

    The runner of fine-tuning jobs has to be woken after the transaction.
    """
    file = await find_file(session, account_id, job_request.training_file)
    settings = {
        "metadata": job_request.metadata,
        "seed": job_request.seed,
        "scrub": job_request.scrub or None,
        SENSITIVITY: sensitivity_of(job_request),
        SCHEMA: job_request.schema,
        OBSERVED_UNTIL: clock.now().isoformat() if job_request.with_observations else None,
        "seconds": offer.seconds if offer.seconds < max_duration_s(offer.model) else None,
    }
    new = jobs.NewFineTuningJob(
        account_id=account_id,
        key_id=key_id,
        model=job_request.model,
        name=job_request.suffix,
        training_file_id=file.id,
        tags=tags,
        settings={key: value for key, value in settings.items() if value is not None},
        shared=job_request.share_for_improvement,
        notes=offer.file_check.notes,
        warnings=offer.file_check.warnings,
    )
    return await jobs.create_job(session, clock, new)
