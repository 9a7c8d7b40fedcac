"""Add files to vector stores, list, update and remove them, singly and in batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.call.errors import BadRequest, ParameterInvalid
from gateway.registry.files import RETRIEVAL_PURPOSES, find_file, parse_file_id
from gateway.retrieval.extractors import require_supported
from gateway.retrieval.vector_stores import lock_account
from gateway.tables import FileStatus, TrainingFile, VectorStore, VectorStoreFile
from gateway.wire.vector_stores import (
    ChunkingStrategy,
    CreateFileBatchRequest,
    CreateVectorStoreFileRequest,
)
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of
from infra.errors import AppError
from models.catalog import Model

BATCH_PREFIX = "vsfb"
MAX_FILES = 5_000
# Defaults. Reserved: the model's passage prefix and two special tokens.
CHUNK_TOKENS, OVERLAP_TOKENS = 320, 64
_RESERVED_TOKENS = 12


class VectorStoreFileNotFound(AppError):
    """The vector store contains no such file, or the batch does not exist."""

    status = 404
    type = "invalid_request_error"
    code = "vector_store_file_not_found"


class TooManyStoreFiles(BadRequest):
    """The account has the maximum number of files in its vector stores."""

    code = "too_many_vector_store_files"


@dataclass(frozen=True, slots=True)
class Requester:
    """The account and API key that add a file, and the usage tags of its ingestion."""

    account_id: UUID
    key_id: UUID
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ChunkingOptions:
    """Chunk size and overlap in tokens, and whether the customer chose them."""

    size: int = CHUNK_TOKENS
    overlap: int = OVERLAP_TOKENS
    chosen: bool = False


def resolve_chunking(requested: ChunkingStrategy | None, model: Model) -> ChunkingOptions:
    """Return the requested chunking options, or the defaults.

    Raises ParameterInvalid if they exceed what the embedding model reads.
    """
    max_tokens = (model.context_length or 0) - _RESERVED_TOKENS
    if requested is None or requested.type == "auto":
        return ChunkingOptions(min(CHUNK_TOKENS, max_tokens), min(OVERLAP_TOKENS, max_tokens // 4))
    if requested.static is None:
        raise ParameterInvalid(
            "`chunking_strategy.static` is missing.", param="chunking_strategy.static"
        )
    size, overlap = requested.static.max_chunk_size_tokens, requested.static.chunk_overlap_tokens
    if size > max_tokens:
        raise ParameterInvalid(
            f"`max_chunk_size_tokens` must be 100 to {max_tokens}, the maximum of the "
            "embedding model.",
            param="chunking_strategy.static.max_chunk_size_tokens",
        )
    if overlap > size // 2:
        raise ParameterInvalid(
            "`chunk_overlap_tokens` must be at most half of `max_chunk_size_tokens`.",
            param="chunking_strategy.static.chunk_overlap_tokens",
        )
    return ChunkingOptions(size, overlap, chosen=True)


async def attach_files(
    session: AsyncSession,
    clock: Clock,
    requester: Requester,
    store: VectorStore,
    model: Model,
    new_files: Sequence[CreateVectorStoreFileRequest],
    batch_id: UUID | None = None,
) -> list[VectorStoreFile]:
    """Add files to a vector store and return their rows, which are ingested in the background.

    A file already in the store with the same chunking is not ingested again. Raises FileNotFound,
    FileUnsupported, ParameterInvalid, TooManyStoreFiles.
    """
    await lock_account(session, requester.account_id)
    await _require_room(session, requester.account_id, len(new_files))
    rows: dict[UUID, VectorStoreFile] = {}
    for new_file in new_files:
        file = await find_file(session, requester.account_id, new_file.file_id)
        _require_usable(file)
        chunking = resolve_chunking(new_file.chunking_strategy, model)
        existing = await _find_row(session, store, file.id)
        if existing is not None and not _is_unchanged(existing, chunking):
            await _delete_row(session, existing)
            existing = None
        row = existing or _new_row(clock, requester, store, file.id, chunking)
        row.batch_id = batch_id or row.batch_id
        row.attributes = _clean_attributes(new_file.attributes)
        session.add(row)
        await session.flush()
        rows[file.id] = row
    return list(rows.values())


def batch_files(batch: CreateFileBatchRequest) -> list[CreateVectorStoreFileRequest]:
    """Return the files of a batch, given as `file_ids` or as `files`. Raises ParameterInvalid."""
    if bool(batch.file_ids) == bool(batch.files):
        raise ParameterInvalid("Send either `file_ids` or `files`.", param="file_ids")
    return batch.files or [
        CreateVectorStoreFileRequest(file_id, batch.attributes, batch.chunking_strategy)
        for file_id in batch.file_ids
    ]


async def find_store_file(
    session: AsyncSession, store: VectorStore, file_id: str
) -> VectorStoreFile:
    """Return a file of the store. Raises VectorStoreFileNotFound, FileNotFound."""
    row = await _find_row(session, store, parse_file_id(file_id))
    if row is None:
        raise VectorStoreFileNotFound(
            f"The vector store does not contain the file {file_id[:60]!r}.", param="file_id"
        )
    return row


async def list_files(
    session: AsyncSession,
    store: VectorStore,
    limit: int,
    ascending: bool,
    cursor: UUID | None,
    status: str | None = None,
    batch_id: UUID | None = None,
) -> Sequence[VectorStoreFile]:
    """Return a page of the store's files after the cursor, newest first unless `ascending`."""
    query = select(VectorStoreFile).where(
        col(VectorStoreFile.account_id) == store.account_id,
        col(VectorStoreFile.vector_store_id) == store.id,
    )
    if status is not None:
        query = query.where(col(VectorStoreFile.status) == status)
    if batch_id is not None:
        query = query.where(col(VectorStoreFile.batch_id) == batch_id)
    page = page_of(query, col(VectorStoreFile.id), limit, cursor, ascending)
    return (await session.scalars(page)).all()


