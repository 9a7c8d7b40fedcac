"""Prediction intervals of a regressor at any level, by conformal prediction on held-out errors.

Errors grow with the predicted value in most plants, so the width depends on the bin of the
prediction (Mondrian conformal prediction, Vovk 2005). Rows of one machine together have the weight
of one machine, as the next machine is exchangeable with those of the file, not the next row.
"""

import msgspec
import numpy as np

from models.tabular.data import Floats, Indices

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
DEFAULT_LEVEL = 0.9
_MAX_BINS = 5
_MIN_ROWS_PER_BIN = 40


class IntervalTable(msgspec.Struct, frozen=True):
    """Half widths by bin of the prediction and by level.

    edges: between the bins, [bins - 1]. half_widths: [bins][levels], in the target's unit.
    """

    edges: tuple[float, ...]
    half_widths: tuple[tuple[float, ...], ...]

    def half_width(self, predicted: Floats, level: Floats) -> Floats:
        """Return half of the interval width of each prediction at its level, [rows] each."""
        bins = np.digitize(predicted, self.edges)
        table = np.array(self.half_widths)
        positions = np.interp(level, LEVELS, np.arange(len(LEVELS)))
        low = np.floor(positions).astype(np.intp)
        high = np.minimum(low + 1, len(LEVELS) - 1)
        share = positions - low
        return np.asarray(table[bins, low] * (1 - share) + table[bins, high] * share)


def calibrate_intervals(predicted: Floats, truth: Floats, clusters: Indices) -> IntervalTable:
    """Return the interval widths from held-out predictions, [rows] each."""
    bins = int(np.clip(len(predicted) // _MIN_ROWS_PER_BIN, 1, _MAX_BINS))
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, bins + 1)[1:-1]))
    errors = np.abs(predicted - truth)
    weights = cluster_weights(clusters)
    bin_of_row = np.digitize(predicted, edges)
    rows = [np.flatnonzero(bin_of_row == number) for number in range(len(edges) + 1)]
    table = tuple(
        tuple(
            _conformal_quantile(errors[chosen], weights[chosen], clusters[chosen], level)
            for level in LEVELS
        )
        for chosen in (one if len(one) else np.arange(len(errors)) for one in rows)
    )
    return IntervalTable(tuple(float(edge) for edge in edges), table)


def cluster_weights(clusters: Indices) -> Floats:
    """Return the weight of each row: one divided by the rows of its cluster."""
    counts = np.bincount(clusters)
    return np.asarray(1.0 / counts[clusters])


def _conformal_quantile(errors: Floats, weights: Floats, clusters: Indices, level: float) -> float:
    """Return the error that the next cluster stays below with the probability `level`.

    The next cluster itself has the weight of one, with an error of at least the largest.
    """
    order = np.argsort(errors)
    share = weights / weights.sum()
    count = len(np.unique(clusters))
    cumulative = np.cumsum(share[order]) * count / (count + 1)
    position = int(np.searchsorted(cumulative, level))
    return float(errors[order][min(position, len(errors) - 1)])
