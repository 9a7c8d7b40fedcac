"""Shares of windows with confidence intervals, from a bootstrap over machines or blocks of time."""

from dataclasses import dataclass

import numpy as np

from models.monitoring.components import Floats, Indices

LEVEL = 0.95
_RESAMPLES = 1_000
_SEED = 11
# With fewer clusters a bootstrap says nothing.
_MIN_CLUSTERS = 3


@dataclass(frozen=True, slots=True)
class Share:
    """A share, or a difference of shares, with its confidence interval at LEVEL."""

    value: float
    low: float
    high: float


def estimate_shares(values: Floats, clusters: Indices) -> list[Share]:
    """Return the mean of each column of `values`, [windows, columns], with its interval.

    Neighbouring windows are not independent, so whole clusters are drawn. With fewer than three,
    the interval is all that is possible: the column's least to largest value, with 0 and 1.
    """
    means = values.mean(axis=0)
    _, cluster = np.unique(clusters, return_inverse=True)
    count = int(cluster.max()) + 1
    if count < _MIN_CLUSTERS:
        low = np.minimum(values.min(axis=0), 0.0)
        return [Share(float(mean), float(one), 1.0) for mean, one in zip(means, low, strict=True)]
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, cluster, values)
    sizes = np.bincount(cluster).astype(np.float64)
    draws = np.random.default_rng(_SEED).integers(0, count, (_RESAMPLES, count))
    samples = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)[:, np.newaxis]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], axis=0)
    return [Share(float(mean), float(low[at]), float(high[at])) for at, mean in enumerate(means)]
