"""Find columns that by themselves tell the target: they would not be known when the model is asked.

Examples are a column with the repair's code beside the target "failed", a copy of the target in
another unit, or a serial number that was given after the inspection. The check of a file names
them, where the customer can still leave them out, and so does a training.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.sentences import Sentence, sentence
from models.tables.columns import Column
from models.tabular.data import Floats, Goal, Indices, TabularData

# A column by itself that predicts held-out rows so well is not a measurement.
_MIN_ACCURACY_GAIN, _MIN_EXPLAINED = 0.98, 0.995
# One row may be recorded wrongly among so many outside the most frequent class, in a column that
# has the same value, such as 0 minutes of downtime, in most rows: a measurement has not. And one
# among so many rows unlike the most frequent number, if it alone makes most of what a column of
# numbers does not explain: of a measurement, all rows do.
_ROWS_WITH_ERROR, _MIN_USUAL_SHARE, _MAX_LEFT = 20, 0.5, 0.5
_BINS = 200
# Fewer rows for each bin, and chance fills the bins.
_ROWS_PER_BIN = 4
_MAX_ROWS = 20_000
_SEED = 5


@dataclass(frozen=True, slots=True)
class Leak:
    """A column that tells the target; `share` is how much of what is to predict it explains."""

    column: str
    share: float

    @property
    def sentence(self) -> Sentence:
        """Return the warning for the customer."""
        return sentence(
            "{column} alone predicts {share:.1%} of the target. If it is only known afterwards, "
            "leave it out (`schema.ignored`): it makes the model look perfect and useless.",
            column=repr(self.column),
            share=self.share,
        )


def find_leaks(data: TabularData) -> tuple[Leak, ...]:
    """Return the inputs that alone predict the target, most telling first.

    One half of the machines, or of the rows, is predicted from the other one: what counts rows or
    machines tells nothing then.
    """
    rows = np.arange(0, len(data), -(-len(data) // _MAX_ROWS))
    target, halves = data.target.values[rows], _halves(data, rows)
    is_class = data.target.goal is Goal.CLASS
    leaks = []
    for column in data.inputs:
        needed = _MIN_EXPLAINED
        if not is_class and column.numbers is not None:
            share = _curve_share(column.numbers[rows], target, halves)
        elif is_class:
            codes = _codes(column, rows)
            share, needed = _class_share(codes, target, halves), _needed_share(codes, target)
        else:
            share = _mean_share(_codes(column, rows), target, halves)
        if share >= needed:
            leaks.append(Leak(column.name, share))
    return tuple(sorted(leaks, key=lambda leak: -leak.share))


def _halves(data: TabularData, rows: Indices) -> Indices:
    """Return the half, 0 or 1, of each row: machines are not divided if there are two."""
    groups = rows if data.machines is None else data.machines[rows]
    names, codes = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        names, codes = rows, np.arange(len(rows))
    order = np.random.default_rng(_SEED).permutation(len(names))
    return np.asarray(order[codes] % 2, dtype=np.intp)


def _codes(column: Column, rows: Indices) -> Indices:
    """Return the bin of each row: its category, or a quantile of its number; missing is one too."""
    if column.numbers is None:
        texts = column.texts if column.texts is not None else np.empty(0, dtype=object)
        _, codes = np.unique(texts[rows].astype(str), return_inverse=True)
        return codes.astype(np.intp)
    numbers = column.numbers[rows]
    present = numbers[np.isfinite(numbers)]
    edges = _edges(present)
    codes = np.searchsorted(edges, numbers, side="right")
    return np.where(np.isfinite(numbers), codes, len(edges) + 1).astype(np.intp)


def _edges(present: Floats) -> Floats:
    """Return the lower edges of the bins: quantiles, and values that fill a bin."""
    distinct, counts = np.unique(present, return_counts=True)
    bins = max(2, min(_BINS, len(present) // _ROWS_PER_BIN))
    if len(distinct) <= bins:
        return distinct
    frequent = distinct[counts >= len(present) / bins]
    quantiles = np.quantile(present, np.linspace(0, 1, bins))
    return np.unique(np.concatenate([quantiles, frequent, np.nextafter(frequent, np.inf)]))


def _class_share(codes: Indices, target: Floats, halves: Indices) -> float:
    """Return how much of the classes is told by the bin, beyond the most frequent class.

    A bin that the other half lacks tells whether it is the usual one: where failures are rare, each
    has minutes of downtime or a repair code of its own, and all other rows have none.
    """
    classes = target.astype(np.intp)
    is_unusual = (codes != np.bincount(codes).argmax()).astype(np.intp)
    best, known = _best_classes(codes, classes, halves)
    best_unusual, _ = _best_classes(is_unusual, classes, halves)
    others = 1 - halves
    told = np.where(known[others, codes], best[others, codes], best_unusual[others, is_unusual])
    frequent = float(np.bincount(classes).max() / len(classes))
    return (float((told == classes).mean()) - frequent) / (1 - frequent) if frequent < 1 else 0.0


def _needed_share(codes: Indices, target: Floats) -> float:
    """Return the share of the classes that a column must tell by its bins to be named."""
    counts = np.bincount(target.astype(np.intp))
    rare = int(counts.sum() - counts.max())
    has_usual = np.bincount(codes).max() >= _MIN_USUAL_SHARE * len(codes)
    # Half a row more, because the shares are compared as fractions.
    tolerated = 1.5 / rare if has_usual and rare >= _ROWS_WITH_ERROR else 0.0
    return min(_MIN_ACCURACY_GAIN, 1 - tolerated)


def _best_classes(
    codes: Indices, classes: Indices, halves: Indices
) -> tuple[Indices, NDArray[np.bool_]]:
    """Return the most frequent class of each bin, and whether it has rows, [halves, bins]."""
    counts = np.zeros((2, codes.max() + 1, classes.max() + 1))
    np.add.at(counts, (halves, codes, classes), 1)
    return counts.argmax(axis=2), counts.sum(axis=2) > 0


def _mean_share(codes: Indices, target: Floats, halves: Indices) -> float:
    """Return the share of the target's variance that the mean of its category explains."""
    size = int(codes.max()) + 1
    keys = halves * size + codes
    sums = np.bincount(keys, weights=target, minlength=2 * size)
    counts = np.bincount(keys, minlength=2 * size)
    mean = np.where(counts > 0, sums / np.maximum(counts, 1), target.mean())
    return _explained(target, mean[(1 - halves) * size + codes])


