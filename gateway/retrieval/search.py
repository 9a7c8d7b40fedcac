"""Searching: questions in words to the passages that may answer them.

    stores -> the questions' vectors -> find

Owns that order, and that a question that is too long is asked by its beginning and its end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.call.values import Ask, Principal
from gateway.inference.internal_calls import Making
from gateway.retrieval import hybrid_search, vector_stores
from gateway.retrieval.embedder import Embedder, Texts, ask_of
from gateway.retrieval.hybrid_search import Passage, Question, Scope, Wanted
from gateway.retrieval.lexemes import asked
from gateway.retrieval.token_length import estimated
from gateway.tables import VectorStore
from gateway.upstream.availability import Availability
from gateway.wire.vector_stores import Filter
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Model, Retrieval

# What a usage row says of the call by which it was searched, or by which a file came in.
STORE_TAG = "vector_store"
_FRAME = 32


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is looked for, and where."""

    store_ids: Sequence[str]
    queries: Sequence[str]
    wanted: Wanted
    filter: Filter | None = None
    tags: Mapping[str, str] | None = None


class Searcher:
    """Of one gateway process."""

    def __init__(
        self,
        catalog: Catalog,
        availability: Availability,
        database: Database,
        clock: Clock,
        embedder: Embedder,
    ) -> None:
        self._catalog = catalog
        self._availability = availability
        self._database = database
        self._clock = clock
        self._embedder = embedder

    async def asks(self, principal: Principal, inquiry: Inquiry) -> list[Ask]:
        """The calls by which all stores are searched, one for each embedding model. Raises
        VectorStoreNotFound, VectorStoreExpired, EmbeddingModelChanged."""
        by_model = await self._by_model(principal, inquiry.store_ids)
        return [ask_of(_texts(inquiry, model, some)) for model, some in by_model]

    async def search(
        self, principal: Principal, inquiry: Inquiry, making: Making | None = None
    ) -> list[Passage]:
        """The best passages of all stores. Raises VectorStoreNotFound, VectorStoreExpired,
        EmbeddingModelChanged, ModelNotInstalled, and what a call can be refused for."""
        found: list[Passage] = []
        for model, some in await self._by_model(principal, inquiry.store_ids):
            texts = _texts(inquiry, model, some)
            vectors = await self._embedder.embed(principal, texts, making=making)
            questions = [
                Question(vector, asked(query))
                for vector, query in zip(vectors, inquiry.queries, strict=True)
            ]
            which = [store.id for store in some]
            scope = Scope(principal.account_id, which, inquiry.filter)
            async with self._database.transaction() as session:
                found += await hybrid_search.find(session, scope, questions, inquiry.wanted)
        found.sort(key=lambda passage: -passage.score)
        return found[: inquiry.wanted.most]

    def asked_of(self, queries: Sequence[str]) -> Ask:
        """The call by which new stores are searched, for its price. Raises ModelNotServed,
        ModelNotInstalled."""
        model = vector_stores.embedding_of(self._catalog, self._availability)
        return ask_of(Texts(model, [question_of(model, query) for query in queries]))

    async def _by_model(
        self, principal: Principal, store_ids: Sequence[str]
    ) -> list[tuple[Model, list[VectorStore]]]:
        by_model: dict[str, list[VectorStore]] = {}
        async with self._database.transaction() as session:
            for store_id in dict.fromkeys(store_ids):
                store = await vector_stores.find_usable(
                    session, self._clock, principal.account_id, store_id
                )
                by_model.setdefault(vector_stores.model_of(self._catalog, store).id, []).append(
                    store
                )
        for name in by_model:
            self._availability.require(self._catalog.models[name])
        return [(self._catalog.models[name], some) for name, some in by_model.items()]


def _texts(inquiry: Inquiry, model: Model, some: Sequence[VectorStore]) -> Texts:
    """The questions as one embedding model reads them, tagged with the first of its stores."""
    tags = {**(inquiry.tags or {}), STORE_TAG: ids.show(vector_stores.PREFIX, some[0].id)}
    return Texts(model, [question_of(model, query) for query in inquiry.queries], tags)


def question_of(model: Model, query: str) -> str:
    """As the model was trained to see one, and as much as it reads."""
    retrieval = model.retrieval or Retrieval()
    room, tokens = (model.context_length or 0) - _FRAME, estimated(query)
    if tokens > room:
        half = len(query) * room // tokens // 2
        query = f"{query[:half]}\n{query[-half:]}"
    return retrieval.query + query
