"""Rank the handbook's passages for a question: by embeddings and keywords, or by keywords alone."""

import re
from collections.abc import Sequence

from models.handbook.index import HandbookIndex
from models.handbook.keywords import KeywordIndex
from models.handbook.passages import HandbookPassage

_HAN = re.compile(r"[\u3400-\u9fff]")
# A passage that is this much less similar than the best is about something else. Each passage
# costs time before the first token on a CPU.
MAX_SIMILARITY_GAP = 0.04
# Of the best passage's weight, where keywords alone decide.
MIN_RELATIVE_WEIGHT = 0.5

RankedPassage = tuple[HandbookPassage, float]


def question_language(question: str) -> str:
    """Return the language of the passages that answer a question: `zh` or `en`."""
    return "zh" if _HAN.search(question) else "en"


def rank_passages(
    keywords: KeywordIndex,
    index: HandbookIndex | None,
    question: str,
    vector: Sequence[float] | None,
    limit: int,
) -> list[RankedPassage]:
    """Return at most `limit` passages with their scores, best first; those far below are left out.

    The score is the cosine similarity, or without `vector` the share of the best passage's weight.
    A vector of another model is not used.
    """
    language = question_language(question)
    if index is None or vector is None or len(vector) != index.vectors.shape[1]:
        return _by_keywords(keywords, question, language, limit)
    nearest = index.search(vector, language, limit)
    return [one for one in nearest if one[1] >= nearest[0][1] - MAX_SIMILARITY_GAP]


def _by_keywords(
    keywords: KeywordIndex, question: str, language: str, limit: int
) -> list[RankedPassage]:
    """Return the passages with the rarest words of the question."""
    found = keywords.search(question, language, limit)
    shares = [(passage, weight / found[0][1]) for passage, weight in found]
    return [one for one in shares if one[1] >= MIN_RELATIVE_WEIGHT]
