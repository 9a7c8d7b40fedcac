"""Search vector stores: from queries in text to the passages that match them.

    load stores -> embed the queries -> hybrid search

A query that exceeds the embedding model's context is reduced to its beginning and its end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from gateway.call.values import ParsedRequest, Principal
from gateway.inference.internal.calls import InternalCallExecutor
from gateway.plant.questions.linked_files import LinkedFile, LinkedFiles
from gateway.retrieval import hybrid_search, vector_stores
from gateway.retrieval.embedder import Embedder, EmbeddingInput, Vector, embedding_request
from gateway.retrieval.hybrid_search import Passage, SearchOptions, SearchQuery, SearchScope
from gateway.retrieval.lexemes import query_terms
from gateway.retrieval.token_length import estimate_tokens
from gateway.tables import VectorStore
from gateway.upstream.availability import Availability
from gateway.wire.vector_stores import Filter
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Model, Retrieval

# The usage tag of the embedding calls of searches and of ingestion.
STORE_TAG = "vector_store"
HANDBOOK_STORE = "handbook"
# Left free for the prefix and for errors of the estimate.
_RESERVED_TOKENS = 32


@dataclass(frozen=True, slots=True)
class VectorStoreQuery:
    """The queries of a search, and the stores that are searched.

    `handbook_model` also embeds the queries, to search the handbook; None if it is not searched.
    With `uses_plant_graph`, files that the plant graph links to the queries are ranked higher.
    """

    store_ids: Sequence[str]
    queries: Sequence[str]
    options: SearchOptions
    filter: Filter | None = None
    tags: Mapping[str, str] | None = None
    handbook_model: Model | None = None
    uses_plant_graph: bool = True


@dataclass(frozen=True, slots=True)
class FoundPassages:
    """The passages of a search, best first, and the embeddings of its queries by model."""

    passages: Sequence[Passage] = ()
    vectors: Mapping[str, Sequence[Vector]] = field(default_factory=dict)


class VectorStoreSearcher:
    """Search in an account's vector stores; one per gateway process."""

    def __init__(
        self,
        catalog: Catalog,
        availability: Availability,
        database: Database,
        clock: Clock,
        embedder: Embedder,
        linked_files: LinkedFiles,
    ) -> None:
        self._catalog = catalog
        self._availability = availability
        self._database = database
        self._clock = clock
        self._embedder = embedder
        self._linked_files = linked_files

    async def embedding_requests(
        self, principal: Principal, query: VectorStoreQuery
    ) -> list[ParsedRequest]:
        """Return the embedding calls that the search makes, one per embedding model.

        Raises VectorStoreNotFound, VectorStoreExpired, EmbeddingModelChanged.
        """
        by_model = await self._group_stores_by_model(principal, query)
        return [
            embedding_request(_embedding_input(query, model, stores)) for model, stores in by_model
        ]

    async def search(
        self,
        principal: Principal,
        query: VectorStoreQuery,
        caller: InternalCallExecutor | None = None,
    ) -> list[Passage]:
        """Return the best passages of all stores, best first. Raises as `find`."""
        return list((await self.find(principal, query, caller)).passages)

    async def find(
        self,
        principal: Principal,
        query: VectorStoreQuery,
        caller: InternalCallExecutor | None = None,
    ) -> FoundPassages:
        """Embed the queries, once per model, and return the best passages of all stores.

        Raises VectorStoreNotFound, VectorStoreExpired, EmbeddingModelChanged, ModelNotInstalled,
        and the errors of a call.
        """
        passages: list[Passage] = []
        linked: Mapping[UUID, LinkedFile] = {}
        if query.uses_plant_graph and query.store_ids:
            linked = await self._linked_files.find(principal.account_id, query.queries)
        vectors_by_model: dict[str, Sequence[Vector]] = {}
        for model, stores in await self._group_stores_by_model(principal, query):
            texts = _embedding_input(query, model, stores)
            vectors = await self._embedder.embed(principal, texts, caller=caller)
            vectors_by_model[model.id] = vectors
            if not stores:
                continue
            search_queries = [
                SearchQuery(vector, query_terms(text))
                for vector, text in zip(vectors, query.queries, strict=True)
            ]
            store_ids = [store.id for store in stores]
            scope = SearchScope(principal.account_id, store_ids, query.filter)
            async with self._database.transaction() as session:
                passages += await hybrid_search.search_passages(
                    session, scope, search_queries, query.options, linked
                )
        passages.sort(key=lambda passage: -passage.score)
        return FoundPassages(passages[: query.options.limit], vectors_by_model)

    def price_request(self, queries: Sequence[str]) -> ParsedRequest:
        """Build the embedding call that a search for these queries would make, to price it.

        It uses the embedding model of new stores.

        Raises ModelServerNotFound, ModelNotInstalled.
        """
        model = vector_stores.select_embedding_model(self._catalog, self._availability)
        return embedding_request(
            EmbeddingInput(model, [format_query(model, query) for query in queries])
        )

    async def _group_stores_by_model(
        self, principal: Principal, query: VectorStoreQuery
    ) -> list[tuple[Model, list[VectorStore]]]:
        """Return the stores grouped by the embedding model of their vectors.

        The handbook's model may have no store.
        """
        by_model: dict[str, list[VectorStore]] = {}
        if query.handbook_model is not None:
            by_model[query.handbook_model.id] = []
            if not query.store_ids:
                return [(query.handbook_model, [])]
        async with self._database.transaction() as session:
            for store_id in dict.fromkeys(query.store_ids):
                store = await vector_stores.find_active_store(
                    session, self._clock, principal.account_id, store_id
                )
                by_model.setdefault(
                    vector_stores.require_store_model(self._catalog, store).id, []
                ).append(store)
        for name in by_model:
            self._availability.require_served(self._catalog.models[name])
        return [(self._catalog.models[name], stores) for name, stores in by_model.items()]


def _embedding_input(
    query: VectorStoreQuery, model: Model, stores: Sequence[VectorStore]
) -> EmbeddingInput:
    """Return the queries formatted for the model, tagged with the id of the first store.

    Without a store, they are for the handbook, and tagged with its name.
    """
    store = ids.format_id(vector_stores.PREFIX, stores[0].id) if stores else HANDBOOK_STORE
    tags = {**(query.tags or {}), STORE_TAG: store}
    return EmbeddingInput(model, [format_query(model, text) for text in query.queries], tags)


def format_query(model: Model, query: str) -> str:
    """Return the query with the model's query prefix, shortened to the model's context."""
    retrieval = model.retrieval or Retrieval()
    max_tokens, tokens = (model.context_length or 0) - _RESERVED_TOKENS, estimate_tokens(query)
    if tokens > max_tokens:
        half = len(query) * max_tokens // tokens // 2
        query = f"{query[:half]}\n{query[-half:]}"
    return retrieval.query + query
