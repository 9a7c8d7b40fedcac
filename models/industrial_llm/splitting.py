"""Split examples into training, validation and test parts without near-duplicate texts.

Work orders repeat: a memorized order would pass as understanding if another part had the same
sentence with another asset number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infra.lazy_import import LazyModule
from models.industrial_llm.examples import DatasetSplit, Example, stable_hash

if TYPE_CHECKING:
    from scipy import sparse
else:
    sparse = LazyModule("scipy.sparse")

# Jaccard similarity of the trigrams of two texts; `pump leaking` and `pump leaks` are below it.
SIMILARITY_THRESHOLD = 0.8
VALIDATION_PERCENT, TEST_PERCENT = 10, 20
"""Percent of the groups of near-duplicate texts."""

_DIGITS, _PUNCTUATION = re.compile(r"\d+"), re.compile(r"[\W_]+")


def normalize_text(text: str) -> str:
    """Return a text in lower case, with digits replaced by 0 and punctuation by spaces."""
    return _PUNCTUATION.sub(" ", _DIGITS.sub("0", text.casefold())).strip()


def near_duplicate_matrix(first: Sequence[str], second: Sequence[str]) -> "sparse.csr_matrix":
    """Return a sparse matrix [first, second], true where two texts are equal or nearly equal.

    Texts are near duplicates if the Jaccard similarity of their trigrams is at least
    SIMILARITY_THRESHOLD.
    """
    vectorizer = _TrigramVectorizer()
    first_matrix, second_matrix = vectorizer.matrix(first), vectorizer.matrix(second)
    width = max(first_matrix.shape[1], second_matrix.shape[1])
    first_matrix.resize(first_matrix.shape[0], width)
    second_matrix.resize(second_matrix.shape[0], width)
    shared = (first_matrix @ second_matrix.T).tocoo()
    sizes = (
        first_matrix.sum(axis=1).A1[shared.row]
        + second_matrix.sum(axis=1).A1[shared.col]
        - shared.data
    )
    is_near = shared.data >= SIMILARITY_THRESHOLD * sizes
    coordinates = (shared.row[is_near], shared.col[is_near])
    return sparse.csr_matrix((np.ones(is_near.sum(), bool), coordinates), shape=shared.shape)


def remove_near_duplicates(split: DatasetSplit) -> DatasetSplit:
    """Remove training and validation examples that nearly repeat a text of a later part.

    Test keeps all examples, validation loses those near test, training those near either.
    """
    validation = _exclude_near_duplicates(split.validation, split.test)
    return DatasetSplit(
        _exclude_near_duplicates(split.train, (*validation, *split.test)), validation, split.test
    )


def split_by_group(examples: Sequence[Example]) -> DatasetSplit:
    """Split examples by groups of near-duplicate texts, each group in one part.

    The part of a group depends on its texts alone.
    """
    assigned = [
        _assign_part(group)
        for group in group_near_duplicates([example.text for example in examples], examples)
    ]
    train, validation, test = (
        tuple(example for part, group in assigned if part == name for example in group)
        for name in ("train", "validation", "test")
    )
    # Groups keep near duplicates in one part already; the removal is a safeguard.
    return remove_near_duplicates(DatasetSplit(train, validation, test))


def split_by_fold(examples: Sequence[Example], fold: int, folds: int) -> DatasetSplit:
    """Return one cross-validation fold as test and the other examples as training examples."""
    # Ordered by a hash, so that the folds have equal sizes.
    shuffled = sorted(examples, key=lambda example: stable_hash(example.text))
    test = set(shuffled[fold::folds])
    train = tuple(example for example in examples if example not in test)
    return remove_near_duplicates(
        DatasetSplit(train=train, test=tuple(example for example in examples if example in test))
    )


def group_near_duplicates(texts: Sequence[str], examples: Sequence[Example]) -> list[list[Example]]:
    """Group examples whose texts are near duplicates, directly or through others."""
    _, labels = sparse.csgraph.connected_components(
        near_duplicate_matrix(texts, texts), directed=False
    )
    numbered = sorted(zip(labels.tolist(), range(len(examples)), strict=True))
    return [
        [examples[index] for _, index in members] for _, members in groupby(numbered, itemgetter(0))
    ]


def _exclude_near_duplicates(
    examples: tuple[Example, ...], references: tuple[Example, ...]
) -> tuple[Example, ...]:
    """Return the examples whose texts are not close to a reference."""
    if not (examples and references):
        return examples
    is_near_any: NDArray[np.bool_] = np.asarray(
        near_duplicate_matrix(
            [example.text for example in examples], [example.text for example in references]
        ).sum(axis=1)
    ).ravel()
    return tuple(
        example
        for example, is_duplicate in zip(examples, is_near_any, strict=True)
        if not is_duplicate
    )


def _assign_part(group: list[Example]) -> tuple[str, list[Example]]:
    """Assign a group to training, validation or test by a hash of its texts."""
    percent = stable_hash(min(example.text for example in group)) % 100
    if percent < TEST_PERCENT:
        return "test", group
    return ("validation" if percent < TEST_PERCENT + VALIDATION_PERCENT else "train"), group


@dataclass(slots=True)
class _TrigramVectorizer:
    """Maps texts to sparse vectors of character trigrams, numbered in order of appearance."""

    columns: dict[str, int] = field(default_factory=dict)

    def matrix(self, texts: Sequence[str]) -> "sparse.csr_matrix":
        """Return a sparse matrix [texts, trigrams] with 1 for each trigram of a text."""
        rows = [sorted({self._column(trigram) for trigram in _trigrams(text)}) for text in texts]
        row_ends = np.cumsum([0, *map(len, rows)])
        ones = np.ones(row_ends[-1], dtype=np.int32)
        columns = np.array([column for row in rows for column in row], dtype=np.intp)
        return sparse.csr_matrix((ones, columns, row_ends), shape=(len(texts), len(self.columns)))

    def _column(self, trigram: str) -> int:
        """Return the column of a trigram, adding a new one if needed."""
        return self.columns.setdefault(trigram, len(self.columns))


def _trigrams(text: str) -> set[str]:
    """Return the character trigrams of a normalized, padded text."""
    padded = f"  {normalize_text(text)}  "
    return {padded[start : start + 3] for start in range(len(padded) - 2)}
