"""Claim, retry and finish the ingestion of vector store files, as database rows.

One gateway process works on a file at a time. A file that was deleted or cancelled meanwhile can no
longer be locked.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.process_reaper import ENDED_PROCESSES
from gateway.tables import FileStatus, TrainingFile, VectorStore, VectorStoreFile
from infra.clock import Clock
from infra.errors import AppError
from infra.work_queue import OwnedQueue, RetryPolicy

# Files of all accounts. A claim lasts until the file is released or the gateway process has ended.
QUEUE = OwnedQueue(
    table=VectorStoreFile,
    id=col(VectorStoreFile.id),
    attempts=col(VectorStoreFile.attempts),
    pending=col(VectorStoreFile.status) == FileStatus.IN_PROGRESS,
    order=(col(VectorStoreFile.id),),
    # Attempts without progress: 2 + 4 + … + 300 + 300 … seconds, about twenty minutes in all.
    retry=RetryPolicy(timedelta(seconds=2), timedelta(seconds=300), max_attempts=12),
    owner=col(VectorStoreFile.process_id),
    lost_owners=ENDED_PROCESSES,
    retry_at=col(VectorStoreFile.retry_at),
)


class IngestionCancelled(AppError):
    """The file was removed from its store, or its batch was cancelled, during ingestion."""

    status = 499
    code = "cancelled"


class IngestionInterrupted(AppError):
    """The gateway processes that worked on the file were lost repeatedly."""

    code = "interrupted"


@dataclass(frozen=True, slots=True)
class IngestionJob:
    """A file that this process has claimed, and its vector store."""

    file: VectorStoreFile
    store: VectorStore


async def claim_next(session: AsyncSession, clock: Clock, process_id: UUID) -> IngestionJob | None:
    """Claim the oldest due file of a random account. Returns None if no file is due.

    Choosing the account at random keeps an account with a thousand files from delaying others. A
    caller holds no file when it asks; a row with its own process id is one that it failed to
    finish.
    """
    now = clock.now()
    accounts = (
        select(col(VectorStoreFile.account_id))
        .where(QUEUE.claimable_condition(now, process_id))
        .group_by(col(VectorStoreFile.account_id))
    )
    account_id = (await session.scalars(accounts.order_by(func.random()).limit(1))).one_or_none()
    if account_id is None:
        return None
    of_account = col(VectorStoreFile.account_id) == account_id
    file = await QUEUE.claim(session, now, process_id, of_account)
    if file is None:
        return None
    store = select(VectorStore).where(
        col(VectorStore.id) == file.vector_store_id, col(VectorStore.account_id) == account_id
    )
    return IngestionJob(file, (await session.scalars(store)).one())


async def lock_claimed_file(
    session: AsyncSession, job: IngestionJob, process_id: UUID
) -> VectorStoreFile:
    """Return the claimed file's row, locked for update.

    Raises IngestionCancelled if this process no longer holds it.
    """
    of_account = col(VectorStoreFile.account_id) == job.file.account_id
    row = await QUEUE.lock_claimed(session, job.file.id, process_id, of_account)
    if row is None:
        raise IngestionCancelled("The file was removed or cancelled.")
    return row


def release(clock: Clock, row: VectorStoreFile, made_progress: bool) -> None:
    """Release the claim on a file: due at once if `made_progress`, else after a delay.

    After progress it is due at once; otherwise after a delay that doubles with each attempt.
    """
    row.process_id = None
    if made_progress:
        row.attempts, row.retry_at = 0, None
    else:
        row.retry_at = clock.now() + QUEUE.retry.delay(row.attempts)


def mark_completed(row: VectorStoreFile) -> None:
    """Mark the file as completed, which makes it searchable."""
    row.status, row.process_id, row.last_error = FileStatus.COMPLETED, None, None


def mark_failed(row: VectorStoreFile, error: AppError) -> None:
    """Mark the file as failed with the error's code and message."""
    code = error.code if error.status < 500 else "server_error"
    row.status, row.process_id = FileStatus.FAILED, None
    row.last_error = {"code": code or "server_error", "message": error.message}


async def delete_expired_files(session: AsyncSession, clock: Clock) -> None:
    """Remove the files of all expired vector stores. Operates on all accounts."""
    days = func.make_interval(0, 0, 0, col(VectorStore.expires_after_days))
    expired = select(col(VectorStore.id)).where(
        col(VectorStore.expires_after_days).is_not(None),
        col(VectorStore.last_active_at) + days <= clock.now(),
    )
    await session.execute(
        delete(VectorStoreFile).where(col(VectorStoreFile.vector_store_id).in_(expired))
    )


async def get_filename(session: AsyncSession, row: VectorStoreFile) -> str:
    """Return the name of the uploaded file. Raises IngestionCancelled if it was deleted."""
    query = select(col(TrainingFile.filename)).where(
        col(TrainingFile.id) == row.file_id, col(TrainingFile.account_id) == row.account_id
    )
    name = (await session.scalars(query)).one_or_none()
    if name is None:
        raise IngestionCancelled("The file was deleted.")
    return name
