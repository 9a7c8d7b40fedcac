"""Prediction intervals of remaining lives from machines that were left out.

Each machine's errors are those of a model without it (cross-conformal prediction, Vovk 2015), and a
machine counts as one, however many rows it has. Conformal prediction for a new machine would add
one machine with an unbounded error: of five machines, no finite interval would then hold at 90 %.
But the errors are those of models with a machine less than the final one, and so too large. For the
new machine, only the share 1 / n of what the level leaves is taken. Measured coverage: card.md.

Widths depend on the bin of the prediction. Of few machines, a bin may have small errors by chance,
so widths are the weighted geometric mean of the bin's and of all.
"""

import numpy as np

from models.series.series import Floats, Indices
from models.tabular.intervals import LEVELS, IntervalTable, cluster_weights

_MAX_BINS = 3
_MIN_ROWS_PER_BIN = 40
# So many machines give a bin's own width half of the weight.
_MACHINES_OF_HALF = 5
_SMALLEST = 1e-12


def calibrate_life_intervals(predicted: Floats, truth: Floats, machines: Indices) -> IntervalTable:
    """Return the interval widths by bin of the prediction, from held-out rows, [rows] each."""
    bins = int(np.clip(len(predicted) // _MIN_ROWS_PER_BIN, 1, _MAX_BINS))
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, bins + 1)[1:-1]))
    bin_of_row = np.digitize(predicted, edges)
    errors, weights = np.abs(predicted - truth), cluster_weights(machines)
    count = len(np.unique(machines))
    every = np.arange(len(errors))
    rows = [np.flatnonzero(bin_of_row == number) for number in range(len(edges) + 1)]
    widths = np.array(
        [
            [_quantile(errors[chosen], weights[chosen], _raised(level, count)) for level in LEVELS]
            for chosen in (*(one if len(one) else every for one in rows), every)
        ]
    )
    logarithms = np.log(np.maximum(widths, _SMALLEST))
    own = count / (count + _MACHINES_OF_HALF)
    table = np.exp(own * logarithms[:-1] + (1 - own) * logarithms[-1])
    return IntervalTable(
        tuple(float(edge) for edge in edges), tuple(tuple(row) for row in table.tolist())
    )


def _raised(level: float, machines: int) -> float:
    """Return the level at which the errors of so many machines are taken."""
    return level + (1.0 - level) / machines


def _quantile(errors: Floats, weights: Floats, level: float) -> float:
    """Return the error that the share `level` of the weight does not exceed."""
    order = np.argsort(errors)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    return float(errors[order][min(int(np.searchsorted(cumulative, level)), len(errors) - 1)])
