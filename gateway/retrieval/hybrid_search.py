"""Search chunks by vector similarity, by keywords, and by both (reciprocal rank fusion).

Vector search compares every chunk: exact, and fast enough for the number of chunks an account may
have (docs/decisions/0023). Keyword weights follow BM25's inverse document frequency. The rankings
are combined by reciprocal ranks because a cosine distance and a keyword weight are not on the same
scale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Float, Text, bindparam, cast, func, literal_column, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from gateway.plant.questions.linked_files import LinkedFile
from gateway.retrieval.filters import filter_condition
from gateway.retrieval.lexemes import store_prefix
from gateway.tables import FileStatus, TrainingFile, VectorPiece, VectorStoreFile
from gateway.tables.retrieval import Vector
from gateway.wire.vector_stores import Filter, HybridSearchWeights, RankingOptions

_MAX_CANDIDATES = 50
# The usual constant k of reciprocal rank fusion: it damps the difference between the first ranks.
_RRF_K = 60
# A term found in this many chunks is not selective: counting stops here and it is ignored.
_MAX_TERM_HITS = 2_000
# Of the best chunk's weight: a chunk below it lacks the decisive terms, such as the fault code.
_MIN_RELATIVE_WEIGHT = 0.5
# Weights are compared to the ninth digit.
_WEIGHT_UNITS = 1e9
# Of the ranking by the plant graph, beside 1 for vectors and 1 for keywords.
LINK_WEIGHT = 1.0
_MAX_LINKED = 20


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A query: its embedding and its search terms."""

    vector: Sequence[float]
    terms: Sequence[str]


@dataclass(frozen=True, slots=True)
class SearchScope:
    """Which chunks are searched: an account's vector stores, and the files that match a filter.

    `file_ids` restricts them to these uploaded files.
    """

    account_id: UUID
    stores: Sequence[UUID]
    filter: Filter | None = None
    file_ids: Sequence[UUID] | None = None

    def files(self) -> SelectOfScalar[UUID]:
        """Return a query for the ids of the files in scope; only completed files are searched."""
        query = select(col(VectorStoreFile.id)).where(
            col(VectorStoreFile.account_id) == self.account_id,
            col(VectorStoreFile.vector_store_id).in_(self.stores),
            col(VectorStoreFile.status) == FileStatus.COMPLETED,
        )
        if self.file_ids is not None:
            query = query.where(col(VectorStoreFile.file_id).in_(self.file_ids))
        return query if self.filter is None else query.where(filter_condition(self.filter))


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How many results to return, their minimum score (0 to 1), and the weight of each ranking."""

    limit: int
    min_score: float = 0.0
    vector_weight: float = 1.0
    keyword_weight: float = 1.0

    @classmethod
    def of(cls, limit: int, ranking: RankingOptions | None) -> Self:
        """Build the options from a result limit and OpenAI's `ranking_options`."""
        ranking = ranking or RankingOptions()
        hybrid = ranking.hybrid_search or HybridSearchWeights()
        return cls(limit, ranking.score_threshold, hybrid.embedding_weight, hybrid.text_weight)


@dataclass(frozen=True, slots=True)
class Passage:
    """A search result. The score is 1 for a chunk that is first in both rankings.

    `path` are the triples by which the plant graph links its file to what the search names.
    """

    file_id: UUID
    filename: str
    vector_store_id: UUID
    attributes: Mapping[str, Any]
    text: str
    score: float
    path: tuple[str, ...] = ()


@dataclass(slots=True)
class _FusedScores:
    """Reciprocal rank fusion: scores summed by chunk; ties go to chunks with a keyword match."""

    by_chunk: dict[UUID, float] = field(default_factory=dict)
    with_keywords: set[UUID] = field(default_factory=set)

    def add(self, ranks: Sequence[tuple[UUID, int]], weight: float) -> None:
        """Add a ranking (chunk id, rank from 1) with its weight."""
        for chunk_id, rank in ranks:
            score = weight * (_RRF_K + 1) / (_RRF_K + rank)
            self.by_chunk[chunk_id] = self.by_chunk.get(chunk_id, 0.0) + score

    def best(self, options: SearchOptions, max_score: float) -> list[tuple[UUID, float]]:
        """Return the best chunks with their scores, normalised by the maximum score."""
        ordered = sorted(
            self.by_chunk,
            key=lambda chunk_id: (
                -self.by_chunk[chunk_id],
                chunk_id not in self.with_keywords,
                chunk_id,
            ),
        )
        scored = [
            (chunk_id, self.by_chunk[chunk_id] / max_score) for chunk_id in ordered[: options.limit]
        ]
        return [(chunk_id, score) for chunk_id, score in scored if score >= options.min_score]


