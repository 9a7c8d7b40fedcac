"""`/v1/vector_stores/{store}/files` and `/file_batches`: files of a vector store."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.api.pagination import PageLimit, bidirectional_page_json
from gateway.api.retrieval.vector_stores import (
    MAX_BODY_BYTES,
    PATH,
    SortOrder,
    TagsHeader,
    requester_of,
)
from gateway.call.values import Principal
from gateway.retrieval import chunks, store_files, vector_stores
from gateway.retrieval.ingestion import IngestionRunner
from gateway.retrieval.store_files import Requester
from gateway.retrieval.views import batch_json, file_json
from gateway.tables import VectorStore
from gateway.wire.vector_stores import (
    CreateFileBatchRequest,
    CreateVectorStoreFileRequest,
    UpdateVectorStoreFileRequest,
    decode_request,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog

_CONTENT_PAGE_SIZE = 200
_Status = FromQuery[Literal["in_progress", "completed", "failed", "cancelled"] | None]


@dataclass(frozen=True, slots=True)
class _FilePage:
    """The parameters of a page of a store's files; the cursors are file ids."""

    limit: int
    order: str
    after: str | None
    before: str | None
    status: str | None
    batch_id: UUID | None = None

    async def load(self, session: AsyncSession, store: VectorStore) -> dict[str, Any]:
        """Return the page as JSON. Raises VectorStoreFileNotFound, FileNotFound."""
        backwards = self.after is None and self.before is not None
        cursor_file_id = self.before if backwards else self.after
        cursor = (
            None
            if cursor_file_id is None
            else (await store_files.find_store_file(session, store, cursor_file_id)).id
        )
        ascending = (self.order == "asc") != backwards
        rows = await store_files.list_files(
            session, store, self.limit + 1, ascending, cursor, self.status, self.batch_id
        )
        return bidirectional_page_json(rows, self.limit, file_json, backwards)


class VectorStoreFileRoutes(Controller):
    """Files of a vector store; ingestion runs in the background, so clients poll the status."""

    path = PATH + "/{store:str}/files"
    request_max_body_size = MAX_BODY_BYTES

    @post("/", status_code=200, summary="Add a file to a vector store")
    async def attach(
        self,
        principal: NamedDependency[Principal],
        catalog: NamedDependency[Catalog],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        ingestion_runner: NamedDependency[IngestionRunner],
        request: Request[Any, Any, Any],
        store: FromPath[str],
        tags: TagsHeader = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Add a file to a vector store and wake ingestion; return the file object."""
        new_file = decode_request(CreateVectorStoreFileRequest, await request.body())
        change = partial(
            _attach_file, catalog, clock, requester_of(principal, tags), store, new_file
        )
        answer = await idempotent_response(database, principal, request, idempotency_key, change)
        ingestion_runner.wake()
        return answer

    @get("/", summary="List the files of a vector store, newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        limit: PageLimit = 20,
        order: SortOrder = "desc",
        after: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
        filter: _Status = None,  # OpenAI's name
    ) -> dict[str, Any]:
        """Return a page of a store's files; `filter` selects files by status."""
        page_request = _FilePage(limit, order, after, before, filter)
        async with database.transaction() as session:
            store_row = await vector_stores.find_store(session, principal.account_id, store)
            return await page_request.load(session, store_row)

    @get("/{file:str}", summary="Retrieve a file of a vector store")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        file: FromPath[str],
    ) -> dict[str, Any]:
        """Return the object of one file in a vector store."""
        async with database.transaction() as session:
            store_row = await vector_stores.find_store(session, principal.account_id, store)
            return file_json(await store_files.find_store_file(session, store_row, file))

    @post("/{file:str}", status_code=200, summary="Update a file's attributes")
    async def change(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        request: Request[Any, Any, Any],
        store: FromPath[str],
        file: FromPath[str],
    ) -> dict[str, Any]:
        """Replace the attributes of a file in a vector store; return the file object."""
        changes = decode_request(UpdateVectorStoreFileRequest, await request.body())
        async with database.transaction() as session:
            store_row = await vector_stores.find_store(session, principal.account_id, store)
            return file_json(
                await store_files.update_attributes(session, store_row, file, changes.attributes)
            )

    @get("/{file:str}/content", summary="Retrieve the parsed content of a file in chunks")
    async def content(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        file: FromPath[str],
        page: FromQuery[int] = 0,
    ) -> dict[str, Any]:
        """Return one page of the texts of a file's chunks; `page` counts from 0."""
        async with database.transaction() as session:
            store_row = await vector_stores.find_store(session, principal.account_id, store)
            row = await store_files.find_store_file(session, store_row, file)
            start = max(0, page) * _CONTENT_PAGE_SIZE
            texts = await chunks.list_chunk_texts(session, row, _CONTENT_PAGE_SIZE + 1, start)
        more = len(texts) > _CONTENT_PAGE_SIZE
        return {
            "object": "vector_store.file_content.page",
            "data": [{"type": "text", "text": text} for text in texts[:_CONTENT_PAGE_SIZE]],
            "has_more": more,
            "next_page": str(page + 1) if more else None,
        }

    @delete(
        "/{file:str}",
        status_code=200,
        summary="Remove a file from a vector store; the file itself is kept",
    )
    async def detach(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        file: FromPath[str],
    ) -> dict[str, Any]:
        """Remove a file from a vector store; the uploaded file is kept."""
        async with database.transaction() as session:
            store_row = await vector_stores.find_store(session, principal.account_id, store)
            await store_files.detach_file(session, store_row, file)
        return {"id": file, "object": "vector_store.file.deleted", "deleted": True}


