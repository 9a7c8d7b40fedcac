"""The work on files in stores as rows: claimed by one gateway process, done once.

A file that was deleted or cancelled meanwhile is not there to be worked on.
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

# Of a file that does not come on: 2 + 4 + … + 300 + 300 … seconds are some twenty minutes.
MOST_ATTEMPTS = 12
_LONGEST_WAIT_S = 300


class Abandoned(AppError):
    """The file was taken out of its store, or its batch was cancelled, while it was worked on."""

    status = 499
    code = "cancelled"


class Interrupted(AppError):
    """The gateway processes that worked on the file were lost, several times."""

    code = "interrupted"


@dataclass(frozen=True, slots=True)
class Job:
    """A file that is this process's to work on, and the store that it is for."""

    file: VectorStoreFile
    store: VectorStore


async def claim(session: AsyncSession, clock: Clock, process_id: UUID) -> Job | None:
    """The oldest file of any account that has one to do; None where there is none.

    Accounts are taken by chance, so that one with a thousand files keeps none waiting. Whoever
    asks works on none, so one of its own is one that it could not end.
    """
    due = (
        (col(VectorStoreFile.status) == FileStatus.IN_PROGRESS)
        & or_(col(VectorStoreFile.retry_at).is_(None), col(VectorStoreFile.retry_at) <= clock.now())
        & (
            col(VectorStoreFile.process_id).is_(None)
            | (col(VectorStoreFile.process_id) == process_id)
            | col(VectorStoreFile.process_id).in_(_LOST)
        )
    )
    accounts = (
        select(col(VectorStoreFile.account_id)).where(due).group_by(col(VectorStoreFile.account_id))
    )
    account_id = (await session.scalars(accounts.order_by(func.random()).limit(1))).one_or_none()
    if account_id is None:
        return None
    oldest = (
        select(VectorStoreFile, VectorStore)
        .join(VectorStore, col(VectorStore.id) == col(VectorStoreFile.vector_store_id))
        .where(due, col(VectorStoreFile.account_id) == account_id)
        .order_by(col(VectorStoreFile.id))
        .limit(1)
        .with_for_update(skip_locked=True, of=VectorStoreFile)
    )
    found = (await session.execute(oldest)).one_or_none()
    if found is None:
        return None
    file, store = found
    file.process_id, file.attempts = process_id, file.attempts + 1
    await session.flush()
    return Job(file, store)


async def require_mine(session: AsyncSession, job: Job, process_id: UUID) -> VectorStoreFile:
    """The row, locked. Raises Abandoned."""
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
        raise Abandoned("The file is not to be worked on any more.")
    return row


def let_go(clock: Clock, row: VectorStoreFile, came_on: bool) -> None:
    """Whoever comes next goes on: at once where it came on, else later each time."""
    row.process_id = None
    if came_on:
        row.attempts, row.retry_at = 0, None
    else:
        wait = min(_LONGEST_WAIT_S, 2**row.attempts)
        row.retry_at = clock.now() + timedelta(seconds=wait)


def complete(row: VectorStoreFile) -> None:
    """It can be found."""
    row.status, row.process_id, row.last_error = FileStatus.COMPLETED, None, None


def fail(row: VectorStoreFile, error: AppError) -> None:
    """It cannot be worked on, and says why."""
    code = error.code if error.status < 500 else "server_error"
    row.status, row.process_id = FileStatus.FAILED, None
    row.last_error = {"code": code or "server_error", "message": error.message}


async def tidy(session: AsyncSession, clock: Clock) -> None:
    """What is in stores that have expired goes, of whichever account."""
    days = func.make_interval(0, 0, 0, col(VectorStore.expires_after_days))
    expired = select(col(VectorStore.id)).where(
        col(VectorStore.expires_after_days).is_not(None),
        col(VectorStore.last_active_at) + days <= clock.now(),
    )
    await session.execute(
        delete(VectorStoreFile).where(col(VectorStoreFile.vector_store_id).in_(expired))
    )


async def filename_of(session: AsyncSession, row: VectorStoreFile) -> str:
    """What the file is called. Raises Abandoned where it was deleted."""
    query = select(col(TrainingFile.filename)).where(
        col(TrainingFile.id) == row.file_id, col(TrainingFile.account_id) == row.account_id
    )
    name = (await session.scalars(query)).one_or_none()
    if name is None:
        raise Abandoned("The file was deleted.")
    return name


_LOST = text("(select id from gateway_process where ended_at is not null)")
