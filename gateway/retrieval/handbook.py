"""Search the built-in handbook (models/handbook) in memory.

It is loaded at the first search of a process, in a thread. Queries are embedded by the model that
embedded the passages; without it, keywords find passages.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from gateway.call.values import Principal
from gateway.upstream.availability import Availability
from gateway.wire.file_search.citations import PassageSource, RetrievedPassage
from models.catalog import Catalog, Model
from models.handbook.index import HandbookIndex, load_index, passage_text
from models.handbook.keywords import KeywordIndex, index_keywords
from models.handbook.passages import HandbookInvalid, HandbookPassage, read_handbook
from models.handbook.plant_facts import PlantFactClassifier, load_classifier
from models.handbook.ranking import rank_passages

FILE_ID_PREFIX = "handbook:"


@dataclass(frozen=True, slots=True)
class _LoadedHandbook:
    """The handbook by keywords, and by embeddings unless they belong to other texts."""

    keywords: KeywordIndex
    index: HandbookIndex | None
    classifier: PlantFactClassifier | None = None
    problem: str = ""

    def asks_for_plant_facts(self, question: str, vector: Sequence[float] | None) -> bool:
        """Whether the question asks for facts of the plant; without its embedding not known."""
        if self.classifier is None or vector is None:
            return False
        return self.classifier.is_plant_fact(question, vector)


class HandbookSearcher:
    """Searches the handbook; one per gateway process, bound to one event loop."""

    def __init__(self, catalog: Catalog, availability: Availability) -> None:
        self._catalog = catalog
        self._availability = availability
        self._loading: asyncio.Task[_LoadedHandbook] | None = None
        self._log = structlog.get_logger()

    async def find_embedding_model(self, principal: Principal) -> Model | None:
        """Return the model that embeds queries, None if the account can call none."""
        index = (await self._load()).index
        model = None if index is None else self._catalog.models.get(index.embedding_model)
        if model is None or not self._availability.is_served(model):
            return None
        return model if model.id in principal.model_prices else None

    async def search(
        self, question: str, vector: Sequence[float] | None, limit: int
    ) -> list[RetrievedPassage]:
        """Return the best passages in the question's language, best first.

        `vector` is the question's embedding; without it, keywords decide. A question on facts of
        the plant has no passage.
        """
        loaded = await self._load()
        if loaded.asks_for_plant_facts(question, vector):
            return []
        index = None if vector is None else loaded.index
        # In a thread: a question may be long.
        ranked = await asyncio.to_thread(
            rank_passages, loaded.keywords, index, question, vector, limit
        )
        return [_retrieved(passage, score) for passage, score in ranked]

    async def _load(self) -> _LoadedHandbook:
        """Return the handbook, which the first caller loads for all."""
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(_load), name="handbook")
            self._loading.add_done_callback(self._report)
        return await asyncio.shield(self._loading)

    def _report(self, loading: asyncio.Task[_LoadedHandbook]) -> None:
        """Log why the handbook has no embeddings; forget a load that failed."""
        if loading.cancelled() or loading.exception() is not None:
            self._loading = None
        elif loading.result().problem:
            self._log.warning("handbook without embeddings", reason=loading.result().problem)


def _load() -> _LoadedHandbook:
    """Read the handbook and its embeddings."""
    try:
        index, classifier = load_index(), load_classifier()
    except (HandbookInvalid, OSError, KeyError, ValueError) as error:
        return _LoadedHandbook(index_keywords(read_handbook()), None, problem=str(error))
    fits = classifier.fits(index)
    return _LoadedHandbook(index_keywords(index.passages), index, classifier if fits else None)


def _retrieved(passage: HandbookPassage, score: float) -> RetrievedPassage:
    """Return a passage as a source that the answer can cite."""
    attributes = {"area": passage.area, "title": passage.title}
    if passage.source is not None:
        attributes["reference"] = passage.source
    return RetrievedPassage(
        file_id=f"{FILE_ID_PREFIX}{passage.key}",
        filename=passage.name,
        score=round(score, 4),
        attributes=attributes,
        text=passage_text(passage),
        source=PassageSource.HANDBOOK,
    )
