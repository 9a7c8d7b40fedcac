"""The retrieval tables in PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from sqlalchemy import Float, func
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from gateway.tables import FileStatus, TrainingFile, VectorPiece, VectorStore, VectorStoreFile
from infra import ids
from infra.database.database import Database
from tests.support.billing.making import CLOCK, customer, sql


async def piece(database: Database, embedding: Sequence[float] | None) -> UUID:
    """Insert a file with one chunk in a vector store of a new customer."""
    of, now = await customer(database), CLOCK.now()
    file = TrainingFile(
        id=ids.new_id(),
        account_id=of.account_id,
        filename="a.txt",
        purpose="assistants",
        size=1,
        content=b"a",
        created_at=now,
    )
    store = VectorStore(
        id=ids.new_id(),
        account_id=of.account_id,
        name="",
        labels={},
        embedding_model="m",
        embedding_version="1",
        created_at=now,
        last_active_at=now,
    )
    within = VectorStoreFile(
        id=ids.new_id(),
        account_id=of.account_id,
        key_id=of.key_id,
        vector_store_id=store.id,
        file_id=file.id,
        attributes={},
        piece_tokens=800,
        overlap_tokens=0,
        chosen=False,
        status=FileStatus.IN_PROGRESS.value,
        created_at=now,
    )
    made = VectorPiece(
        id=ids.new_id(),
        account_id=of.account_id,
        vector_store_id=store.id,
        vector_store_file_id=within.id,
        position=0,
        text="a",
        words=func.array_to_tsvector(["a"]),
        embedding=embedding,
    )
    async with database.transaction() as session:
        session.add_all([file, store])
        await session.flush()
        session.add(within)
        await session.flush()
        session.add(made)
    return made.id


class TestEmbeddingColumn:
    @pytest.mark.parametrize(
        ("embedding", "written"),
        [
            ([1.0, -0.5, 0.25], "[1,-0.5,0.25]"),
            ([1e-07, 2.5], "[1e-07,2.5]"),
            (None, None),
        ],
    )
    async def test_embedding_or_null_is_stored_unchanged(
        self, database: Database, embedding: list[float] | None, written: str | None
    ) -> None:
        await piece(database, embedding)
        assert await sql(database, "select embedding::text from vector_piece") == [(written,)]

    async def test_database_computes_the_cosine_distance(self, database: Database) -> None:
        """The cosine distance is 0 in the same direction and 1 at a right angle."""
        made = await piece(database, [3.0, 0.0])
        for asked, distance in (([1.0, 0.0], 0.0), ([0.0, 1.0], 1.0)):
            found = col(VectorPiece.embedding).op("<=>", return_type=Float())(asked)
            query = select(found).where(col(VectorPiece.id) == made)
            async with database.transaction() as session:
                assert (await session.scalars(query)).one() == pytest.approx(distance)

    async def test_empty_embedding_is_rejected(self, database: Database) -> None:
        with pytest.raises(DBAPIError, match="at least 1 dimension"):
            await piece(database, [])
