"""Bootstrap intervals of means over blocks of steps that belong together, such as days."""

import numpy as np
from numpy.typing import NDArray

from models.observed.resampling import ScoreInterval, interval_of

Floats = NDArray[np.float64]

RESAMPLES = 2000


def interval_of_mean(values: Floats, seed: int) -> ScoreInterval:
    """Return the mean of independent blocks, [blocks], with a percentile bootstrap interval.

    One block has no interval: its bounds are infinite.
    """
    if len(values) < 2:
        return ScoreInterval(float(values.mean()) if len(values) else 0.0, -np.inf, np.inf)
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    return interval_of(float(values.mean()), values[drawn].mean(axis=1))


def interval_of_ratio(numerators: Floats, denominators: Floats, seed: int) -> ScoreInterval:
    """Return sum(numerators) / sum(denominators) over blocks, [blocks] each, with its interval."""
    drawn = np.random.default_rng(seed).integers(len(numerators), size=(RESAMPLES, len(numerators)))
    sums = denominators[drawn].sum(axis=1)
    ratios = numerators[drawn].sum(axis=1) / np.where(sums == 0, np.nan, sums)
    estimate = float(numerators.sum() / denominators.sum())
    if len(numerators) < 2 or not np.isfinite(ratios).any():
        return ScoreInterval(estimate, -np.inf, np.inf)
    return interval_of(estimate, ratios[np.isfinite(ratios)])
