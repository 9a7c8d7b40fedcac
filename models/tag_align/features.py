"""TF-IDF features of names (words, word pairs, letter n-grams) and a cosine similarity index."""

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
MISSING_WEIGHT = 0.3


@dataclass(frozen=True, slots=True)
class Weighting:
    """Feature weights of a word, a pair of adjacent words and a letter n-gram.

    min_gram, max_gram: range of the n-gram length.
    """

    word: float
    pair: float
    gram: float
    min_gram: int
    max_gram: int


@dataclass(frozen=True, slots=True)
class Index:
    """Inverted index of TF-IDF unit vectors: a query reads only the features it shares.

    Feature `n` occurs in the names `rows[starts[n]:starts[n + 1]]`, with the `values` of the same
    slice. columns: feature number by feature.
    """

    columns: Mapping[str, int]
    idf: Floats
    starts: Rows
    rows: Rows
    values: Floats
    size: int

    def similarities(self, features: Features) -> Floats:
        """Return the cosine similarity to each name, [size]; 0 if no feature is indexed.

        Features missing from the index are left out of the query's norm: equipment names and room
        numbers must not lower the similarity.
        """
        return self._similarities(features, 0.0)

    def kernel(self, features: Features) -> Floats:
        """Return the cosine similarity to each name with missing features in the norm, [size].

        Names that share one word of many are not alike, however few words the index has. Missing
        features count MISSING_WEIGHT of indexed ones, as some are names of places.
        """
        missing = _log_scaled([value for name, value in features.items() if name not in self])
        idf_of_missing = np.log(1 + self.size) + 1
        square = MISSING_WEIGHT * float(missing @ missing) * idf_of_missing**2
        return self._similarities(features, square)

    def _similarities(self, features: Features, missing_square: float) -> Floats:
        """Return the cosines of the indexed features, with a further square in the norm, [size]."""
        shared = [(self.columns[name], value) for name, value in features.items() if name in self]
        columns = np.array([column for column, _ in shared], dtype=np.intp)
        query = _log_scaled([value for _, value in shared]) * self.idf[columns]
        cosines = np.zeros(self.size)
        if not shared:
            return cosines
        query /= np.sqrt(query @ query + missing_square)
        for column, value in zip(columns.tolist(), query.tolist(), strict=True):
            span = slice(self.starts[column], self.starts[column + 1])
            cosines[self.rows[span]] += value * self.values[span]
        return cosines

    def __contains__(self, feature: str) -> bool:
        """Whether a feature is indexed."""
        return feature in self.columns


def extract_features(variants: Iterable[Words], weighting: Weighting) -> Features:
    """Return the weighted features of all variants of a name, such as raw and expanded words."""
    weights: defaultdict[str, float] = defaultdict(float)
    for words in variants:
        for word in words:
            weights[word_feature(word)] += weighting.word
            for gram in _letter_ngrams(word, weighting):
                weights[f"g {gram}"] += weighting.gram
        if weighting.pair:
            for first, second in pairwise(words):
                weights[f"p {first} {second}"] += weighting.pair
    return weights


def word_feature(word: str) -> str:
    """Return the feature key of a whole word."""
    return f"w {word}"


def build_index(names: Sequence[Features]) -> Index:
    """Build an index of names; features are weighted by their inverse document frequency."""
    columns = {name: at for at, name in enumerate(dict.fromkeys(f for one in names for f in one))}
    at = np.array([columns[f] for one in names for f in one], dtype=np.intp)
    occurrences = np.bincount(at, minlength=len(columns))
    idf = np.log((1 + len(names)) / (1 + occurrences)) + 1
    rows = np.repeat(np.arange(len(names)), [len(one) for one in names])
    values = _log_scaled([value for one in names for value in one.values()]) * idf[at]
    lengths = np.sqrt(np.bincount(rows, values**2, minlength=len(names)))
    order = np.argsort(at, kind="stable")
    starts = np.concatenate([[0], np.cumsum(occurrences)]).astype(np.intp)
    return Index(columns, idf, starts, rows[order], (values / lengths[rows])[order], len(names))


def _log_scaled(counts: Sequence[float]) -> Floats:
    """Scale counts above 1 logarithmically (sublinear term frequency)."""
    values = np.array(counts, dtype=np.float64)
    return np.where(values > 1, 1 + np.log(np.maximum(values, 1)), values)


def _letter_ngrams(word: str, weighting: Weighting) -> Iterable[str]:
    """Yield the letter n-grams of a word with boundary marks; none of a number."""
    if word == NUMBER:
        return
    bounded = f"<{word}>"
    for size in range(weighting.min_gram, weighting.max_gram + 1):
        for start in range(len(bounded) - size + 1):
            yield bounded[start : start + size]
