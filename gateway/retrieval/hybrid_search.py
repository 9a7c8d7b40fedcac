"""Finding pieces of text: by meaning, by words, and by both together.

By meaning every piece is compared: of as many as an account may have that is exact, and fast
enough (docs/decisions/0023). Words weigh the more the rarer they are. Two rankings become one by
reciprocal ranks, since a cosine and a weight of words cannot be added.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Float, Text, bindparam, cast, func, literal_column, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from gateway.retrieval.filters import condition
from gateway.retrieval.lexemes import mark_of
from gateway.tables import FileStatus, TrainingFile, VectorPiece, VectorStoreFile
from gateway.tables.retrieval import Vector
from gateway.wire.vector_stores import Filter, HybridSearch, Ranking

_CANDIDATES = 50
# What is usual: the difference between the first ranks matters, but not too much.
_DAMPING = 60
# A word in more pieces than that says little; counting it goes no further.
_COMMON = 2_000
# Of the best one's weight: what has less of it lacks the words that matter, as the fault's code.
_ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: its vector, and its words."""

    vector: Sequence[float]
    terms: Sequence[str]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where it is looked for: in stores of one account, in files that fit."""

    account_id: UUID
    stores: Sequence[UUID]
    filter: Filter | None = None

    def files(self) -> SelectOfScalar[UUID]:
        """Those that can be found."""
        query = select(col(VectorStoreFile.id)).where(
            col(VectorStoreFile.account_id) == self.account_id,
            col(VectorStoreFile.vector_store_id).in_(self.stores),
            col(VectorStoreFile.status) == FileStatus.COMPLETED,
        )
        return query if self.filter is None else query.where(condition(self.filter))


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many are wanted, of what score at least, and what counts how much."""

    most: int
    least_score: float = 0.0
    meaning: float = 1.0
    words: float = 1.0

    @classmethod
    def of(cls, most: int, ranking: Ranking | None) -> Self:
        """As OpenAI's `ranking_options` say it."""
        ranking = ranking or Ranking()
        hybrid = ranking.hybrid_search or HybridSearch()
        return cls(most, ranking.score_threshold, hybrid.embedding_weight, hybrid.text_weight)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece that was found. `score` is 1 where it is first by meaning and by words."""

    file_id: UUID
    filename: str
    vector_store_id: UUID
    attributes: Mapping[str, Any]
    text: str
    score: float


@dataclass(slots=True)
class _Scores:
    """Reciprocal ranks added up by piece; among equals those that have the words come first."""

    by_piece: dict[UUID, float] = field(default_factory=dict)
    with_words: set[UUID] = field(default_factory=set)

    def add(self, ranks: Sequence[tuple[UUID, int]], weight: float) -> None:
        for piece, rank in ranks:
            share = weight * (_DAMPING + 1) / (_DAMPING + rank)
            self.by_piece[piece] = self.by_piece.get(piece, 0.0) + share

    def best(self, wanted: Wanted, whole: float) -> list[tuple[UUID, float]]:
        order = sorted(
            self.by_piece,
            key=lambda piece: (-self.by_piece[piece], piece not in self.with_words, piece),
        )
        scored = [(piece, self.by_piece[piece] / whole) for piece in order[: wanted.most]]
        return [one for one in scored if one[1] >= wanted.least_score]


async def find(
    session: AsyncSession, scope: Scope, questions: Sequence[Question], wanted: Wanted
) -> list[Passage]:
    """The best pieces for any of the questions, the best first."""
    return await _passages(session, scope, await ranked(session, scope, questions, wanted))


async def ranked(
    session: AsyncSession, scope: Scope, questions: Sequence[Question], wanted: Wanted
) -> list[tuple[UUID, float]]:
    """The same by their ids, with their scores."""
    scores = _Scores()
    for question in questions:
        if wanted.meaning:
            scores.add(await by_meaning(session, scope, question.vector), wanted.meaning)
        if wanted.words and question.terms:
            found = await by_words(session, scope, question.terms)
            scores.add(found, wanted.words)
            scores.with_words.update(piece for piece, _ in found)
    whole = (wanted.meaning + wanted.words) * len(questions)
    return scores.best(wanted, whole or 1.0)


async def by_meaning(
    session: AsyncSession, scope: Scope, vector: Sequence[float]
) -> list[tuple[UUID, int]]:
    """The nearest pieces, with their ranks. Vectors of another length are of another model."""
    asked = bindparam("asked", vector, type_=Vector())
    distance = col(VectorPiece.embedding).op("<=>", return_type=Float())(asked)
    query = (
        select(col(VectorPiece.id))
        .where(
            col(VectorPiece.account_id) == scope.account_id,
            col(VectorPiece.vector_store_id).in_(scope.stores),
            col(VectorPiece.vector_store_file_id).in_(scope.files()),
            func.vector_dims(col(VectorPiece.embedding)) == len(vector),
        )
        .order_by(distance)
        .limit(_CANDIDATES)
    )
    return [(piece, rank) for rank, piece in enumerate(await session.scalars(query), start=1)]


async def by_words(
    session: AsyncSession, scope: Scope, terms: Sequence[str]
) -> list[tuple[UUID, int]]:
    """The pieces with the rarest of the words, with their ranks; equals share one. A word weighs as
    in BM25, but how often it comes in a piece does not matter: they are equally long."""
    asked = _unnested("asked", "term", terms)
    marks = _unnested("marks", "mark", [mark_of(store) for store in scope.stores])
    lexeme = func.quote_literal(marks.c.mark.concat(asked.c.term))
    # One word after the other, so that a common one can be left off counting.
    hits = (
        select(col(VectorPiece.id))
        .where(
            col(VectorPiece.account_id) == scope.account_id,
            col(VectorPiece.vector_store_id).in_(scope.stores),
            col(VectorPiece.words).op("@@")(cast(lexeme, _QUERY)),
            col(VectorPiece.vector_store_file_id).in_(scope.files()),
        )
        .limit(_COMMON)
        .correlate(asked, marks)
        .lateral("hits")
    )
    found = (
        select(asked.c.term, hits.c.id)
        .select_from(asked.join(marks, _TRUE).join(hits, _TRUE))
        .cte("found")
    )
    pieces = select(func.sum(col(VectorStoreFile.pieces))).where(
        col(VectorStoreFile.id).in_(scope.files())
    )
    lacking = func.greatest(pieces.scalar_subquery() - func.count(), 0) + 0.5
    rarity = (
        select(found.c.term, func.ln(1 + lacking / (func.count() + 0.5)).label("weight"))
        .group_by(found.c.term)
        .having(func.count() < _COMMON)
        .cte("rarity")
    )
    weight = func.sum(type_coerce(rarity.c.weight, Float)).label("weight")
    weighed = (
        select(found.c.id, weight)
        .join(rarity, rarity.c.term == found.c.term)
        .group_by(found.c.id)
        .order_by(weight.desc(), found.c.id)
        .limit(_CANDIDATES)
        .cte("weighed")
    )
    rank = func.rank().over(order_by=weighed.c.weight.desc())
    enough = select(func.max(weighed.c.weight) * _ENOUGH).scalar_subquery()
    query = select(weighed.c.id, rank).where(weighed.c.weight >= enough)
    return [(row[0], row[1]) for row in (await session.execute(query)).all()]


async def _passages(
    session: AsyncSession, scope: Scope, best: Sequence[tuple[UUID, float]]
) -> list[Passage]:
    query = (
        select(VectorPiece, VectorStoreFile, col(TrainingFile.filename))
        .join(VectorStoreFile, _OF_FILE)
        .join(TrainingFile, col(TrainingFile.id) == col(VectorStoreFile.file_id))
        .where(
            col(VectorPiece.id).in_([piece for piece, _ in best]),
            col(VectorPiece.account_id) == scope.account_id,
        )
    )
    rows = {piece.id: (piece, file, name) for piece, file, name in await session.execute(query)}
    passages = []
    for piece_id, score in best:
        if piece_id in rows:
            piece, file, name = rows[piece_id]
            passages.append(
                Passage(
                    file.file_id,
                    name,
                    piece.vector_store_id,
                    file.attributes,
                    piece.text,
                    round(min(score, 1.0), 4),
                )
            )
    return passages


def _unnested(table: str, column: str, texts: Sequence[str]) -> Any:
    """The texts as a table of one column."""
    rows = func.unnest(cast(list(texts), ARRAY(Text))).table_valued(column, name=table)
    return rows.render_derived()


_TRUE: Any = literal_column("true")
_OF_FILE = col(VectorStoreFile.id) == col(VectorPiece.vector_store_file_id)
_QUERY = TSQUERY()
