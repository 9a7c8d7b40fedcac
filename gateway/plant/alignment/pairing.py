"""Pair the points of two plants by concept.

    points with concepts -> groups by concept -> pairs of the most similar names, one to one

A pair's confidence is the probability of both concepts, and how much better the two points fit each
other than their best alternatives. Units of a pair are compared; a conversion has a factor and an
offset: value of the second plant × factor + offset.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.plant.assets.units import canonical_unit
from gateway.plant.assets.values import Concept
from models.units import Conversion, UnitMismatch, UnitUnknown, unit_conversion

_WORD = re.compile("[\\u4e00-\\u9fff]|[^\\W\\d_\\u4e00-\\u9fff]+|\\d+")
# A word that more points of a concept have says nothing of which one is meant.
_MAX_SHARED = 200
# The similarity that the other points of a concept have together, whatever their names.
_OTHERS = 0.1
_DIGITS = 4


class UnitRelation(StrEnum):
    """How the units of two points relate."""

    SAME = "same"
    CONVERTIBLE = "convertible"
    INCONVERTIBLE = "inconvertible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PlantPointView:
    """A point to pair. `probability` is that of its concept: 1 if a person confirmed it."""

    tag: str
    name: str
    asset: str
    unit: str
    concept: Concept
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class UnitComparison:
    """The relation of two units; factor and offset convert values of the second to the first."""

    relation: UnitRelation
    factor: float | None = None
    offset: float | None = None


@dataclass(frozen=True, slots=True)
class PointPair:
    """Two points with the same concept. `confidence` is from 0 to 1."""

    first: PlantPointView
    second: PlantPointView
    confidence: float
    units: UnitComparison


@dataclass(frozen=True, slots=True)
class Comparison:
    """The pairs of two plants, most confident first, and the points of shared concepts left over.

    only_first, only_second: numbers of points by concept that the other plant does not have.
    """

    pairs: tuple[PointPair, ...]
    unpaired_first: tuple[PlantPointView, ...]
    unpaired_second: tuple[PlantPointView, ...]
    only_first: Mapping[Concept, int]
    only_second: Mapping[Concept, int]


def compare_points(first: Iterable[PlantPointView], second: Iterable[PlantPointView]) -> Comparison:
    """Pair points with the same concept."""
    left, right = _by_concept(first), _by_concept(second)
    shared = [concept for concept in left if concept in right]
    pairs = [pair for one in shared for pair in _pair_group(left[one], right[one])]
    pairs.sort(key=lambda pair: (-pair.confidence, pair.first.tag, pair.second.tag))
    paired_first = {pair.first.tag for pair in pairs}
    paired_second = {pair.second.tag for pair in pairs}
    return Comparison(
        tuple(pairs),
        tuple(one for key in shared for one in left[key] if one.tag not in paired_first),
        tuple(one for key in shared for one in right[key] if one.tag not in paired_second),
        {concept: len(found) for concept, found in left.items() if concept not in right},
        {concept: len(found) for concept, found in right.items() if concept not in left},
    )


def compare_units(first: str, second: str) -> UnitComparison:
    """Compare two units, in any spelling."""
    own, other = canonical_unit(first), canonical_unit(second)
    if not own or not other:
        return UnitComparison(UnitRelation.UNKNOWN)
    if own == other:
        return UnitComparison(UnitRelation.SAME, 1.0, 0.0)
    try:
        found: Conversion = unit_conversion(other, own)
    except UnitMismatch:
        return UnitComparison(UnitRelation.INCONVERTIBLE)
    except UnitUnknown:
        return UnitComparison(UnitRelation.UNKNOWN)
    is_same = (found.scale, found.offset) == (1.0, 0.0)
    relation = UnitRelation.SAME if is_same else UnitRelation.CONVERTIBLE
    return UnitComparison(relation, found.scale, found.offset)


def _by_concept(points: Iterable[PlantPointView]) -> dict[Concept, list[PlantPointView]]:
    """Return points by concept."""
    found: dict[Concept, list[PlantPointView]] = defaultdict(list)
    for point in points:
        found[point.concept].append(point)
    return found


def _pair_group(left: Sequence[PlantPointView], right: Sequence[PlantPointView]) -> list[PointPair]:
    """Pair the points of one concept: those of the most similar names first."""
    if len(left) == len(right) == 1:
        return [_pair(left[0], right[0], 1.0)]
    similarities = _similarities(left, right)
    by_left, by_right = _sorted_values(similarities, 0), _sorted_values(similarities, 1)
    taken_left: set[int] = set()
    taken_right: set[int] = set()
    pairs = []
    for (at, to), similarity in sorted(similarities.items(), key=lambda one: (-one[1], one[0])):
        if at in taken_left or to in taken_right:
            continue
        taken_left.add(at)
        taken_right.add(to)
        rival = max(_best_other(by_left[at], similarity), _best_other(by_right[to], similarity))
        certainty = similarity / (similarity + rival + _OTHERS)
        pairs.append(_pair(left[at], right[to], certainty))
    return pairs


def _pair(first: PlantPointView, second: PlantPointView, certainty: float) -> PointPair:
    """Return a pair with its confidence and the comparison of its units."""
    confidence = round(first.probability * second.probability * certainty, _DIGITS)
    return PointPair(first, second, confidence, compare_units(first.unit, second.unit))


def _similarities(
    left: Sequence[PlantPointView], right: Sequence[PlantPointView]
) -> dict[tuple[int, int], float]:
    """Return the share of common words of points that have an uncommon one in common."""
    words = [[_words(point) for point in side] for side in (left, right)]
    found: dict[tuple[int, int], float] = {}
    by_word: dict[str, list[int]] = defaultdict(list)
    for to, each in enumerate(words[1]):
        for word in each:
            by_word[word].append(to)
    for at, each in enumerate(words[0]):
        near = {to for word in each if len(by_word.get(word, ())) <= _MAX_SHARED
                for to in by_word.get(word, ())}  # fmt: skip
        for to in near:
            other = words[1][to]
            found[at, to] = len(each & other) / len(each | other)
    return found


def _words(point: PlantPointView) -> frozenset[str]:
    """Return the words and numbers of a point's tag, name and asset."""
    text = f"{point.tag} {point.name} {point.asset}".casefold()
    return frozenset(word.lstrip("0") or "0" for word in _WORD.findall(text))


def _sorted_values(
    similarities: Mapping[tuple[int, int], float], side: int
) -> dict[int, list[float]]:
    """Return the similarities of each point of a side, highest first."""
    found: dict[int, list[float]] = defaultdict(list)
    for key, similarity in similarities.items():
        found[key[side]].append(similarity)
    for values in found.values():
        values.sort(reverse=True)
    return found


def _best_other(values: Sequence[float], similarity: float) -> float:
    """Return the highest similarity beside one of them, 0 without another."""
    if len(values) < 2:
        return 0.0
    return values[1] if values[0] == similarity else values[0]


def count_relations(pairs: Iterable[PointPair]) -> dict[str, int]:
    """Return the number of pairs by the relation of their units."""
    found = Counter(pair.units.relation.value for pair in pairs)
    return {relation.value: found[relation.value] for relation in UnitRelation}
