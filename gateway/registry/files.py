"""Create, list, read and delete an account's files: for training, retrieval, evaluations, batches.

Limits the number and the total size of an account's files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlmodel import col, select

from gateway.call.errors import BadRequest, ParameterInvalid
from gateway.tables import TrainingFile
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of
from infra.errors import AppError

PREFIX = "file"
FINE_TUNE_PURPOSE = "fine-tune"
EVALS_PURPOSE = "evals"
BATCH_PURPOSE = "batch"
# Of files that the gateway writes: the results of batches.
BATCH_OUTPUT_PURPOSE = "batch_output"
RETRIEVAL_PURPOSES = frozenset({"assistants", "user_data"})
# Purposes of uploads, and of all files.
PURPOSES = (FINE_TUNE_PURPOSE, EVALS_PURPOSE, BATCH_PURPOSE, *sorted(RETRIEVAL_PURPOSES))
_LISTED_PURPOSES = (*PURPOSES, BATCH_OUTPUT_PURPOSE)
MAX_FILE_BYTES = 32 << 20
MAX_FILES = 2_000
MAX_TOTAL_BYTES = 512 << 20
_MAX_NAME_LENGTH = 200


class FileNotFound(AppError):
    """The account has no such file."""

    status = 404
    type = "invalid_request_error"
    code = "file_not_found"


class TooManyFiles(BadRequest):
    """The account has reached the limit on the number or the total size of its files."""

    code = "too_many_files"


@dataclass(frozen=True, slots=True)
class ErasedFile:
    """A deleted file: its content's SHA-256 in hexadecimal and size in bytes."""

    id: UUID
    filename: str
    sha256: str
    size: int


async def create_file(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    filename: str,
    content: bytes,
    purpose: str = FINE_TUNE_PURPOSE,
) -> TrainingFile:
    """Store a file. Raises ParameterInvalid if it is empty, TooManyFiles."""
    if not content.strip():
        raise ParameterInvalid("The file is empty.", param="file")
    await _check_storage_limits(session, account_id, len(content))
    row = TrainingFile(
        id=ids.new_id(),
        account_id=account_id,
        # PostgreSQL text cannot hold NUL; the sender's directories are dropped for privacy.
        filename=filename.replace("\x00", "")
        .replace("\\", "/")
        .rpartition("/")[2][:_MAX_NAME_LENGTH]
        or "file.jsonl",
        purpose=purpose,
        size=len(content),
        content=content,
        created_at=clock.now(),
    )
    session.add(row)
    await session.flush()
    return row


async def list_files(
    session: AsyncSession,
    account_id: UUID,
    limit: int,
    after: UUID | None,
    purpose: str | None = None,
) -> Sequence[TrainingFile]:
    """Return files without their content, the newest first; none for an unknown purpose."""
    if purpose is not None and purpose not in _LISTED_PURPOSES:
        return []  # an unknown purpose may hold characters that PostgreSQL text cannot hold
    query = select(TrainingFile).where(col(TrainingFile.account_id) == account_id)
    if purpose is not None:
        query = query.where(col(TrainingFile.purpose) == purpose)
    page = page_of(query.options(_WITHOUT_CONTENT), col(TrainingFile.id), limit, after)
    return (await session.scalars(page)).all()


async def find_file(session: AsyncSession, account_id: UUID, file_id: str) -> TrainingFile:
    """Return a file without its content. Raises FileNotFound."""
    query = select(TrainingFile).where(
        col(TrainingFile.id) == parse_file_id(file_id), col(TrainingFile.account_id) == account_id
    )
    row = (await session.scalars(query.options(_WITHOUT_CONTENT))).one_or_none()
    if row is None:
        raise _not_found(file_id)
    return row


async def read_content(session: AsyncSession, account_id: UUID, file_id: UUID) -> bytes:
    """Return the bytes of a file. Raises FileNotFound."""
    query = select(col(TrainingFile.content)).where(
        col(TrainingFile.id) == file_id, col(TrainingFile.account_id) == account_id
    )
    content = (await session.scalars(query)).one_or_none()
    if content is None:
        raise _not_found(ids.format_id(PREFIX, file_id))
    return content


async def delete_file(session: AsyncSession, account_id: UUID, file_id: str) -> None:
    """Delete a file, also from vector stores. Variants that were trained on it stay.

    Raises FileNotFound.
    """
    statement = delete(TrainingFile).where(
        col(TrainingFile.id) == parse_file_id(file_id), col(TrainingFile.account_id) == account_id
    )
    deleted = await session.execute(statement.returning(col(TrainingFile.id)))
    if deleted.one_or_none() is None:
        raise _not_found(file_id)


async def erase_training_files(
    session: AsyncSession, account_id: UUID, file_ids: Sequence[UUID]
) -> Sequence[ErasedFile]:
    """Delete the files for fine-tuning among `file_ids`; files of other purposes stay."""
    statement = (
        delete(TrainingFile)
        .where(
            col(TrainingFile.account_id) == account_id,
            col(TrainingFile.id).in_(file_ids),
            col(TrainingFile.purpose) == FINE_TUNE_PURPOSE,
        )
        .returning(
            col(TrainingFile.id),
            col(TrainingFile.filename),
            func.encode(func.sha256(col(TrainingFile.content)), "hex"),
            col(TrainingFile.size),
        )
    )
    return [ErasedFile(*row) for row in (await session.execute(statement)).all()]


def parse_file_id(text: str) -> UUID:
    """Parse a file id `file_…`. Raises FileNotFound if it is not a file id."""
    file_id = ids.parse_id(PREFIX, text)
    if file_id is None:
        raise _not_found(text)
    return file_id


def file_json(row: TrainingFile) -> dict[str, Any]:
    """Return a file as OpenAI's file object."""
    return {
        "id": ids.format_id(PREFIX, row.id),
        "object": "file",
        "bytes": row.size,
        "created_at": _unix_seconds(row.created_at),
        "filename": row.filename,
        "purpose": row.purpose,
        "status": "processed",
    }


async def _check_storage_limits(session: AsyncSession, account_id: UUID, size: int) -> None:
    """Raise TooManyFiles if a file of `size` bytes would exceed the account's limits."""
    query = select(func.count(), func.coalesce(func.sum(col(TrainingFile.size)), 0)).where(
        col(TrainingFile.account_id) == account_id
    )
    count, total_bytes = (await session.execute(query)).one()
    if count >= MAX_FILES or total_bytes + size > MAX_TOTAL_BYTES:
        raise TooManyFiles(
            f"An account can store at most {MAX_FILES} files and {MAX_TOTAL_BYTES >> 20} "
            "MiB in total. Delete files first."
        )


_WITHOUT_CONTENT = defer(TrainingFile.content, raiseload=True)  # type: ignore[arg-type]


def _unix_seconds(moment: datetime) -> int:
    """Return the Unix time in whole seconds, rounded down."""
    return int(moment.timestamp())


def _not_found(file_id: str) -> FileNotFound:
    """Return the error for a file that the account does not have."""
    return FileNotFound(f"The file {file_id[:60]!r} does not exist.", param="file")
