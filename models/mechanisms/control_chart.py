"""Run rules for control charts: ISO 7870-2:2013 and the Western Electric handbook of 1956.

Centre line and standard deviation are inputs; they are not estimated from the points.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.mechanisms.mechanism import (
    BOOLEAN,
    Booleans,
    Floats,
    Mechanism,
    quantity,
    series,
)
from models.signature import Columns, OutputField


def _rule_field(name: str, description: str) -> OutputField:
    """Declare a boolean output series: whether each point violates the rule."""
    return OutputField(name, BOOLEAN, None, description, series=True)


class ControlChart(Mechanism):
    """Run rules for a control chart; the point that completes the pattern is flagged."""

    standard = "ISO 7870-2:2013; Western Electric, Statistical Quality Control Handbook, 1956"
    version = "1"
    inputs = (
        series("points", "What is charted, in order: means or single values", -1e9, 1e9, (1, 1000)),
        quantity("centre", None, "Centre line, as the points", -1e9, 1e9),
        quantity("deviation", None, "Standard deviation of a point in control", 1e-9, 1e9),
    )
    outputs = (
        _rule_field("beyond_3_sigma", "Outside the control limits"),
        _rule_field("two_of_three_beyond_2_sigma", "On one side; Western Electric"),
        _rule_field("four_of_five_beyond_1_sigma", "On one side; Western Electric"),
        _rule_field("eight_on_one_side", "Of the centre line; Western Electric"),
        _rule_field("seven_on_one_side", "Of the centre line; ISO 7870-2"),
        _rule_field("seven_rising_or_falling", "Seven points in a row; ISO 7870-2"),
    )

    def compute(self, columns: Columns) -> Columns:
        """Compute for each rule which points violate it, [rows, points] each."""
        centre, deviation = columns["centre"][:, None], columns["deviation"][:, None]
        z = (columns["points"] - centre) / deviation
        return {
            "beyond_3_sigma": np.abs(z) > 3,
            "two_of_three_beyond_2_sigma": _k_of_n_beyond(z, 2, 3, sigmas=2),
            "four_of_five_beyond_1_sigma": _k_of_n_beyond(z, 4, 5, sigmas=1),
            "eight_on_one_side": _k_of_n_beyond(z, 8, 8, sigmas=0),
            "seven_on_one_side": _k_of_n_beyond(z, 7, 7, sigmas=0),
            "seven_rising_or_falling": _n_rising(z, 7) | _n_rising(-z, 7),
        }


def _k_of_n_beyond(z: Floats, k: int, n: int, sigmas: float) -> Booleans:
    """Flag points beyond `sigmas` if at least `k` of the last `n` points are, on the same side."""
    sides = (z > sigmas, z < -sigmas)
    above, below = (side & (_rolling_count(side, n) >= k) for side in sides)
    return above | below


def _n_rising(z: Floats, n: int) -> Booleans:
    """Flag the last point of every strictly rising run of `n` points."""
    steps = np.diff(z, axis=1, prepend=z[:, :1]) > 0
    return np.asarray(_rolling_count(steps, n - 1) == n - 1)


def _rolling_count(flags: Booleans, n: int) -> NDArray[np.int_]:
    """Return the number of flags in the last `n` points, [rows, points]."""
    padded = np.pad(flags, ((0, 0), (n - 1, 0)))
    return np.asarray(sliding_window_view(padded, n, axis=1).sum(axis=2))
