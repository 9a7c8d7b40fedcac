"""Fit the weights of the methods that a forecast is averaged from, by step ahead.

The weights are those with the least absolute error on rolling origins; they are not negative and
sum to 1, so that a method which is no better than the seasonal naive one gets no weight.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.optimize import nnls

from models.forecasting.grid import Floats

_PASSES = 12
# Errors below this part of the mean count as this: where readings repeat exactly, the naive
# forecast has no error at all, and a few such rows would outweigh all others.
_LEAST_ERROR = 0.1
# A row of the least-squares system that keeps the sum of the weights at 1.
_SUM_WEIGHT = 1e3
# The part of a weight that is dropped: a method with less is not worth its time.
_MIN_WEIGHT = 0.03
_MAX_ROWS = 20_000


def band_edges(horizon: int) -> tuple[int, ...]:
    """Return the bounds of the bands of steps that share weights, from 0 to the horizon."""
    edges = [0, 1]
    while edges[-1] * 2 < horizon:
        edges.append(edges[-1] * 2 + (1 if len(edges) == 2 else 0))
    return tuple(dict.fromkeys([*(edge for edge in edges if edge < horizon), horizon]))


def fit_weights(
    forecasts: Sequence[Floats], future: Floats, scale: Floats, edges: Sequence[int]
) -> Floats:
    """Return the weights of each band and method, [bands, methods].

    forecasts: of each method, [windows, horizon]. future: [windows, horizon]. scale: of each
    window's errors, [windows].
    """
    errors = np.stack(forecasts, axis=2) - future[:, :, np.newaxis]
    errors = errors / scale[:, np.newaxis, np.newaxis]
    bands = [errors[:, start:end].reshape(-1, len(forecasts)) for start, end in pairwise(edges)]
    return np.stack([_least_absolute(band) for band in bands])


def _least_absolute(errors: Floats) -> Floats:
    """Return the weights of the methods whose errors are columns, by reweighted least squares."""
    rows = errors[:: max(1, -(-len(errors) // _MAX_ROWS))]
    weights = np.full(errors.shape[1], 1.0 / errors.shape[1])
    least = _LEAST_ERROR * float(np.abs(rows).mean()) + 1e-12
    for _ in range(_PASSES):
        root = 1.0 / np.sqrt(np.maximum(np.abs(rows @ weights), least))
        system = np.vstack([rows * root[:, np.newaxis], _sum_row(root, rows)])
        target = np.zeros(len(system))
        target[-1] = system[-1, 0]
        weights, _ = nnls(system, target)
        weights = weights / weights.sum()
    kept = np.where(weights >= _MIN_WEIGHT, weights, 0.0)
    return np.asarray(kept / kept.sum())


def _sum_row(root: Floats, rows: Floats) -> Floats:
    """Return the row that keeps the sum of the weights at 1, heavy against all others."""
    heavy = _SUM_WEIGHT * float(np.linalg.norm(rows * root[:, np.newaxis])) + 1e-9
    return np.full(rows.shape[1], heavy)
