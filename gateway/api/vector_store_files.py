"""Files in vector stores, one by one and in batches, as OpenAI's clients ask for them."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.idempotency import Key, answered_once
from gateway.api.pagination import Limit, page_either_way
from gateway.api.vector_stores import MOST_BYTES, PATH, Order, Tags, by_of
from gateway.call.values import Principal
from gateway.retrieval import chunks, store_files, vector_stores
from gateway.retrieval.ingestion import KnowledgeRunner
from gateway.retrieval.store_files import By
from gateway.retrieval.views import batch_json, file_json
from gateway.tables import VectorStore
from gateway.wire.vector_stores import FileChange, NewBatch, NewFile, read
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog

_PAGE = 200
_Status = FromQuery[Literal["in_progress", "completed", "failed", "cancelled"] | None]


@dataclass(frozen=True, slots=True)
class _Page:
    """Which files of a store are asked for, by the id of the file before or after them."""

    limit: int
    order: str
    after: str | None
    before: str | None
    status: str | None
    batch_id: UUID | None = None

    async def of(self, session: AsyncSession, store: VectorStore) -> dict[str, Any]:
        """Raises VectorStoreFileNotFound, FileNotFound."""
        backwards = self.after is None and self.before is not None
        name = self.before if backwards else self.after
        mark = None if name is None else (await store_files.find(session, store, name)).id
        ascending = (self.order == "asc") != backwards
        rows = await store_files.page(
            session, store, self.limit + 1, ascending, mark, self.status, self.batch_id
        )
        return page_either_way(rows, self.limit, file_json, backwards)


class VectorStoreFileRoutes(Controller):
    """A file is read, cut and given vectors by itself; ask for it to see how far it is."""

    path = PATH + "/{store:str}/files"
    request_max_body_size = MOST_BYTES

    @post("/", status_code=200, summary="Put a file into a vector store")
    async def attach(
        self,
        principal: NamedDependency[Principal],
        catalog: NamedDependency[Catalog],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        knowledge: NamedDependency[KnowledgeRunner],
        request: Request[Any, Any, Any],
        store: FromPath[str],
        tags: Tags = None,
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        wanted = read(NewFile, await request.body())
        change = partial(_attach, catalog, clock, by_of(principal, tags), store, wanted)
        answer = await answered_once(database, principal, request, idempotency_key, change)
        knowledge.wake()
        return answer

    @get("/", summary="The files in a vector store, the newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        limit: Limit = 20,
        order: Order = "desc",
        after: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
        filter: _Status = None,  # OpenAI's name
    ) -> dict[str, Any]:
        wanted = _Page(limit, order, after, before, filter)
        async with database.transaction() as session:
            found = await vector_stores.find(session, principal.account_id, store)
            return await wanted.of(session, found)

    @get("/{file:str}", summary="One file in a vector store")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        file: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            found = await vector_stores.find(session, principal.account_id, store)
            return file_json(await store_files.find(session, found, file))

    @post("/{file:str}", status_code=200, summary="Change a file's attributes")
    async def change(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        request: Request[Any, Any, Any],
        store: FromPath[str],
        file: FromPath[str],
    ) -> dict[str, Any]:
        wanted = read(FileChange, await request.body())
        async with database.transaction() as session:
            found = await vector_stores.find(session, principal.account_id, store)
            return file_json(await store_files.change(session, found, file, wanted.attributes))

    @get("/{file:str}/content", summary="What was read of a file, piece by piece")
    async def content(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        file: FromPath[str],
        page: FromQuery[int] = 0,
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            found = await vector_stores.find(session, principal.account_id, store)
            row = await store_files.find(session, found, file)
            start = max(0, page) * _PAGE
            texts = await chunks.texts_of(session, row, _PAGE + 1, start)
        more = len(texts) > _PAGE
        return {
            "object": "vector_store.file_content.page",
            "data": [{"type": "text", "text": text} for text in texts[:_PAGE]],
            "has_more": more,
            "next_page": str(page + 1) if more else None,
        }

    @delete("/{file:str}", status_code=200, summary="Take a file out; the file itself stays")
    async def detach(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        file: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            found = await vector_stores.find(session, principal.account_id, store)
            await store_files.detach(session, found, file)
        return {"id": file, "object": "vector_store.file.deleted", "deleted": True}


class VectorStoreBatchRoutes(Controller):
    """Several files at once: all are put in, or none."""

    path = PATH + "/{store:str}/file_batches"
    request_max_body_size = MOST_BYTES

    @post("/", status_code=200, summary="Put several files into a vector store")
    async def create(
        self,
        principal: NamedDependency[Principal],
        catalog: NamedDependency[Catalog],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        knowledge: NamedDependency[KnowledgeRunner],
        request: Request[Any, Any, Any],
        store: FromPath[str],
        tags: Tags = None,
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        wanted = read(NewBatch, await request.body())
        change = partial(_attach_all, catalog, clock, by_of(principal, tags), store, wanted)
        answer = await answered_once(database, principal, request, idempotency_key, change)
        knowledge.wake()
        return answer

    @get("/{batch:str}", summary="How far a batch is")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        batch: FromPath[str],
    ) -> dict[str, Any]:
        batch_id = store_files.batch_of(batch)
        async with database.transaction() as session:
            found = await vector_stores.find(session, principal.account_id, store)
            return await _batch(session, found, batch_id)

    @post("/{batch:str}/cancel", status_code=200, summary="End what is not done of a batch")
    async def cancel(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        batch: FromPath[str],
    ) -> dict[str, Any]:
        batch_id = store_files.batch_of(batch)
        async with database.transaction() as session:
            found = await vector_stores.find(session, principal.account_id, store)
            await store_files.cancel_batch(session, found, batch_id)
            return await _batch(session, found, batch_id)

    @get("/{batch:str}/files", summary="The files of a batch")
    async def files(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        batch: FromPath[str],
        limit: Limit = 20,
        order: Order = "desc",
        after: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
        filter: _Status = None,  # OpenAI's name
    ) -> dict[str, Any]:
        wanted = _Page(limit, order, after, before, filter, store_files.batch_of(batch))
        async with database.transaction() as session:
            found = await vector_stores.find(session, principal.account_id, store)
            return await wanted.of(session, found)


async def _attach(
    catalog: Catalog, clock: Clock, by: By, store_id: str, wanted: NewFile, session: AsyncSession
) -> dict[str, Any]:
    store = await vector_stores.find_usable(session, clock, by.account_id, store_id)
    model = vector_stores.model_of(catalog, store)
    (row,) = await store_files.attach(session, clock, by, store, model, [wanted])
    return file_json(row)


async def _attach_all(
    catalog: Catalog, clock: Clock, by: By, store_id: str, wanted: NewBatch, session: AsyncSession
) -> dict[str, Any]:
    store = await vector_stores.find_usable(session, clock, by.account_id, store_id)
    model, batch_id = vector_stores.model_of(catalog, store), ids.new_id()
    listed = store_files.files_of(wanted)
    await store_files.attach(session, clock, by, store, model, listed, batch_id)
    return await _batch(session, store, batch_id)


async def _batch(session: AsyncSession, store: VectorStore, batch_id: UUID) -> dict[str, Any]:
    first = await store_files.page(session, store, 1, True, None, None, batch_id)
    if not first:
        raise store_files.no_batch(ids.show(store_files.BATCH_PREFIX, batch_id))
    sizes = await store_files.sizes(session, store.account_id, [store.id], batch_id)
    return batch_json(batch_id, store, first[0].created_at, sizes.get(store.id, {}))
