"""Words as weighted features, and an index that compares one name with many.

Owns what two names are compared by: whole words, pairs of neighbours and pieces of words, each
weighted by how rare it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.tag_align.naming import NUMBER, Words

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Features = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Weighting:
    """How much a word, a pair of neighbouring words and an n-gram of letters count."""

    word: float
    pair: float
    gram: float
    shortest_gram: int
    longest_gram: int


@dataclass(frozen=True, slots=True)
class Index:
    """Unit vectors of names, by feature, so that a query touches only what it shares.

    Feature `n` occurs in the names `rows[starts[n]:starts[n + 1]]`, with `values` beside them.
    """

    columns: Mapping[str, int]
    rarity: Floats
    starts: Rows
    rows: Rows
    values: Floats
    size: int

    def similarities(self, features: Features) -> Floats:
        """Cosine to each name, [size]; 0 where no feature is known. Unknown features are not seen:
        equipment names and room numbers must not dilute what is comparable."""
        known = [(self.columns[name], value) for name, value in features.items() if name in self]
        columns = np.array([column for column, _ in known], dtype=np.intp)
        query = _damped([value for _, value in known]) * self.rarity[columns]
        total = np.zeros(self.size)
        if not known:
            return total
        query /= np.linalg.norm(query)
        for column, value in zip(columns.tolist(), query.tolist(), strict=True):
            part = slice(self.starts[column], self.starts[column + 1])
            total[self.rows[part]] += value * self.values[part]
        return total

    def __contains__(self, feature: str) -> bool:
        return feature in self.columns


def features(readings: Iterable[Words], weighting: Weighting) -> Features:
    """The features of a name that may be read in several ways, such as with and without its
    abbreviations written out."""
    counted: defaultdict[str, float] = defaultdict(float)
    for words in readings:
        for word in words:
            counted[word_feature(word)] += weighting.word
            for gram in _grams(word, weighting):
                counted[f"g {gram}"] += weighting.gram
        if weighting.pair:
            for first, second in pairwise(words):
                counted[f"p {first} {second}"] += weighting.pair
    return counted


def word_feature(word: str) -> str:
    """The feature that a whole word is."""
    return f"w {word}"


def index(names: Sequence[Features]) -> Index:
    """An index of names; a feature is weighted by how few of these names have it."""
    columns = {name: at for at, name in enumerate(dict.fromkeys(f for one in names for f in one))}
    at = np.array([columns[f] for one in names for f in one], dtype=np.intp)
    occurrences = np.bincount(at, minlength=len(columns))
    rarity = np.log((1 + len(names)) / (1 + occurrences)) + 1
    rows = np.repeat(np.arange(len(names)), [len(one) for one in names])
    values = _damped([value for one in names for value in one.values()]) * rarity[at]
    lengths = np.sqrt(np.bincount(rows, values**2, minlength=len(names)))
    order = np.argsort(at, kind="stable")
    starts = np.concatenate([[0], np.cumsum(occurrences)]).astype(np.intp)
    return Index(columns, rarity, starts, rows[order], (values / lengths[rows])[order], len(names))


def _damped(counts: Sequence[float]) -> Floats:
    """A feature that comes twice says less than two features."""
    values = np.array(counts, dtype=np.float64)
    return np.where(values > 1, 1 + np.log(np.maximum(values, 1)), values)


def _grams(word: str, weighting: Weighting) -> Iterable[str]:
    if word == NUMBER:
        return
    framed = f"<{word}>"
    for size in range(weighting.shortest_gram, weighting.longest_gram + 1):
        for start in range(len(framed) - size + 1):
            yield framed[start : start + size]
