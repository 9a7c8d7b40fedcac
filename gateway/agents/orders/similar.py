"""Which earlier work orders and failure modes are like a work order, by their words; pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.agents.orders.history import FailureMode, Named, OrderHistory, PlantOrder
from models.grounding.words import find_terms

MIN_SIMILARITY, MAX_MODES, MAX_PARTS = 0.1, 3, 10


@dataclass(frozen=True, slots=True)
class SimilarOrder:
    """An earlier work order and its similarity, 0 to 1."""

    order: PlantOrder
    similarity: float


@dataclass(frozen=True, slots=True)
class LikelyMode:
    """A failure mode, how often earlier orders of the asset found it, and its score."""

    mode: FailureMode
    count: int
    score: float


@dataclass(frozen=True, slots=True)
class OrderFindings:
    """What the plant model says about a work order."""

    modes: Sequence[LikelyMode]
    similar: Sequence[SimilarOrder]
    parts: Sequence[Named]


def find_similar(order: PlantOrder, history: OrderHistory, most: int) -> OrderFindings:
    """Return the likeliest failure modes, the most similar earlier orders, and their parts.

    A failure mode scores by the words of its name, and by the similarity of orders that found it.
    """
    earlier = [one for one in history.orders if one.id != order.id]
    weights = _weights([order.text, *(one.text for one in earlier)])
    asked = find_terms(order.text)
    scored = [SimilarOrder(one, _cosine(asked, find_terms(one.text), weights)) for one in earlier]
    ranked = sorted(scored, key=lambda one: (-one.similarity, one.order.code))
    similar = [one for one in ranked if one.similarity >= MIN_SIMILARITY][:most]
    counts = Counter(code for one in earlier for code in one.modes)
    modes = [
        LikelyMode(mode, counts[mode.code], _score(mode, asked, ranked)) for mode in history.modes
    ]
    likely = sorted(
        (one for one in modes if one.score >= MIN_SIMILARITY),
        key=lambda one: (-one.score, -one.count, one.mode.code),
    )
    parts = {part.code: part for one in similar for part in one.order.parts}
    return OrderFindings(likely[:MAX_MODES], similar, list(parts.values())[:MAX_PARTS])


def _weights(texts: Sequence[str]) -> Mapping[str, float]:
    """Return the weight of each word: the rarer, the more it says."""
    counts = Counter(word for text in texts for word in find_terms(text))
    return {word: math.log1p(len(texts) / count) for word, count in counts.items()}


def _cosine(one: frozenset[str], other: frozenset[str], weights: Mapping[str, float]) -> float:
    """Return the weighted share of words that two texts have in common."""
    norm = math.sqrt(_mass(one, weights) * _mass(other, weights))
    return _mass(one & other, weights) / norm if norm else 0.0


def _mass(some: frozenset[str], weights: Mapping[str, float]) -> float:
    """Return the sum of squared weights."""
    return sum(weights.get(word, 1.0) ** 2 for word in some)


def _score(mode: FailureMode, asked: frozenset[str], ranked: Sequence[SimilarOrder]) -> float:
    """Return how likely a failure mode is, for ranking; it is no probability."""
    name = find_terms(f"{mode.name} {mode.code.replace('_', ' ')}")
    named = len(name & asked) / len(name) if name else 0.0
    seen = max((one.similarity for one in ranked if mode.code in one.order.modes), default=0.0)
    return max(named, seen)
