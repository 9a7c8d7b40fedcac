"""Rank the handbook's passages for a question: by embeddings and keywords, or by keywords alone."""

from collections.abc import Sequence

from models.handbook.index import HandbookIndex
from models.handbook.keywords import KeywordIndex
from models.handbook.passages import HandbookPassage
from models.languages import language_of

# What a passage with the question's rarest words gains over one without any. The passage that
# answers is first for .80 (English) and .77 (Chinese) of 493 questions, by similarity alone for .70
# and .64 (models/handbook/evaluation/search.py).
KEYWORD_GAIN = 0.05
# Passages this far below the best are left out: each costs time before the first token on a CPU.
# On average 1.8 of three are left, and the passage that answers is among them for .93 and .89 of
# the questions, instead of .94 and .90.
MAX_GAP = 0.03
# Below it a question is about something else: unrelated questions have .79 to .88, technicians'
# questions (evaluation/technician.jsonl) .86 or more.
MIN_SCORE = 0.86
# Of the best passage's weight, where keywords alone decide.
MIN_RELATIVE_WEIGHT = 0.7

RankedPassage = tuple[HandbookPassage, float]


def rank_passages(
    keywords: KeywordIndex,
    index: HandbookIndex | None,
    question: str,
    vector: Sequence[float] | None,
    limit: int,
) -> list[RankedPassage]:
    """Return at most `limit` passages with their scores, best first; those far below are left out.

    The score is the cosine similarity with a gain for keywords; without `vector`, or with one of
    another model, the share of the best passage's weight.
    """
    language = language_of(question)
    if index is None or vector is None or len(vector) != index.vectors.shape[1]:
        return _by_keywords(keywords, question, language, limit)
    count = len(index.passages)
    weights = {one.key: weight for one, weight in keywords.search(question, language, count)}
    best_weight = max(weights.values(), default=1.0)
    scored = [
        (passage, similarity + KEYWORD_GAIN * weights.get(passage.key, 0.0) / best_weight)
        for passage, similarity in index.search(vector, language, count)
    ]
    ranked = sorted(scored, key=lambda one: -one[1])[:limit]
    lowest = max(MIN_SCORE, ranked[0][1] - MAX_GAP) if ranked else 0.0
    return [(passage, min(score, 1.0)) for passage, score in ranked if score >= lowest]


def _by_keywords(
    keywords: KeywordIndex, question: str, language: str, limit: int
) -> list[RankedPassage]:
    """Return the passages with the rarest words of the question."""
    found = keywords.search(question, language, limit)
    shares = [(passage, weight / found[0][1]) for passage, weight in found]
    return [one for one in shares if one[1] >= MIN_RELATIVE_WEIGHT]
