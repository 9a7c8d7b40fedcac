"""Copies of rows in a file, as two overlapping exports leave them.

A copy on the other side of a split would be predicted from itself. Rows of settings that a plant
repeats are no copies: it is their results that are to be predicted, and they are held out one by
one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.sentences import Sentence, sentence
from models.tables.columns import Column

Indices = NDArray[np.intp]
_Words = NDArray[np.uint64]
# Mixes the bits of a product, so that equal sums of columns are no equal rows.
_FACTOR, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)
# Equal pairs of rows are copies if there are more than this many times as many as the values of
# each column by itself make likely.
_MIN_EXCESS = 2.0
# With fewer different rows, each is repeated as no export is: they are settings.
_MIN_DISTINCT_SHARE = 0.25
# The same where every row is repeated as often as every other one, as by the same export again.
_MIN_DISTINCT_SHARE_OF_EQUAL = 0.1
# So many different rows are an export, however often it follows: that each of so many settings is
# repeated the same number of times, or a multiple of it, always with the same result, is no chance.
_MIN_DISTINCT_OF_EXPORT = 50
_MAX_SAMPLE = 20_000


def find_copies(columns: Sequence[Column], rows: Indices) -> Indices | None:
    """Return the position of the first row that is the same in all columns, [rows].

    Positions are those in `rows`. None if there are no copies, or if rows repeat because their
    columns have few values.
    """
    words = np.zeros(len(rows), dtype=np.uint64)
    for column in columns:
        words = _mix(words, _words(column, rows))
    _, first, inverse, counts = np.unique(
        words, return_index=True, return_inverse=True, return_counts=True
    )
    if not _least_distinct(counts) <= len(first) < len(rows):
        return None
    pairs = float((counts * (counts - 1.0)).sum() / 2)
    if pairs <= _MIN_EXCESS * _expected_pairs(columns, rows[first], len(rows)):
        return None
    return np.asarray(first[inverse], dtype=np.intp)


def _least_distinct(counts: Indices) -> float:
    """Return of how many different rows copies are, by how often each of them occurs."""
    if counts.min() == counts.max():
        return min(_MIN_DISTINCT_SHARE_OF_EQUAL * int(counts.sum()), _MIN_DISTINCT_OF_EXPORT)
    of_others = _MIN_DISTINCT_SHARE * int(counts.sum())
    # An export that itself repeats some rows has each of them a multiple of its own times.
    is_export = int(np.gcd.reduce(counts)) > 1
    return min(of_others, _MIN_DISTINCT_OF_EXPORT) if is_export else of_others


def describe_copies(copies: Indices | None) -> list[Sentence]:
    """Return a note on the number of copies."""
    if copies is None:
        return []
    count = int((copies != np.arange(len(copies))).sum())
    return [
        sentence(
            "{count} rows are the same as another row in all columns, as in overlapping exports: "
            "they are tested together with it.",
            count=count,
        )
    ]


def _mix(words: _Words, more: _Words) -> _Words:
    """Return words that tell rows apart by both."""
    mixed = (words ^ more) * _FACTOR
    return np.asarray(mixed ^ (mixed >> _SHIFT), dtype=np.uint64)


def _words(column: Column, rows: Indices) -> _Words:
    """Return a word for each row, equal for equal values; missing numbers are equal."""
    if column.numbers is not None:
        # Both zeros are equal, and so are all NaN.
        numbers = np.where(np.isnan(column.numbers[rows]), np.nan, column.numbers[rows] + 0.0)
        return np.ascontiguousarray(numbers, dtype=np.float64).view(np.uint64)
    texts = np.empty(0, dtype=object) if column.texts is None else column.texts[rows]
    codes = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    return np.array([codes[text] for text in texts], dtype=np.uint64)


def _expected_pairs(columns: Sequence[Column], distinct: Indices, count: int) -> float:
    """Return how many of the pairs of `count` rows would be equal by chance.

    distinct: rows without their copies, of which each column has its values independently.
    """
    sample = distinct[:: -(-len(distinct) // _MAX_SAMPLE)]
    size, chance = len(sample), count * (count - 1.0) / 2
    for column in columns:
        _, counts = np.unique(_words(column, sample), return_counts=True)
        chance *= float((counts * (counts - 1.0)).sum() / max(1, size * (size - 1)))
    return chance
