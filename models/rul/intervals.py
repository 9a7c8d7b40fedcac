"""Prediction intervals of remaining useful life by Mondrian conformal prediction (Vovk 2005).

Predictions near the end of life are more accurate, so the interval width depends on the bin of the
predicted life. Machines are exchangeable, but cycles of one machine are not: all cycles of a
machine together have the weight of one machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.rul.data import CAP, Floats

CONFIDENCE = 0.9
# Edges of the bins of predicted life, in cycles; each bin has its own interval width.
BIN_EDGES = (15.0, 35.0, 60.0, 90.0, 115.0)


@dataclass(frozen=True, slots=True)
class IntervalWidths:
    """Half of the interval width in cycles for each bin of the predicted life."""

    half_widths: tuple[float, ...]

    def half_width(self, predicted: Floats) -> Floats:
        """Return half of the interval width for each prediction, [rows]."""
        bins = np.digitize(predicted, BIN_EDGES)
        return np.array(self.half_widths, dtype=np.float32)[bins]

    def bounds(self, predicted: Floats) -> tuple[Floats, Floats]:
        """Return the lower and upper bounds of the intervals, [rows] each, clipped to 0 and CAP."""
        half_width = self.half_width(predicted)
        return np.maximum(predicted - half_width, 0), np.minimum(
            predicted + half_width, np.float32(CAP)
        )


def calibrate_widths(predicted: Sequence[Floats], truth: Sequence[Floats]) -> IntervalWidths:
    """Calibrate the interval widths on out-of-fold predictions and truth, [cycles] per machine."""
    bins = [np.digitize(one, BIN_EDGES) for one in predicted]
    errors = [np.abs(value - actual) for value, actual in zip(predicted, truth, strict=True)]
    half_widths = []
    for bin_number in range(len(BIN_EDGES) + 1):
        errors_by_machine = [
            error[bin_of_cycle == bin_number]
            for error, bin_of_cycle in zip(errors, bins, strict=True)
        ]
        half_widths.append(_conformal_quantile([one for one in errors_by_machine if len(one)]))
    return IntervalWidths(tuple(half_widths))


def _conformal_quantile(errors: Sequence[NDArray[np.float32]]) -> float:
    """Return the CONFIDENCE quantile of absolute errors, [cycles] per machine.

    Each of N machines has the weight 1 / (N + 1); the rest is the weight of the new machine, whose
    error is unbounded. Without any machine in the bin the result is CAP.
    """
    if not errors:
        return float(CAP)
    values = np.concatenate(errors)
    weights = np.concatenate(
        [
            np.full(len(errors_of_machine), 1 / len(errors_of_machine))
            for errors_of_machine in errors
        ]
    )
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) / (len(errors) + 1)
    position = int(np.searchsorted(cumulative, CONFIDENCE))
    return float(values[order][min(position, len(values) - 1)])
