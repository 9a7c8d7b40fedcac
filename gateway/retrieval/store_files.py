"""Files in vector stores as rows: put in, looked at, taken out, by batches too.

Owns which files may be put in, how they are cut unless the customer says it, and how many an
account may have in all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.call.errors import BadRequest, ParameterInvalid
from gateway.registry.files import KNOWLEDGE, find_file, parse_id
from gateway.retrieval.extractors import require_supported
from gateway.retrieval.vector_stores import lock_account
from gateway.tables import FileStatus, TrainingFile, VectorStore, VectorStoreFile
from gateway.wire.vector_stores import Chunking, NewBatch, NewFile
from infra import ids
from infra.clock import Clock
from infra.errors import AppError
from models.catalog import Model

BATCH_PREFIX = "vsfb"
MOST_FILES = 5_000
# What is cut without the customer's saying how; and what a prefix and two marks take of a piece.
PIECE_TOKENS, OVERLAP_TOKENS = 320, 64
_FRAME = 12


class VectorStoreFileNotFound(AppError):
    """The store holds no such file, or there was no such batch."""

    status = 404
    type = "invalid_request_error"
    code = "vector_store_file_not_found"


class TooManyStoreFiles(BadRequest):
    """The account has as many files in its stores as it may."""

    code = "too_many_vector_store_files"


@dataclass(frozen=True, slots=True)
class By:
    """Who puts a file into a store, and what for."""

    account_id: UUID
    key_id: UUID
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Cutting:
    """How a file is cut, and whether its owner chose that."""

    size: int = PIECE_TOKENS
    overlap: int = OVERLAP_TOKENS
    chosen: bool = False


def cutting_of(wanted: Chunking | None, model: Model) -> Cutting:
    """Raises ParameterInvalid where pieces would be longer than the model reads."""
    most = (model.context_length or 0) - _FRAME
    if wanted is None or wanted.type == "auto":
        return Cutting(min(PIECE_TOKENS, most), min(OVERLAP_TOKENS, most // 4))
    if wanted.static is None:
        raise ParameterInvalid(
            "`chunking_strategy.static` is missing.", param="chunking_strategy.static"
        )
    size, overlap = wanted.static.max_chunk_size_tokens, wanted.static.chunk_overlap_tokens
    if size > most:
        raise ParameterInvalid(
            f"`max_chunk_size_tokens` is 100 to {most}: the embedding model reads no more.",
            param="chunking_strategy.static.max_chunk_size_tokens",
        )
    if overlap > size // 2:
        raise ParameterInvalid(
            "`chunk_overlap_tokens` is at most half of `max_chunk_size_tokens`.",
            param="chunking_strategy.static.chunk_overlap_tokens",
        )
    return Cutting(size, overlap, chosen=True)


async def attach(
    session: AsyncSession,
    clock: Clock,
    by: By,
    store: VectorStore,
    model: Model,
    wanted: Sequence[NewFile],
    batch_id: UUID | None = None,
) -> list[VectorStoreFile]:
    """Put files in. One that is in it already, cut in the same way, is not worked on again.

    Raises FileNotFound, FileUnsupported, ParameterInvalid, TooManyStoreFiles.
    """
    await lock_account(session, by.account_id)
    await _require_room(session, by.account_id, len(wanted))
    put: dict[UUID, VectorStoreFile] = {}
    for one in wanted:
        file = await find_file(session, by.account_id, one.file_id)
        _require_usable(file)
        cutting = cutting_of(one.chunking_strategy, model)
        there = await _there(session, store, file.id)
        if there is not None and not _alike(there, cutting):
            await _remove(session, there)
            there = None
        row = there or _new(clock, by, store, file.id, cutting)
        row.batch_id = batch_id or row.batch_id
        row.attributes = _attributes(one.attributes)
        session.add(row)
        await session.flush()
        put[file.id] = row
    return list(put.values())


def files_of(wanted: NewBatch) -> list[NewFile]:
    """Each file of a batch. Raises ParameterInvalid."""
    if bool(wanted.file_ids) == bool(wanted.files):
        raise ParameterInvalid("Give `file_ids` or `files`, one of them.", param="file_ids")
    return wanted.files or [
        NewFile(file_id, wanted.attributes, wanted.chunking_strategy) for file_id in wanted.file_ids
    ]


async def find(session: AsyncSession, store: VectorStore, file_id: str) -> VectorStoreFile:
    """Raises VectorStoreFileNotFound, FileNotFound."""
    row = await _there(session, store, parse_id(file_id))
    if row is None:
        raise VectorStoreFileNotFound(
            f"The vector store holds no file {file_id[:60]!r}.", param="file_id"
        )
    return row


async def page(
    session: AsyncSession,
    store: VectorStore,
    limit: int,
    ascending: bool,
    mark: UUID | None,
    status: str | None = None,
    batch_id: UUID | None = None,
) -> Sequence[VectorStoreFile]:
    """The store's files in the order in which they came, from the mark on."""
    key = col(VectorStoreFile.id)
    query = select(VectorStoreFile).where(
        col(VectorStoreFile.account_id) == store.account_id,
        col(VectorStoreFile.vector_store_id) == store.id,
    )
    if mark is not None:
        query = query.where(key > mark if ascending else key < mark)
    if status is not None:
        query = query.where(col(VectorStoreFile.status) == status)
    if batch_id is not None:
        query = query.where(col(VectorStoreFile.batch_id) == batch_id)
    query = query.order_by(key if ascending else key.desc()).limit(limit)
    return (await session.scalars(query)).all()


