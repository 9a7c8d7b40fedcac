"""`/v1/vector_stores`: manage and search vector stores, as OpenAI's clients do."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.call.tags import TAGS_HEADER, parse_tags
from gateway.call.values import Principal
from gateway.retrieval import store_files, vector_stores
from gateway.retrieval.hybrid_search import SearchOptions
from gateway.retrieval.ingestion import IngestionRunner
from gateway.retrieval.search import VectorStoreQuery, VectorStoreSearcher
from gateway.retrieval.store_files import Requester
from gateway.retrieval.views import search_results_json, store_json
from gateway.tables import VectorStore
from gateway.upstream.availability import Availability
from gateway.wire.vector_stores import (
    CreateVectorStoreFileRequest,
    CreateVectorStoreRequest,
    SearchRequest,
    UpdateVectorStoreRequest,
    decode_request,
    parse_filter,
    queries_of,
)
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Model

PATH = "/v1/vector_stores"
MAX_BODY_BYTES = 1 << 20
SortOrder = FromQuery[Literal["asc", "desc"]]
TagsHeader = Annotated[
    str | None, HeaderParameter(name="X-Maas-Tags", description="What its calls are for")
]


class VectorStoreRoutes(Controller):
    """The account's vector stores; a store of another account is reported as not found."""

    path = PATH
    request_max_body_size = MAX_BODY_BYTES

    @post("/", status_code=200, summary="Create a vector store")
    async def create(
        self,
        principal: NamedDependency[Principal],
        catalog: NamedDependency[Catalog],
        availability: NamedDependency[Availability],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        ingestion_runner: NamedDependency[IngestionRunner],
        request: Request[Any, Any, Any],
        tags: TagsHeader = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Create a vector store, wake ingestion for its files, and return the store object."""
        new_store = decode_request(CreateVectorStoreRequest, await request.body())
        model = vector_stores.select_embedding_model(catalog, availability)
        change = partial(_create_store, clock, requester_of(principal, tags), new_store, model)
        answer = await idempotent_response(database, principal, request, idempotency_key, change)
        ingestion_runner.wake()
        return answer

    @get("/", summary="List vector stores, newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        limit: PageLimit = 20,
        order: SortOrder = "desc",
        after: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's vector stores; cursors are store ids."""
        backwards = after is None and before is not None
        ascending = (order == "asc") != backwards
        cursor = parse_cursor(vector_stores.PREFIX, before if backwards else after)
        account_id = principal.account_id
        async with database.transaction() as session:
            rows = await vector_stores.list_stores(
                session, account_id, limit + 1, ascending, cursor
            )
            views = await store_views(session, clock, rows)
        return bidirectional_page_json(views, limit, lambda view: view, backwards)

    @get("/{store:str}", summary="Retrieve a vector store")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        store: FromPath[str],
    ) -> dict[str, Any]:
        """Return the object of one vector store."""
        async with database.transaction() as session:
            row = await vector_stores.find_store(session, principal.account_id, store)
            return (await store_views(session, clock, [row]))[0]

    @post(
        "/{store:str}", status_code=200, summary="Update a vector store's name, metadata or expiry"
    )
    async def change(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        store: FromPath[str],
    ) -> dict[str, Any]:
        """Update a vector store's name, metadata or expiry; return the store object."""
        changes = decode_request(UpdateVectorStoreRequest, await request.body())
        async with database.transaction() as session:
            row = await vector_stores.update_store(
                session, clock, principal.account_id, store, changes
            )
            return (await store_views(session, clock, [row]))[0]

    @delete("/{store:str}", status_code=200, summary="Delete a vector store; its files are kept")
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
    ) -> dict[str, Any]:
        """Delete a vector store with its chunks; the uploaded files are kept."""
        async with database.transaction() as session:
            await vector_stores.delete_store(session, principal.account_id, store)
        return {"id": store, "object": "vector_store.deleted", "deleted": True}

    @post("/{store:str}/search", status_code=200, summary="Search a vector store")
    async def search(
        self,
        principal: NamedDependency[Principal],
        searcher: NamedDependency[VectorStoreSearcher],
        request: Request[Any, Any, Any],
        store: FromPath[str],
        tags: TagsHeader = None,
    ) -> dict[str, Any]:
        """Search one vector store with one or more queries and return the best chunks."""
        search_request = decode_request(SearchRequest, await request.body())
        queries = queries_of(search_request)
        query = VectorStoreQuery(
            [store],
            queries,
            SearchOptions.of(search_request.max_num_results, search_request.ranking_options),
            parse_filter(search_request.filters),
            parse_tags({TAGS_HEADER: tags.encode("latin-1")}) if tags else None,
            uses_plant_graph=search_request.plant_graph,
        )
        return search_results_json(queries, await searcher.search(principal, query))


def requester_of(principal: Principal, tags: str | None) -> Requester:
    """Return the account, key and usage tags of a request. Raises ParameterInvalid."""
    parsed_tags = parse_tags({TAGS_HEADER: tags.encode("latin-1")}) if tags else None
    return Requester(principal.account_id, principal.key_id, parsed_tags)


async def store_views(
    session: AsyncSession, clock: Clock, rows: Sequence[VectorStore]
) -> list[dict[str, Any]]:
    """Return the stores as OpenAI's objects, with the counts and sizes of their files."""
    if not rows:
        return []
    counts = await store_files.count_files(session, rows[0].account_id, [row.id for row in rows])
    return [store_json(row, counts.get(row.id, {}), clock) for row in rows]


async def _create_store(
    clock: Clock,
    requester: Requester,
    new_store: CreateVectorStoreRequest,
    model: Model,
    session: AsyncSession,
) -> dict[str, Any]:
    """Create a vector store with its initial files and return its object."""
    store = await vector_stores.create_store(session, clock, requester.account_id, new_store, model)
    files = [
        CreateVectorStoreFileRequest(file_id, None, new_store.chunking_strategy)
        for file_id in new_store.file_ids
    ]
    await store_files.attach_files(session, clock, requester, store, model, files)
    return (await store_views(session, clock, [store]))[0]
