"""Batches as rows: find, list, cancel, claim by one gateway process, release.

gateway/batches/creation.py creates them, gateway/batches/finalizing.py ends them.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.process_reaper import ENDED_PROCESSES
from billing.tables import ApiKey
from gateway.batches.errors import BatchAlreadyEnded, BatchNotFound
from gateway.batches.input_file import FileProblem
from gateway.batches.notices import emit_batch_ended
from gateway.tables import Batch, BatchLine, BatchStatus
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of
from infra.work_queue import OwnedQueue, RetryPolicy, release_claim

BATCH_ID_PREFIX = "batch"
# The check of a file takes seconds; a batch that is checked for longer has lost its process.
_MAX_VALIDATION = timedelta(minutes=15)
_RUNNABLE = (BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.CANCELLING)
# Batches of all accounts. A claim lasts until the batch is released or its process has ended. A
# batch is tried until it expires, so attempts have no maximum.
QUEUE = OwnedQueue(
    table=Batch,
    id=col(Batch.id),
    attempts=col(Batch.attempts),
    pending=col(Batch.status).in_(_RUNNABLE),
    order=(col(Batch.id),),
    retry=RetryPolicy(timedelta(seconds=2), timedelta(seconds=60)),
    owner=col(Batch.process_id),
    lost_owners=ENDED_PROCESSES,
    retry_at=col(Batch.retry_at),
)


async def find_batch(
    session: AsyncSession, account_id: UUID, batch_id: str, project_id: UUID | None = None
) -> Batch:
    """Return one of the account's batches, of any project unless one is given.

    Raises BatchNotFound.
    """
    query = select(Batch).where(
        col(Batch.id) == ids.parse_id(BATCH_ID_PREFIX, batch_id),
        col(Batch.account_id) == account_id,
        _is_of_project(account_id, project_id),
    )
    batch = (await session.scalars(query)).one_or_none()
    if batch is None:
        raise BatchNotFound(f"The batch {batch_id[:60]!r} does not exist.", param="batch_id")
    return batch


async def list_batches(
    session: AsyncSession,
    account_id: UUID,
    limit: int,
    after: UUID | None,
    project_id: UUID | None = None,
) -> Sequence[Batch]:
    """Return a page of the account's batches, of any project unless one is given, newest first."""
    query = select(Batch).where(
        col(Batch.account_id) == account_id, _is_of_project(account_id, project_id)
    )
    return (await session.scalars(page_of(query, col(Batch.id), limit, after))).all()


async def cancel_batch(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    batch_id: str,
    project_id: UUID | None = None,
) -> Batch:
    """Start to cancel a batch: lines that were sent are finished and billed, no other is sent.

    A batch that is being cancelled stays as it is. Raises BatchNotFound, BatchAlreadyEnded.
    """
    batch = await find_batch(session, account_id, batch_id, project_id)
    await session.refresh(batch, with_for_update=True)
    if batch.status == BatchStatus.CANCELLING:
        return batch
    if batch.status != BatchStatus.IN_PROGRESS:
        raise BatchAlreadyEnded(f"The batch cannot be cancelled: it is `{batch.status}`.")
    batch.status, batch.cancelling_at = BatchStatus.CANCELLING, clock.now()
    batch.retry_at = None
    await session.flush()
    return batch


async def claim_next(session: AsyncSession, clock: Clock, process_id: UUID) -> Batch | None:
    """Claim the oldest due batch of a random account. Returns None if no batch is due."""
    await _fail_abandoned(session, clock)
    return await QUEUE.claim_fairly(session, clock.now(), process_id, col(Batch.account_id))


async def lock_claimed(session: AsyncSession, batch: Batch, process_id: UUID) -> Batch | None:
    """Lock and return the batch's row; None if it has ended or this process no longer holds it."""
    of_account: ColumnElement[bool] = col(Batch.account_id) == batch.account_id
    return await QUEUE.lock_claimed(session, batch.id, process_id, of_account)


def release(clock: Clock, row: Batch, made_progress: bool, delay_s: float = 0.0) -> None:
    """Release the claim on a batch: due after `delay_s`, without progress after the back-off."""
    release_claim(row, QUEUE.retry, clock.now(), made_progress, delay_s)


def _is_of_project(account_id: UUID, project_id: UUID | None) -> ColumnElement[bool]:
    """Whether the key that pays a batch is in a project; true for all batches if it is None."""
    if project_id is None:
        return true()
    keys = select(col(ApiKey.id)).where(
        col(ApiKey.account_id) == account_id, col(ApiKey.project_id) == project_id
    )
    return col(Batch.key_id).in_(keys)


async def _fail_abandoned(session: AsyncSession, clock: Clock) -> None:
    """End the batches whose process was lost while it checked the file: they hold no money.

    Of any account_id: whichever process asks for work cleans up. Their lines were never sent.
    """
    query = select(Batch).where(
        col(Batch.status) == BatchStatus.VALIDATING,
        col(Batch.created_at) < clock.now() - _MAX_VALIDATION,
    )
    for batch in await session.scalars(query.with_for_update(skip_locked=True)):
        batch.status, batch.finished_at, batch.total = BatchStatus.FAILED, clock.now(), 0
        message = "The check of the file was interrupted. Create the batch again."
        batch.errors = [FileProblem("internal_error", message).as_json()]
        await delete_lines(session, batch)
        await emit_batch_ended(session, clock, batch, ids.format_id(BATCH_ID_PREFIX, batch.id))


async def delete_lines(session: AsyncSession, batch: Batch) -> None:
    """Delete the lines of a batch."""
    await session.execute(
        delete(BatchLine).where(
            col(BatchLine.batch_id) == batch.id, col(BatchLine.account_id) == batch.account_id
        )
    )