async def search_passages(
    session: AsyncSession,
    scope: SearchScope,
    queries: Sequence[SearchQuery],
    options: SearchOptions,
    linked: Mapping[UUID, LinkedFile] | None = None,
) -> list[Passage]:
    """Return the passages that best match any of the queries, best first.

    Those of `linked` files, by file id, are ranked higher the fewer hops there are.
    """
    linked = linked or {}
    best = await rank_chunks(session, scope, queries, options, linked)
    return await _load_passages(session, scope, best, linked)


async def rank_chunks(
    session: AsyncSession,
    scope: SearchScope,
    queries: Sequence[SearchQuery],
    options: SearchOptions,
    linked: Mapping[UUID, LinkedFile] | None = None,
) -> list[tuple[UUID, float]]:
    """Return the ids and scores of the chunks that best match any of the queries, best first."""
    scores = await _fuse(session, scope, queries, options)
    if linked:
        scores.add(await _linked_ranks(session, scope, queries, options, linked), LINK_WEIGHT)
    max_score = (options.vector_weight + options.keyword_weight) * len(queries)
    return scores.best(options, max_score or 1.0)


async def _linked_ranks(
    session: AsyncSession,
    scope: SearchScope,
    queries: Sequence[SearchQuery],
    options: SearchOptions,
    linked: Mapping[UUID, LinkedFile],
) -> list[tuple[UUID, int]]:
    """Return the best chunks of linked files with their ranks: by hops, then by the search."""
    narrow = replace(scope, file_ids=list(linked))
    scores = (await _fuse(session, narrow, queries, options)).by_chunk
    query = (
        select(VectorPiece.id, VectorStoreFile.file_id)
        .join(VectorStoreFile, _CHUNK_FILE_JOIN)
        .where(col(VectorPiece.account_id) == scope.account_id, col(VectorPiece.id).in_(scores))
    )
    hops = {chunk: linked[file].hops for chunk, file in await session.execute(query)}
    ordered = sorted(hops, key=lambda chunk: (hops[chunk], -scores[chunk], chunk))
    return [(chunk, rank) for rank, chunk in enumerate(ordered[:_MAX_LINKED], start=1)]


async def _fuse(
    session: AsyncSession,
    scope: SearchScope,
    queries: Sequence[SearchQuery],
    options: SearchOptions,
) -> _FusedScores:
    """Return the scores of the chunks that match any of the queries."""
    scores = _FusedScores()
    for query in queries:
        if options.vector_weight:
            scores.add(await vector_search(session, scope, query.vector), options.vector_weight)
        if options.keyword_weight and query.terms:
            matches = await keyword_search(session, scope, query.terms)
            scores.add(matches, options.keyword_weight)
            scores.with_keywords.update(chunk_id for chunk_id, _ in matches)
    return scores


async def vector_search(
    session: AsyncSession, scope: SearchScope, vector: Sequence[float]
) -> list[tuple[UUID, int]]:
    """Return the nearest chunks by cosine distance, with their ranks from 1.

    Embeddings of another dimension belong to another model and are skipped.
    """
    query_vector = bindparam("query_vector", vector, type_=Vector())
    distance = col(VectorPiece.embedding).op("<=>", return_type=Float())(query_vector)
    query = (
        select(col(VectorPiece.id))
        .where(
            col(VectorPiece.account_id) == scope.account_id,
            col(VectorPiece.vector_store_id).in_(scope.stores),
            col(VectorPiece.vector_store_file_id).in_(scope.files()),
            func.vector_dims(col(VectorPiece.embedding)) == len(vector),
        )
        .order_by(distance, col(VectorPiece.id))
        .limit(_MAX_CANDIDATES)
    )
    return [(chunk_id, rank) for rank, chunk_id in enumerate(await session.scalars(query), start=1)]


