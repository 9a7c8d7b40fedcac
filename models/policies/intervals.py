"""Bootstrap intervals of means over blocks of steps that belong together, such as days."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the lower and upper bound of its confidence interval."""

    estimate: float
    lower: float
    upper: float


def interval_of_mean(values: Floats, seed: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the mean of independent blocks, [blocks], with a percentile bootstrap interval.

    One block has no interval: its bounds are infinite.
    """
    if len(values) < 2:
        return Interval(float(values.mean()) if len(values) else 0.0, -np.inf, np.inf)
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    return _between(float(values.mean()), values[drawn].mean(axis=1), confidence)


def interval_of_ratio(
    numerators: Floats, denominators: Floats, seed: int, confidence: float = CONFIDENCE
) -> Interval:
    """Return sum(numerators) / sum(denominators) over blocks, [blocks] each, with its interval."""
    drawn = np.random.default_rng(seed).integers(len(numerators), size=(RESAMPLES, len(numerators)))
    sums = denominators[drawn].sum(axis=1)
    ratios = numerators[drawn].sum(axis=1) / np.where(sums == 0, np.nan, sums)
    estimate = float(numerators.sum() / denominators.sum())
    if len(numerators) < 2 or not np.isfinite(ratios).any():
        return Interval(estimate, -np.inf, np.inf)
    return _between(estimate, ratios[np.isfinite(ratios)], confidence)


def _between(estimate: float, resampled: Floats, confidence: float) -> Interval:
    """Return the percentile interval of resampled estimates."""
    tail = (1.0 - confidence) / 2
    lower, upper = np.quantile(resampled, [tail, 1.0 - tail])
    return Interval(estimate, float(lower), float(upper))
