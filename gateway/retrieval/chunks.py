"""Pieces of files as rows: laid down with their words, then given their vectors.

Owns what of a file is still without vectors, and how many pieces an account may have.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, bindparam, delete, func, insert, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.call.errors import BadRequest
from gateway.retrieval.lexemes import lexemes, terms
from gateway.retrieval.vector_stores import lock_account
from gateway.tables import VectorPiece, VectorStoreFile
from infra import ids

# Of an account: as many are searched one by one in good time.
MOST_PIECES = 50_000
_AT_ONCE = 500
_TERMS = ARRAY(Text)


class KnowledgeFull(BadRequest):
    """The account has as much in its stores as it may."""

    code = "knowledge_full"


async def begin(session: AsyncSession, file: VectorStoreFile, more: int) -> None:
    """Forget what was laid down before, and see that there is room. Raises KnowledgeFull."""
    await session.execute(
        delete(VectorPiece).where(
            col(VectorPiece.vector_store_file_id) == file.id,
            col(VectorPiece.account_id) == file.account_id,
        )
    )
    await lock_account(session, file.account_id)
    query = select(func.count()).where(col(VectorPiece.account_id) == file.account_id)
    if (await session.execute(query)).scalar_one() + more > MOST_PIECES:
        raise KnowledgeFull(
            f"An account has at most {MOST_PIECES} pieces of text in its vector stores, and this "
            f"file has {more}. Delete some files first."
        )


def parts(texts: Sequence[str]) -> list[list[tuple[int, str]]]:
    """The pieces with their positions, so many as one transaction lays down."""
    numbered = list(enumerate(texts))
    return [numbered[start : start + _AT_ONCE] for start in range(0, len(numbered), _AT_ONCE)]


async def lay_down(
    session: AsyncSession, file: VectorStoreFile, texts: Sequence[tuple[int, str]]
) -> None:
    """Pieces by their positions, without vectors."""
    rows = [
        {
            "id": ids.new_id(),
            "account_id": file.account_id,
            "vector_store_id": file.vector_store_id,
            "vector_store_file_id": file.id,
            "position": position,
            "text": text.replace("\x00", " "),
            "found_by": lexemes(file.vector_store_id, terms(text)),
        }
        for position, text in texts
    ]
    table: Any = VectorPiece
    words = func.array_to_tsvector(bindparam("found_by", type_=_TERMS))
    await session.execute(insert(table.__table__).values(words=words), rows)


async def without_vectors(
    session: AsyncSession, file: VectorStoreFile, most: int
) -> list[tuple[UUID, str]]:
    """The first of the file's pieces that have none, and their texts."""
    query = (
        select(col(VectorPiece.id), col(VectorPiece.text))
        .where(
            col(VectorPiece.vector_store_file_id) == file.id,
            col(VectorPiece.account_id) == file.account_id,
            col(VectorPiece.embedding).is_(None),
        )
        .order_by(col(VectorPiece.position))
        .limit(most)
    )
    return [(found[0], found[1]) for found in (await session.execute(query)).all()]


async def give_vectors(
    session: AsyncSession, account_id: UUID, vectors: Mapping[UUID, Sequence[float]]
) -> None:
    """Each piece its vector."""
    for piece_id, vector in vectors.items():
        await session.execute(
            update(VectorPiece)
            .where(col(VectorPiece.id) == piece_id, col(VectorPiece.account_id) == account_id)
            .values(embedding=vector)
        )


async def size_of(session: AsyncSession, file: VectorStoreFile) -> int:
    """The bytes of its texts and vectors."""
    size = func.octet_length(col(VectorPiece.text)) + func.pg_column_size(
        col(VectorPiece.embedding)
    )
    query = select(func.coalesce(func.sum(size), 0)).where(
        col(VectorPiece.vector_store_file_id) == file.id,
        col(VectorPiece.account_id) == file.account_id,
    )
    return int((await session.execute(query)).scalar_one())


async def texts_of(
    session: AsyncSession, file: VectorStoreFile, limit: int, after: int
) -> Sequence[str]:
    """What was read of the file, from the position on."""
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
