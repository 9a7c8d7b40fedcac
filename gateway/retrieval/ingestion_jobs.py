"""Claim, retry and finish the ingestion of vector store files, as database rows.

One gateway process works on a file at a time. A file that was deleted or cancelled meanwhile can no
longer be locked.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables import FileStatus, TrainingFile, VectorStore, VectorStoreFile
from infra.clock import Clock
from infra.errors import AppError

# Attempts without progress: 2 + 4 + … + 300 + 300 … seconds, about twenty minutes in all.
MAX_ATTEMPTS = 12
_MAX_RETRY_DELAY_S = 300


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
    due = (
        (col(VectorStoreFile.status) == FileStatus.IN_PROGRESS)
        & or_(col(VectorStoreFile.retry_at).is_(None), col(VectorStoreFile.retry_at) <= clock.now())
        & (
            col(VectorStoreFile.process_id).is_(None)
            | (col(VectorStoreFile.process_id) == process_id)
            | col(VectorStoreFile.process_id).in_(_ENDED_PROCESSES)
        )
    )
    accounts = (
        select(col(VectorStoreFile.account_id)).where(due).group_by(col(VectorStoreFile.account_id))
    )
    account_id = (await session.scalars(accounts.order_by(func.random()).limit(1))).one_or_none()
    if account_id is None:
        return None
    oldest_due = (
        select(VectorStoreFile, VectorStore)
        .join(VectorStore, col(VectorStore.id) == col(VectorStoreFile.vector_store_id))
        .where(due, col(VectorStoreFile.account_id) == account_id)
        .order_by(col(VectorStoreFile.id))
        .limit(1)
        .with_for_update(skip_locked=True, of=VectorStoreFile)
    )
    row = (await session.execute(oldest_due)).one_or_none()
    if row is None:
        return None
    file, store = row
    file.process_id, file.attempts = process_id, file.attempts + 1
    await session.flush()
    return IngestionJob(file, store)


async def lock_claimed_file(
    session: AsyncSession, job: IngestionJob, process_id: UUID
) -> VectorStoreFile:
    """Return the claimed file's row, locked for update.

    Raises IngestionCancelled if this process no longer holds it.
    """
    query = (
        select(VectorStoreFile)
        .where(
            col(VectorStoreFile.id) == job.file.id,
            col(VectorStoreFile.account_id) == job.file.account_id,
            col(VectorStoreFile.status) == FileStatus.IN_PROGRESS,
            col(VectorStoreFile.process_id) == process_id,
        )
        .with_for_update()
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise IngestionCancelled("The file was removed or cancelled.")
    return row


def release(clock: Clock, row: VectorStoreFile, made_progress: bool) -> None:
    """Release the claim on a file.

    After progress it is due at once; otherwise after a delay that doubles with each attempt.
    """
    row.process_id = None
    if made_progress:
        row.attempts, row.retry_at = 0, None
    else:
        wait = min(_MAX_RETRY_DELAY_S, 2**row.attempts)
        row.retry_at = clock.now() + timedelta(seconds=wait)


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


_ENDED_PROCESSES = text("(select id from gateway_process where ended_at is not null)")
