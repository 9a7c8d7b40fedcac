"""A vector store with given pieces, by the gateway's own rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.account_creation import AccountLimits, open_account
from gateway.access.api_keys import create_key
from gateway.registry.files import create_file
from gateway.retrieval import chunks, ingestion_jobs, store_files, vector_stores
from gateway.retrieval.store_files import Requester
from gateway.tables import VectorPiece
from gateway.wire.vector_stores import CreateVectorStoreFileRequest, CreateVectorStoreRequest
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from models.catalog import Catalog

_AT_ONCE = 500
_TERMS = AccountLimits(credit_nano=10**12, requests=10**6, tokens=10**9, streams=1000)


@dataclass(frozen=True, slots=True)
class Filled:
    """A store, and which piece each of its rows is."""

    account_id: UUID
    store_id: UUID
    positions: dict[UUID, int]


async def fill(
    database: Database, catalog: Catalog, texts: Sequence[str], vectors: NDArray[np.float32]
) -> Filled:
    clock, model = SystemClock(), vector_stores.select_embedding_model(catalog)
    async with database.transaction() as session:
        account = await open_account(session, clock, f"Bench {ids.new_id()}", "CNY", _TERMS)
        key = await create_key(session, clock, b"x" * 32, account.id, "bench")
        file = await create_file(session, clock, account.id, "a.txt", b"x", "user_data")
        store = await vector_stores.create_store(
            session, clock, account.id, CreateVectorStoreRequest(), model
        )
        by, wanted = (
            Requester(account.id, key.row.id),
            [CreateVectorStoreFileRequest(ids.format_id("file", file.id))],
        )
        (row,) = await store_files.attach_files(session, clock, by, store, model, wanted)
    for some in chunks.insert_batches(texts):
        async with database.transaction() as session:
            await chunks.insert_chunks(session, row, some)
    while True:
        async with database.transaction() as session:
            waiting = await chunks.list_unembedded(session, row, _AT_ONCE)
            known = await _positions(session, account.id)
            await chunks.store_embeddings(
                session, account.id, {one: vectors[known[one]].tolist() for one, _ in waiting}
            )
        if not waiting:
            break
    async with database.transaction() as session:
        merged = await session.merge(row)
        merged.pieces = len(texts)
        ingestion_jobs.mark_completed(merged)
    return Filled(account.id, store.id, known)


async def _positions(session: AsyncSession, account_id: UUID) -> dict[UUID, int]:
    query = select(col(VectorPiece.id), col(VectorPiece.position)).where(
        col(VectorPiece.account_id) == account_id
    )
    return {piece: position for piece, position in (await session.execute(query)).all()}