async def update_attributes(
    session: AsyncSession, store: VectorStore, file_id: str, attributes: Mapping[str, Any] | None
) -> VectorStoreFile:
    """Replace the attributes of a file in the store. Raises VectorStoreFileNotFound."""
    row = await find_store_file(session, store, file_id)
    row.attributes = _clean_attributes(attributes)
    await session.flush()
    return row


async def detach_file(session: AsyncSession, store: VectorStore, file_id: str) -> None:
    """Remove a file from the store; the uploaded file is kept. Raises VectorStoreFileNotFound."""
    await _delete_row(session, await find_store_file(session, store, file_id))


async def cancel_batch(session: AsyncSession, store: VectorStore, batch_id: UUID) -> None:
    """Mark the batch's unfinished files as cancelled.

    A running ingestion stops when it next locks the file's row.
    """
    await session.execute(
        update(VectorStoreFile)
        .where(
            col(VectorStoreFile.account_id) == store.account_id,
            col(VectorStoreFile.vector_store_id) == store.id,
            col(VectorStoreFile.batch_id) == batch_id,
            col(VectorStoreFile.status) == FileStatus.IN_PROGRESS,
        )
        .values(status=FileStatus.CANCELLED)
    )


async def count_files(
    session: AsyncSession, account_id: UUID, store_ids: Sequence[UUID], batch_id: UUID | None = None
) -> dict[UUID, dict[str, tuple[int, int]]]:
    """Count files and their bytes by store id and status; with `batch_id`, only the batch's."""
    query = (
        select(
            col(VectorStoreFile.vector_store_id),
            col(VectorStoreFile.status),
            func.count(),
            func.sum(col(VectorStoreFile.usage_bytes)),
        )
        .where(
            col(VectorStoreFile.account_id) == account_id,
            col(VectorStoreFile.vector_store_id).in_(store_ids),
        )
        .group_by(col(VectorStoreFile.vector_store_id), col(VectorStoreFile.status))
    )
    if batch_id is not None:
        query = query.where(col(VectorStoreFile.batch_id) == batch_id)
    counts: dict[UUID, dict[str, tuple[int, int]]] = {}
    for store_id, status, count, size in (await session.execute(query)).all():
        counts.setdefault(store_id, {})[status] = (count, int(size))
    return counts


