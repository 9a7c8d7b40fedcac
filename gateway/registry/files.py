"""Customers' files as rows: what models learn from, and what questions are answered from.

Owns keeping, listing and deleting them, and how much an account may keep.
"""

from collections.abc import Sequence
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
from infra.errors import AppError

PREFIX = "file"
LEARNING = "fine-tune"
KNOWLEDGE = frozenset({"assistants", "user_data"})
PURPOSES = (LEARNING, *sorted(KNOWLEDGE))
MOST_BYTES = 32 << 20
MOST_FILES = 2_000
MOST_BYTES_KEPT = 512 << 20
_LONGEST_NAME = 200


class FileNotFound(AppError):
    """The account has no such file."""

    status = 404
    type = "invalid_request_error"
    code = "file_not_found"


class TooManyFiles(BadRequest):
    """The account keeps as many files as it may, or as large ones."""

    code = "too_many_files"


async def keep_file(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    filename: str,
    content: bytes,
    purpose: str = LEARNING,
) -> TrainingFile:
    """Keep a file. Raises ParameterInvalid, TooManyFiles."""
    if not content.strip():
        raise ParameterInvalid("The file is empty.", param="file")
    await _require_room(session, account_id, len(content))
    row = TrainingFile(
        id=ids.new_id(),
        account_id=account_id,
        # PostgreSQL's texts hold no NUL, and a path of the sender's is nobody's business.
        filename=filename.replace("\x00", "").replace("\\", "/").rpartition("/")[2][:_LONGEST_NAME]
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
    """Files without their content, the newest first; of a purpose that we do not know, none."""
    if purpose is not None and purpose not in PURPOSES:
        return []  # it may hold what PostgreSQL takes in no text
    query = select(TrainingFile).where(col(TrainingFile.account_id) == account_id)
    if after is not None:
        query = query.where(col(TrainingFile.id) < after)
    if purpose is not None:
        query = query.where(col(TrainingFile.purpose) == purpose)
    query = query.options(_WITHOUT_CONTENT).order_by(col(TrainingFile.id).desc()).limit(limit)
    return (await session.scalars(query)).all()


async def find_file(session: AsyncSession, account_id: UUID, file_id: str) -> TrainingFile:
    """One file without its content. Raises FileNotFound."""
    query = select(TrainingFile).where(
        col(TrainingFile.id) == parse_id(file_id), col(TrainingFile.account_id) == account_id
    )
    row = (await session.scalars(query.options(_WITHOUT_CONTENT))).one_or_none()
    if row is None:
        raise _not_found(file_id)
    return row


async def content_of(session: AsyncSession, account_id: UUID, file_id: UUID) -> bytes:
    """What the customer sent. Raises FileNotFound."""
    query = select(col(TrainingFile.content)).where(
        col(TrainingFile.id) == file_id, col(TrainingFile.account_id) == account_id
    )
    content = (await session.scalars(query)).one_or_none()
    if content is None:
        raise _not_found(ids.show(PREFIX, file_id))
    return content


async def delete_file(session: AsyncSession, account_id: UUID, file_id: str) -> None:
    """Erase it, in vector stores too; variants that learned from it stay. Raises FileNotFound."""
    statement = delete(TrainingFile).where(
        col(TrainingFile.id) == parse_id(file_id), col(TrainingFile.account_id) == account_id
    )
    gone = await session.execute(statement.returning(col(TrainingFile.id)))
    if gone.one_or_none() is None:
        raise _not_found(file_id)


def parse_id(text: str) -> UUID:
    """Raises FileNotFound for what is no file's id."""
    found = ids.parse(PREFIX, text)
    if found is None:
        raise _not_found(text)
    return found


def file_json(row: TrainingFile) -> dict[str, Any]:
    """OpenAI's file object."""
    return {
        "id": ids.show(PREFIX, row.id),
        "object": "file",
        "bytes": row.size,
        "created_at": _seconds(row.created_at),
        "filename": row.filename,
        "purpose": row.purpose,
        "status": "processed",
    }


async def _require_room(session: AsyncSession, account_id: UUID, size: int) -> None:
    query = select(func.count(), func.coalesce(func.sum(col(TrainingFile.size)), 0)).where(
        col(TrainingFile.account_id) == account_id
    )
    count, kept = (await session.execute(query)).one()
    if count >= MOST_FILES or kept + size > MOST_BYTES_KEPT:
        raise TooManyFiles(
            f"An account keeps at most {MOST_FILES} files of {MOST_BYTES_KEPT >> 20} MiB together. "
            "Delete some first."
        )


_WITHOUT_CONTENT = defer(TrainingFile.content, raiseload=True)  # type: ignore[arg-type]


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _not_found(file_id: str) -> FileNotFound:
    return FileNotFound(f"The file {file_id[:60]!r} does not exist.", param="file")
