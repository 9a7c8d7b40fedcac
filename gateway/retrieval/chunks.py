"""Store the chunks of vector store files: insert texts with their search terms, then embeddings."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, bindparam, delete, func, insert, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.call.errors import BadRequest
from gateway.retrieval.lexemes import extract_terms, store_lexemes
from gateway.retrieval.vector_stores import lock_account
from gateway.tables import VectorPiece, VectorStoreFile
from infra import ids

# Per account. Vector search is exact (no index), so its time grows with this number.
MAX_CHUNKS = 50_000
_INSERT_BATCH = 500
_TERMS = ARRAY(Text)


class ChunkLimitReached(BadRequest):
    """The account has the maximum number of chunks in its vector stores."""

    code = "knowledge_full"


async def prepare_chunks(session: AsyncSession, file: VectorStoreFile, count: int) -> None:
    """Delete the chunks of an earlier attempt and check the account's limit.

    Raises ChunkLimitReached if `count` more chunks would exceed it.
    """
    await session.execute(
        delete(VectorPiece).where(
            col(VectorPiece.vector_store_file_id) == file.id,
            col(VectorPiece.account_id) == file.account_id,
        )
    )
    await lock_account(session, file.account_id)
    query = select(func.count()).where(col(VectorPiece.account_id) == file.account_id)
    if (await session.execute(query)).scalar_one() + count > MAX_CHUNKS:
        raise ChunkLimitReached(
            f"An account can have at most {MAX_CHUNKS} chunks in its vector stores, and "
            f"this file has {count}. Delete files first."
        )


def split_into_batches(texts: Sequence[str]) -> list[list[tuple[int, str]]]:
    """Split the chunk texts, with their positions, into batches for one transaction each."""
    numbered = list(enumerate(texts))
    return [
        numbered[start : start + _INSERT_BATCH] for start in range(0, len(numbered), _INSERT_BATCH)
    ]


async def insert_chunks(
    session: AsyncSession, file: VectorStoreFile, texts: Sequence[tuple[int, str]]
) -> None:
    """Insert chunks (position, text) without embeddings."""
    rows = [
        {
            "id": ids.new_id(),
            "account_id": file.account_id,
            "vector_store_id": file.vector_store_id,
            "vector_store_file_id": file.id,
            "position": position,
            "text": text.replace("\x00", " "),  # not allowed in PostgreSQL text
            "found_by": store_lexemes(file.vector_store_id, extract_terms(text)),
        }
        for position, text in texts
    ]
    table: Any = VectorPiece
    words = func.array_to_tsvector(bindparam("found_by", type_=_TERMS))
    await session.execute(insert(table.__table__).values(words=words), rows)


async def list_unembedded(
    session: AsyncSession, file: VectorStoreFile, limit: int
) -> list[tuple[UUID, str]]:
    """Return the ids and texts of the file's first chunks that have no embedding."""
    query = (
        select(col(VectorPiece.id), col(VectorPiece.text))
        .where(
            col(VectorPiece.vector_store_file_id) == file.id,
            col(VectorPiece.account_id) == file.account_id,
            col(VectorPiece.embedding).is_(None),
        )
        .order_by(col(VectorPiece.position))
        .limit(limit)
    )
    return [(row[0], row[1]) for row in (await session.execute(query)).all()]


async def store_embeddings(
    session: AsyncSession, account_id: UUID, embeddings: Mapping[UUID, Sequence[float]]
) -> None:
    """Set the embeddings of chunks, by chunk id."""
    for chunk_id, embedding in embeddings.items():
        await session.execute(
            update(VectorPiece)
            .where(col(VectorPiece.id) == chunk_id, col(VectorPiece.account_id) == account_id)
            .values(embedding=embedding)
        )


async def stored_bytes(session: AsyncSession, file: VectorStoreFile) -> int:
    """Return the size of the file's chunk texts and embeddings in bytes."""
    size = func.octet_length(col(VectorPiece.text)) + func.pg_column_size(
        col(VectorPiece.embedding)
    )
    query = select(func.coalesce(func.sum(size), 0)).where(
        col(VectorPiece.vector_store_file_id) == file.id,
        col(VectorPiece.account_id) == file.account_id,
    )
    return int((await session.execute(query)).scalar_one())


async def list_chunk_texts(
    session: AsyncSession, file: VectorStoreFile, limit: int, after: int
) -> Sequence[str]:
    """Return the file's chunk texts in order, from position `after` on."""
    query = (
        select(col(VectorPiece.text))
        .where(
            col(VectorPiece.vector_store_file_id) == file.id,
            col(VectorPiece.account_id) == file.account_id,
            col(VectorPiece.position) >= after,
        )
        .order_by(col(VectorPiece.position))
        .limit(limit)
    )
    return (await session.scalars(query)).all()
