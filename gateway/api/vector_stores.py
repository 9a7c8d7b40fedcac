"""`/v1/vector_stores`: texts that questions are answered from, as OpenAI's clients ask for them.

Owns the addresses of the stores themselves and of searching.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.idempotency import Key, answered_once
from gateway.api.pagination import Limit, mark_of, page_either_way
from gateway.call.tags import HEADER, tags_of
from gateway.call.values import Principal
from gateway.retrieval import store_files, vector_stores
from gateway.retrieval.hybrid_search import Wanted
from gateway.retrieval.ingestion import KnowledgeRunner
from gateway.retrieval.search import Inquiry, Searcher
from gateway.retrieval.store_files import By
from gateway.retrieval.views import results_json, store_json
from gateway.tables import VectorStore
from gateway.upstream.availability import Availability
from gateway.wire.vector_stores import (
    NewFile,
    NewStore,
    Search,
    StoreChange,
    filter_of,
    queries_of,
    read,
)
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Model

PATH = "/v1/vector_stores"
MOST_BYTES = 1 << 20
Order = FromQuery[Literal["asc", "desc"]]
Tags = Annotated[
    str | None, HeaderParameter(name="X-Maas-Tags", description="What its calls are for")
]


class VectorStoreRoutes(Controller):
    """A store is of the account; one of another account does not exist."""

    path = PATH
    request_max_body_size = MOST_BYTES

    @post("/", status_code=200, summary="Make a vector store, with files or without")
    async def create(
        self,
        principal: NamedDependency[Principal],
        catalog: NamedDependency[Catalog],
        availability: NamedDependency[Availability],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        knowledge: NamedDependency[KnowledgeRunner],
        request: Request[Any, Any, Any],
        tags: Tags = None,
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        wanted = read(NewStore, await request.body())
        model = vector_stores.embedding_of(catalog, availability)
        change = partial(_create, clock, by_of(principal, tags), wanted, model)
        answer = await answered_once(database, principal, request, idempotency_key, change)
        knowledge.wake()
        return answer

    @get("/", summary="The account's vector stores, the newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        limit: Limit = 20,
        order: Order = "desc",
        after: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        backwards = after is None and before is not None
        ascending = (order == "asc") != backwards
        mark = mark_of(vector_stores.PREFIX, before if backwards else after)
        account_id = principal.account_id
        async with database.transaction() as session:
            rows = await vector_stores.page(session, account_id, limit + 1, ascending, mark)
            shown = await shown_of(session, clock, rows)
        return page_either_way(shown, limit, lambda store: store, backwards)

    @get("/{store:str}", summary="One vector store")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        store: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            found = await vector_stores.find(session, principal.account_id, store)
            return (await shown_of(session, clock, [found]))[0]

    @post("/{store:str}", status_code=200, summary="Change its name, metadata or expiry")
    async def change(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        store: FromPath[str],
    ) -> dict[str, Any]:
        wanted = read(StoreChange, await request.body())
        async with database.transaction() as session:
            found = await vector_stores.change(session, clock, principal.account_id, store, wanted)
            return (await shown_of(session, clock, [found]))[0]

    @delete("/{store:str}", status_code=200, summary="Erase a vector store; its files stay")
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        store: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            await vector_stores.erase(session, principal.account_id, store)
        return {"id": store, "object": "vector_store.deleted", "deleted": True}

    @post("/{store:str}/search", status_code=200, summary="The passages that may answer a question")
    async def search(
        self,
        principal: NamedDependency[Principal],
        searcher: NamedDependency[Searcher],
        request: Request[Any, Any, Any],
        store: FromPath[str],
        tags: Tags = None,
    ) -> dict[str, Any]:
        wanted = read(Search, await request.body())
        queries = queries_of(wanted)
        inquiry = Inquiry(
            [store],
            queries,
            Wanted.of(wanted.max_num_results, wanted.ranking_options),
            filter_of(wanted.filters),
            tags_of({HEADER: tags.encode("latin-1")}) if tags else None,
        )
        return results_json(queries, await searcher.search(principal, inquiry))


def by_of(principal: Principal, tags: str | None) -> By:
    """Who asks, and what for. Raises ParameterInvalid."""
    named = tags_of({HEADER: tags.encode("latin-1")}) if tags else None
    return By(principal.account_id, principal.key_id, named)


async def shown_of(
    session: AsyncSession, clock: Clock, rows: Sequence[VectorStore]
) -> list[dict[str, Any]]:
    """Stores with the sizes of what is in them."""
    if not rows:
        return []
    sizes = await store_files.sizes(session, rows[0].account_id, [row.id for row in rows])
    return [store_json(row, sizes.get(row.id, {}), clock) for row in rows]


async def _create(
    clock: Clock, by: By, wanted: NewStore, model: Model, session: AsyncSession
) -> dict[str, Any]:
    store = await vector_stores.create(session, clock, by.account_id, wanted, model)
    files = [NewFile(file_id, None, wanted.chunking_strategy) for file_id in wanted.file_ids]
    await store_files.attach(session, clock, by, store, model, files)
    return (await shown_of(session, clock, [store]))[0]
