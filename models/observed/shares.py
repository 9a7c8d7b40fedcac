"""Shares of rows with confidence intervals that respect clusters: coverage, correct classes."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from models.observed.metrics import Indices

# The two-sided 95 % quantile of the normal distribution.
_Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """A share of rows with its 95 % interval."""

    value: float
    low: float
    high: float
    rows: int


def share_of(hits: NDArray[np.bool_], clusters: Indices) -> Share:
    """Return the share of hits, [rows] each; the interval is Wilson's, for the effective rows.

    Rows of one cluster that agree count as fewer: the effective number of rows is that whose
    variance is the cluster-robust one of the share (Kish 1965). Of clusters that all agree, as
    when every row is a hit, each counts as one row.
    """
    rows, value = len(hits), float(hits.mean())
    _, codes = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(codes)
    count = len(sizes)
    residuals = np.bincount(codes, weights=hits) - sizes * value
    variance = float((residuals**2).sum()) / rows**2 * count / max(1, count - 1)
    effective = float(count)
    if variance > 0:
        effective = min(float(rows), max(float(min(count, 2)), value * (1 - value) / variance))
    return Share(value, *_wilson(value, effective), rows)


def _wilson(share: float, total: float) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share of `total` independent rows."""
    z2 = _Z_95**2
    centre = share + z2 / (2 * total)
    margin = _Z_95 * sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    low, high = (centre - margin) / (1 + z2 / total), (centre + margin) / (1 + z2 / total)
    return max(0.0, low), min(1.0, high)
