"""Choose the pairs of number columns that say more than the columns alone."""

from collections.abc import Sequence
from itertools import combinations

import msgspec
import numpy as np

from models.tabular.boosting import TrainingSet, fit_booster
from models.tabular.data import Floats, Indices
from models.tabular.encoding import NumberEncoding, RowEncoding
from models.tabular.pairs import Operation, PairEncoding, combine

MAX_PAIRS = 12
# Columns whose pairs are compared: 8 have 28 pairs with up to three operations each.
_MAX_COLUMNS = 8
_MAX_ROWS = 10_000
# Rounds of boosting that show what is used. More would spread the gain over noise.
_ROUNDS = 40
# Columns are subtracted if they have the same unit and deviations that differ by less than this.
_MAX_SPREAD_RATIO = 10.0
# A divisor of one sign, not nearer to zero than this part of its largest value.
_MIN_DIVISOR = 1e-3
# Results are rounded to a power of ten between a hundredth and a thousandth of their spread: with
# finer ones, splits between neighbouring rows follow noise.
_DIGITS_OF_SPREAD = 2
# The spread of a result: between these quantiles.
_SPREAD = (0.05, 0.95)


def screen_pairs(
    training: TrainingSet, encoding: RowEncoding, threads: int
) -> tuple[PairEncoding, ...]:
    """Return the pairs that a short boosting on the rows uses most, at most MAX_PAIRS.

    training: single features of the rows that may be seen; held-out rows must not choose the
    features that are scored by them.
    """
    sample = training.take(_evenly(len(training.values)))
    readings = encoding.readings(sample.features)
    candidates = _candidates(encoding, readings, _used_most(sample, encoding, threads))
    if not candidates:
        return ()
    extended = msgspec.structs.replace(encoding, pairs=candidates)
    booster = fit_booster(
        sample.with_features(extended.add_pairs(sample.features)), _ROUNDS, threads
    )
    gains = booster.feature_importance("gain")[sample.features.shape[1] :]
    best = np.argsort(-gains, kind="stable")[:MAX_PAIRS]
    return tuple(candidates[at] for at in sorted(best.tolist()) if gains[at] > 0)


def _evenly(rows: int) -> Indices:
    """Return the positions of at most _MAX_ROWS rows, evenly spread."""
    return np.unique(np.linspace(0, rows - 1, min(rows, _MAX_ROWS)).astype(np.intp))


def _used_most(sample: TrainingSet, encoding: RowEncoding, threads: int) -> list[int]:
    """Return the features of number columns that boosting uses most, ascending."""
    of_feature = [column for column in encoding.columns for _ in range(column.feature_count)]
    numbers = [at for at, one in enumerate(of_feature) if isinstance(one, NumberEncoding)]
    if len(numbers) <= _MAX_COLUMNS:
        return numbers
    gains = fit_booster(sample, _ROUNDS, threads).feature_importance("gain")[numbers]
    return sorted(numbers[at] for at in np.argsort(-gains, kind="stable")[:_MAX_COLUMNS])


def _candidates(
    encoding: RowEncoding, readings: Floats, features: Sequence[int]
) -> tuple[PairEncoding, ...]:
    """Return the pairs of features whose results vary."""
    units = [
        column.unit if isinstance(column, NumberEncoding) else None
        for column in encoding.columns
        for _ in range(column.feature_count)
    ]
    made = []
    for first, second in combinations(features, 2):
        for operation in _operations(readings[:, first], readings[:, second]):
            if operation is Operation.DIFFERENCE and units[first] != units[second]:
                continue
            results = combine(operation, readings[:, first], readings[:, second])
            pair = _scaled(first, second, operation, results)
            if pair is not None:
                made.append(pair)
    return tuple(made)


def _operations(first: Floats, second: Floats) -> list[Operation]:
    """Return the operations that make sense by the values of two columns."""
    chosen = [Operation.PRODUCT]
    divisor = second[np.isfinite(second)]
    largest = np.abs(divisor).max(initial=0.0)
    if len(divisor) and (divisor.min() > 0 or divisor.max() < 0):
        if np.abs(divisor).min() > _MIN_DIVISOR * largest:
            chosen.append(Operation.QUOTIENT)
    spreads = np.nanstd(first), np.nanstd(second)
    if min(spreads) * _MAX_SPREAD_RATIO > max(spreads):
        chosen.append(Operation.DIFFERENCE)
    return chosen


def _scaled(first: int, second: int, operation: Operation, results: Floats) -> PairEncoding | None:
    """Return a pair with the step and the fill of its results; None if they do not vary."""
    present = results[np.isfinite(results)]
    if not len(present):
        return None
    low, high = np.quantile(present, _SPREAD)
    if not high > low:
        return None
    step = 10.0 ** (np.floor(np.log10(high - low)) - _DIGITS_OF_SPREAD)
    minimum, maximum = float(present.min()), float(present.max())
    missing = float(np.float32(minimum - (maximum - minimum) - 1.0))
    return PairEncoding(first, second, operation, float(step), missing)
