"""Settle the call of a job's newest attempt for good, before a further one is billed."""

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.process_reaper import settle_replaced_call
from billing.tables import Settlement, Usage
from gateway.fine_tuning import jobs
from gateway.registry.variants import has_version_of_job
from gateway.tables import Adaptation
from infra.clock import Clock


async def is_attempt_billed(session: AsyncSession, clock: Clock, job: Adaptation) -> bool:
    """Whether the job's newest call stored its weights and was billed; if not, it never will be.

    A call whose version is stored may have its usage row in the queue of a process that lost the
    job, or in a commit whose result was lost. Raises FineTuningJobLost.
    """
    row = await jobs.lock_job(session, job)
    if row.score is not None:
        await settle_replaced_call(
            session, row.account_id, row.request_id, clock.now(), jobs.FineTuningJobLost.code
        )
    query = select(Usage.request_id).where(
        col(Usage.request_id) == row.request_id,
        col(Usage.account_id) == row.account_id,
        col(Usage.settlement) == Settlement.COMPLETE,
    )
    is_paid = (await session.scalars(query)).first() is not None
    return is_paid and await has_version_of_job(session, row)