async def change(
    session: AsyncSession, store: VectorStore, file_id: str, given: Mapping[str, Any] | None
) -> VectorStoreFile:
    """Its attributes. Raises VectorStoreFileNotFound."""
    row = await find(session, store, file_id)
    row.attributes = _attributes(given)
    await session.flush()
    return row


async def detach(session: AsyncSession, store: VectorStore, file_id: str) -> None:
    """Take it out of the store; the file itself stays. Raises VectorStoreFileNotFound."""
    await _remove(session, await find(session, store, file_id))


async def cancel_batch(session: AsyncSession, store: VectorStore, batch_id: UUID) -> None:
    """End what is not done; whoever works on it finds out."""
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


async def sizes(
    session: AsyncSession, account_id: UUID, which: Sequence[UUID], batch_id: UUID | None = None
) -> dict[UUID, dict[str, tuple[int, int]]]:
    """By store and status: how many files, and their bytes."""
    query = (
        select(
            col(VectorStoreFile.vector_store_id),
            col(VectorStoreFile.status),
            func.count(),
            func.sum(col(VectorStoreFile.usage_bytes)),
        )
        .where(
            col(VectorStoreFile.account_id) == account_id,
            col(VectorStoreFile.vector_store_id).in_(which),
        )
        .group_by(col(VectorStoreFile.vector_store_id), col(VectorStoreFile.status))
    )
    if batch_id is not None:
        query = query.where(col(VectorStoreFile.batch_id) == batch_id)
    found: dict[UUID, dict[str, tuple[int, int]]] = {}
    for store_id, status, count, size in (await session.execute(query)).all():
        found.setdefault(store_id, {})[status] = (count, int(size))
    return found


def batch_of(batch_id: str) -> UUID:
    """Raises VectorStoreFileNotFound."""
    found = ids.parse(BATCH_PREFIX, batch_id)
    if found is None:
        raise no_batch(batch_id)
    return found


def no_batch(batch_id: str) -> VectorStoreFileNotFound:
    return VectorStoreFileNotFound(f"The batch {batch_id[:60]!r} does not exist.", param="batch_id")


async def _there(
    session: AsyncSession, store: VectorStore, file_id: UUID
) -> VectorStoreFile | None:
    query = select(VectorStoreFile).where(
        col(VectorStoreFile.account_id) == store.account_id,
        col(VectorStoreFile.vector_store_id) == store.id,
        col(VectorStoreFile.file_id) == file_id,
    )
    return (await session.scalars(query)).one_or_none()


def _alike(row: VectorStoreFile, cutting: Cutting) -> bool:
    """Whether to cut it anew would change nothing."""
    going = row.status in (FileStatus.IN_PROGRESS, FileStatus.COMPLETED)
    return going and (row.piece_tokens, row.overlap_tokens) == (cutting.size, cutting.overlap)


def _new(
    clock: Clock, by: By, store: VectorStore, file_id: UUID, cutting: Cutting
) -> VectorStoreFile:
    return VectorStoreFile(
        id=ids.new_id(),
        account_id=by.account_id,
        key_id=by.key_id,
        vector_store_id=store.id,
        file_id=file_id,
        attributes={},
        piece_tokens=cutting.size,
        overlap_tokens=cutting.overlap,
        chosen=cutting.chosen,
        status=FileStatus.IN_PROGRESS,
        tags=None if by.tags is None else dict(by.tags),
        created_at=clock.now(),
    )


async def _remove(session: AsyncSession, row: VectorStoreFile) -> None:
    statement = delete(VectorStoreFile).where(
        col(VectorStoreFile.id) == row.id, col(VectorStoreFile.account_id) == row.account_id
    )
    await session.execute(statement.execution_options(synchronize_session=False))
    session.expunge(row)


async def _require_room(session: AsyncSession, account_id: UUID, more: int) -> None:
    query = select(func.count()).where(col(VectorStoreFile.account_id) == account_id)
    if (await session.execute(query)).scalar_one() + more > MOST_FILES:
        raise TooManyStoreFiles(
            f"An account has at most {MOST_FILES} files in its vector stores. Take some out first."
        )


def _require_usable(file: TrainingFile) -> None:
    if file.purpose not in KNOWLEDGE:
        raise ParameterInvalid(
            f"A file in a vector store is sent with the purpose {' or '.join(sorted(KNOWLEDGE))}, "
            f"not {file.purpose}.",
            param="file_id",
        )
    require_supported(file.filename)


def _attributes(given: Mapping[str, Any] | None) -> dict[str, Any]:
    def clean(value: Any) -> Any:
        return value.replace("\x00", "") if isinstance(value, str) else value

    return {clean(name): clean(value) for name, value in (given or {}).items()}
