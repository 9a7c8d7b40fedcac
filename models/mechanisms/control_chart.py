"""Rules for control charts: ISO 7870-2:2013 and the Western Electric handbook of 1956.

Owns which points of a chart break which rule, by a centre line and a deviation that are given.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.mechanisms.mechanism import (
    TRUTH,
    Floats,
    Mechanism,
    Truths,
    quantity,
    series,
)
from models.signature import Columns, OutputField


def _rule(name: str, description: str) -> OutputField:
    return OutputField(name, TRUTH, None, description, series=True)


class ControlChart(Mechanism):
    """A point breaks a rule where it completes the pattern: an operator knows no earlier."""

    standard = "ISO 7870-2:2013; Western Electric, Statistical Quality Control Handbook, 1956"
    version = "1"
    inputs = (
        series("points", "What is charted, in order: means or single values", -1e9, 1e9, (1, 1000)),
        quantity("centre", None, "Centre line, as the points", -1e9, 1e9),
        quantity("deviation", None, "Standard deviation of a point in control", 1e-9, 1e9),
    )
    outputs = (
        _rule("beyond_3_sigma", "Outside the control limits"),
        _rule("two_of_three_beyond_2_sigma", "On one side; Western Electric"),
        _rule("four_of_five_beyond_1_sigma", "On one side; Western Electric"),
        _rule("eight_on_one_side", "Of the centre line; Western Electric"),
        _rule("seven_on_one_side", "Of the centre line; ISO 7870-2"),
        _rule("seven_rising_or_falling", "Seven points in a row; ISO 7870-2"),
    )

    def compute(self, columns: Columns) -> Columns:
        centre, deviation = columns["centre"][:, None], columns["deviation"][:, None]
        z = (columns["points"] - centre) / deviation
        return {
            "beyond_3_sigma": np.abs(z) > 3,
            "two_of_three_beyond_2_sigma": _of_last(z, 2, 3, beyond=2),
            "four_of_five_beyond_1_sigma": _of_last(z, 4, 5, beyond=1),
            "eight_on_one_side": _of_last(z, 8, 8, beyond=0),
            "seven_on_one_side": _of_last(z, 7, 7, beyond=0),
            "seven_rising_or_falling": _rising(z, 7) | _rising(-z, 7),
        }


def _of_last(z: Floats, least: int, window: int, beyond: float) -> Truths:
    """Where a point lies beyond, and at least so many of the last ones on the same side do."""
    sides = (z > beyond, z < -beyond)
    above, below = (side & (_count(side, window) >= least) for side in sides)
    return above | below


def _rising(z: Floats, window: int) -> Truths:
    """Where a point is the last of so many that each lie above the one before."""
    steps = np.diff(z, axis=1, prepend=z[:, :1]) > 0
    return np.asarray(_count(steps, window - 1) == window - 1)


def _count(marks: Truths, window: int) -> NDArray[np.int_]:
    """How many of the last `window` points are marked; before the first none is."""
    padded = np.pad(marks, ((0, 0), (window - 1, 0)))
    return np.asarray(sliding_window_view(padded, window, axis=1).sum(axis=2))