def parse_batch_id(batch_id: str) -> UUID:
    """Return the id of a batch. Raises VectorStoreFileNotFound."""
    parsed = ids.parse_id(BATCH_PREFIX, batch_id)
    if parsed is None:
        raise batch_not_found(batch_id)
    return parsed


def batch_not_found(batch_id: str) -> VectorStoreFileNotFound:
    """Return the error for a batch that does not exist."""
    return VectorStoreFileNotFound(f"The batch {batch_id[:60]!r} does not exist.", param="batch_id")


async def _find_row(
    session: AsyncSession, store: VectorStore, file_id: UUID
) -> VectorStoreFile | None:
    """Return the file's row in the store, None if it was not added."""
    query = select(VectorStoreFile).where(
        col(VectorStoreFile.account_id) == store.account_id,
        col(VectorStoreFile.vector_store_id) == store.id,
        col(VectorStoreFile.file_id) == file_id,
    )
    return (await session.scalars(query)).one_or_none()


def _is_unchanged(row: VectorStoreFile, chunking: ChunkingOptions) -> bool:
    """Return whether the file is (being) ingested with the same chunking options."""
    is_active = row.status in (FileStatus.IN_PROGRESS, FileStatus.COMPLETED)
    return is_active and (row.piece_tokens, row.overlap_tokens) == (chunking.size, chunking.overlap)


def _new_row(
    clock: Clock, requester: Requester, store: VectorStore, file_id: UUID, chunking: ChunkingOptions
) -> VectorStoreFile:
    """Return the new row of a file that waits for ingestion; it is not yet in the session."""
    return VectorStoreFile(
        id=ids.new_id(),
        account_id=requester.account_id,
        key_id=requester.key_id,
        vector_store_id=store.id,
        file_id=file_id,
        attributes={},
        piece_tokens=chunking.size,
        overlap_tokens=chunking.overlap,
        chosen=chunking.chosen,
        status=FileStatus.IN_PROGRESS,
        tags=None if requester.tags is None else dict(requester.tags),
        created_at=clock.now(),
    )


async def _delete_row(session: AsyncSession, row: VectorStoreFile) -> None:
    """Delete a file's row in a vector store, and remove the row from the session."""
    statement = delete(VectorStoreFile).where(
        col(VectorStoreFile.id) == row.id, col(VectorStoreFile.account_id) == row.account_id
    )
    await session.execute(statement.execution_options(synchronize_session=False))
    session.expunge(row)


async def _require_room(session: AsyncSession, account_id: UUID, count: int) -> None:
    """Raise TooManyStoreFiles if `count` more files exceed the account's limit."""
    query = select(func.count()).where(col(VectorStoreFile.account_id) == account_id)
    if (await session.execute(query)).scalar_one() + count > MAX_FILES:
        raise TooManyStoreFiles(
            f"An account can have at most {MAX_FILES} files in its vector stores. Remove "
            "files first."
        )


def _require_usable(file: TrainingFile) -> None:
    """Raise an error unless the file's purpose and type allow it in a vector store."""
    if file.purpose not in RETRIEVAL_PURPOSES:
        purposes = " or ".join(sorted(RETRIEVAL_PURPOSES))
        raise ParameterInvalid(
            f"Files for vector stores need the purpose {purposes}; this file has "
            f"{file.purpose}. Upload it again.",
            param="file_id",
        )
    require_supported(file.filename)


def _clean_attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the attributes without NUL characters, which PostgreSQL does not store."""

    def clean(value: Any) -> Any:
        return value.replace("\x00", "") if isinstance(value, str) else value

    return {clean(name): clean(value) for name, value in (attributes or {}).items()}