async def keyword_search(
    session: AsyncSession, scope: SearchScope, terms: Sequence[str]
) -> list[tuple[UUID, int]]:
    """Return the chunks that contain the rarest of the terms, with their ranks (ties share one).

    Terms weigh as in BM25 without the term frequency, since chunks are about equally long.
    """
    term_table = _text_table("term_table", "term", terms)
    prefixes = _text_table("prefixes", "prefix", [store_prefix(store) for store in scope.stores])
    lexeme = func.quote_literal(prefixes.c.prefix.concat(term_table.c.term))
    # One lateral query per term, so that the limit stops counting a common term.
    hits = (
        select(col(VectorPiece.id))
        .where(
            col(VectorPiece.account_id) == scope.account_id,
            col(VectorPiece.vector_store_id).in_(scope.stores),
            col(VectorPiece.words).op("@@")(cast(lexeme, _TSQUERY)),
            col(VectorPiece.vector_store_file_id).in_(scope.files()),
        )
        .limit(_MAX_TERM_HITS)
        .correlate(term_table, prefixes)
        .lateral("hits")
    )
    matches = (
        select(term_table.c.term, hits.c.id)
        .select_from(term_table.join(prefixes, _TRUE).join(hits, _TRUE))
        .cte("matches")
    )
    chunk_count = select(func.sum(col(VectorStoreFile.pieces))).where(
        col(VectorStoreFile.id).in_(scope.files())
    )
    chunks_without = func.greatest(chunk_count.scalar_subquery() - func.count(), 0) + 0.5
    term_weights = (
        select(matches.c.term, func.ln(1 + chunks_without / (func.count() + 0.5)).label("weight"))
        .group_by(matches.c.term)
        .having(func.count() < _MAX_TERM_HITS)
        .cte("term_weights")
    )
    # Rounded: sums of the same weights in another order differ in the last digit, and are equal.
    total = func.sum(type_coerce(term_weights.c.weight, Float))
    weight = func.round(total * _WEIGHT_UNITS).label("weight")
    weighted = (
        select(matches.c.id, weight)
        .join(term_weights, term_weights.c.term == matches.c.term)
        .group_by(matches.c.id)
        .order_by(weight.desc(), matches.c.id)
        .limit(_MAX_CANDIDATES)
        .cte("weighted")
    )
    rank = func.rank().over(order_by=weighted.c.weight.desc())
    min_weight = select(func.max(weighted.c.weight) * _MIN_RELATIVE_WEIGHT).scalar_subquery()
    query = select(weighted.c.id, rank).where(weighted.c.weight >= min_weight)
    return [(row[0], row[1]) for row in (await session.execute(query)).all()]


async def _load_passages(
    session: AsyncSession,
    scope: SearchScope,
    best: Sequence[tuple[UUID, float]],
    linked: Mapping[UUID, LinkedFile],
) -> list[Passage]:
    """Return the passages of ranked chunks; chunks deleted meanwhile are omitted."""
    query = (
        select(VectorPiece, VectorStoreFile, col(TrainingFile.filename))
        .join(VectorStoreFile, _CHUNK_FILE_JOIN)
        .join(TrainingFile, col(TrainingFile.id) == col(VectorStoreFile.file_id))
        .where(
            col(VectorPiece.id).in_([chunk for chunk, _ in best]),
            col(VectorPiece.account_id) == scope.account_id,
        )
    )
    rows = {
        chunk.id: (chunk, file, filename) for chunk, file, filename in await session.execute(query)
    }
    passages = []
    for chunk_id, score in best:
        if chunk_id in rows:
            chunk, file, filename = rows[chunk_id]
            passages.append(
                Passage(
                    file.file_id,
                    filename,
                    chunk.vector_store_id,
                    file.attributes,
                    chunk.text,
                    round(min(score, 1.0), 4),
                    linked[file.file_id].path if file.file_id in linked else (),
                )
            )
    return passages


def _text_table(table: str, column: str, texts: Sequence[str]) -> Any:
    """Return the texts as a table of one column (`unnest`)."""
    rows = func.unnest(cast(list(texts), ARRAY(Text))).table_valued(column, name=table)
    return rows.render_derived()


_TRUE: Any = literal_column("true")
_CHUNK_FILE_JOIN = col(VectorStoreFile.id) == col(VectorPiece.vector_store_file_id)
_TSQUERY = TSQUERY()