def _curve_share(numbers: Floats, target: Floats, halves: Indices) -> float:
    """Return the share of the target's variance that a curve through the other half explains.

    Or that a straight line does, which is right for values beyond those of the other half too. The
    row that is farthest from the curve may be recorded wrongly if the target varies in enough rows.
    """
    curve = _curve(numbers, target, halves)
    share = _best_share(numbers, target, curve)
    _, counts = np.unique(target, return_counts=True)
    if len(target) - counts.max() < _ROWS_WITH_ERROR:
        return share
    kept = np.arange(len(target)) != np.abs(target - curve).argmax()
    numbers, target, halves = numbers[kept], target[kept], halves[kept]
    # Anew: the wrong record is a point of the curve, too.
    corrected = _best_share(numbers, target, _curve(numbers, target, halves))
    return corrected if 1 - corrected <= _MAX_LEFT * (1 - share) else share


def _best_share(numbers: Floats, target: Floats, curve: Floats) -> float:
    """Return the larger share of the target's variance of those of the curve and of a line."""
    line = _squared_correlation(numbers, target, np.isfinite(numbers))
    return max(_explained(target, curve), line)


def _curve(numbers: Floats, target: Floats, halves: Indices) -> Floats:
    """Return the target of each row by a curve through the other half, the mean where missing."""
    predicted = np.full(len(target), target.mean())
    present = np.isfinite(numbers)
    for half in (0, 1):
        known = np.flatnonzero(present & (halves != half))
        asked = present & (halves == half)
        if len(known):
            places, first = np.unique(numbers[known], return_inverse=True)
            values = np.bincount(first, weights=target[known]) / np.bincount(first)
            predicted[asked] = np.interp(numbers[asked], places, values)
    return predicted


def _squared_correlation(numbers: Floats, target: Floats, present: NDArray[np.bool_]) -> float:
    """Return the squared correlation of rows with a number, 0 if either is constant."""
    values, of_target = numbers[present], target[present]
    if len(values) < 2 or np.ptp(values) == 0 or np.ptp(of_target) == 0:
        return 0.0
    return float(np.corrcoef(values, of_target)[0, 1] ** 2)


def _explained(target: Floats, predicted: Floats) -> float:
    """Return the share of the target's variance that predictions explain."""
    spread = float(np.sum((target - target.mean()) ** 2))
    return 1.0 - float(np.sum((target - predicted) ** 2)) / spread if spread else 0.0