class VectorStoreBatchRoutes(Controller):
    """Batches of files: all files are added, or none."""

    path = PATH + "/{store:str}/file_batches"
    request_max_body_size = MAX_BODY_BYTES

    @post("/", status_code=200, summary="Add several files to a vector store as a batch")
    async def create(
        self,
        principal: NamedDependency[Principal],
        catalog: NamedDependency[Catalog],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        ingestion_runner: NamedDependency[IngestionRunner],
        request: Request[Any, Any, Any],
        store: FromPath[str],
        tags: TagsHeader = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Add several files to a vector store as a batch and wake ingestion."""
        new_batch = decode_request(CreateFileBatchRequest, await request.body())
        change = partial(
            _attach_batch, catalog, clock, requester_of(principal, tags), store, new_batch
        )
        answer = await idempotent_response(database, principal, request, idempotency_key, change)
        ingestion_runner.wake()
        return answer

    @get("/{batch:str}", summary="Retrieve a file batch")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        batch: FromPath[str],
    ) -> dict[str, Any]:
        """Return the batch object with its file counts."""
        batch_id = store_files.parse_batch_id(batch)
        async with database.transaction() as session:
            store_row = await vector_stores.find_store(session, principal.account_id, store)
            return await _load_batch_json(session, store_row, batch_id)

    @post("/{batch:str}/cancel", status_code=200, summary="Cancel a file batch")
    async def cancel(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        batch: FromPath[str],
    ) -> dict[str, Any]:
        """Cancel the batch's unfinished files and return the batch object."""
        batch_id = store_files.parse_batch_id(batch)
        async with database.transaction() as session:
            store_row = await vector_stores.find_store(session, principal.account_id, store)
            await store_files.cancel_batch(session, store_row, batch_id)
            return await _load_batch_json(session, store_row, batch_id)

    @get("/{batch:str}/files", summary="List the files of a batch")
    async def files(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
        batch: FromPath[str],
        limit: PageLimit = 20,
        order: SortOrder = "desc",
        after: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
        filter: _Status = None,  # OpenAI's name
    ) -> dict[str, Any]:
        """Return a page of a batch's files; `filter` selects files by status."""
        page_request = _FilePage(
            limit, order, after, before, filter, store_files.parse_batch_id(batch)
        )
        async with database.transaction() as session:
            store_row = await vector_stores.find_store(session, principal.account_id, store)
            return await page_request.load(session, store_row)


async def _attach_file(
    catalog: Catalog,
    clock: Clock,
    requester: Requester,
    store_id: str,
    new_file: CreateVectorStoreFileRequest,
    session: AsyncSession,
) -> dict[str, Any]:
    """Add one file to a vector store and return its object."""
    store = await vector_stores.find_active_store(session, clock, requester.account_id, store_id)
    model = vector_stores.require_store_model(catalog, store)
    (row,) = await store_files.attach_files(session, clock, requester, store, model, [new_file])
    return file_json(row)


async def _attach_batch(
    catalog: Catalog,
    clock: Clock,
    requester: Requester,
    store_id: str,
    new_batch: CreateFileBatchRequest,
    session: AsyncSession,
) -> dict[str, Any]:
    """Add several files as a batch and return the batch object."""
    store = await vector_stores.find_active_store(session, clock, requester.account_id, store_id)
    model, batch_id = vector_stores.require_store_model(catalog, store), ids.new_id()
    new_files = store_files.batch_files(new_batch)
    await store_files.attach_files(session, clock, requester, store, model, new_files, batch_id)
    return await _load_batch_json(session, store, batch_id)


async def _load_batch_json(
    session: AsyncSession, store: VectorStore, batch_id: UUID
) -> dict[str, Any]:
    """Return the batch object. Raises VectorStoreFileNotFound."""
    first = await store_files.list_files(session, store, 1, True, None, None, batch_id)
    if not first:
        raise store_files.batch_not_found(ids.format_id(store_files.BATCH_PREFIX, batch_id))
    counts = await store_files.count_files(session, store.account_id, [store.id], batch_id)
    return batch_json(batch_id, store, first[0].created_at, counts.get(store.id, {}))
