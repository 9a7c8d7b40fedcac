"""Align readings of points in time: one value at an instant, or a series of equal steps."""

import numpy as np
from numpy.typing import NDArray

from gateway.plant.predictions.values import PointReadings
from gateway.plant.readings.values import SECOND_US

# A gap of up to this number of steps is interpolated.
MAX_GAP_STEPS = 3


def value_at(readings: PointReadings, at: int, max_age_s: float) -> tuple[float, float] | None:
    """Return the last value up to the instant `at` (microseconds), and its age in seconds.

    Returns None if there is none, or it is older than `max_age_s`.
    """
    position = int(np.searchsorted(readings.times, at, side="right")) - 1
    if position < 0:
        return None
    age_s = (at - int(readings.times[position])) / SECOND_US
    return None if age_s > max_age_s else (float(readings.values[position]), age_s)


def sampling_interval(readings: PointReadings) -> float | None:
    """Return the median time between readings in seconds; None with fewer than two."""
    if len(readings.times) < 2:
        return None
    return float(np.median(np.diff(readings.times))) / SECOND_US


def resample(
    readings: PointReadings, at: int, steps: int, step_s: float
) -> NDArray[np.float64] | None:
    """Return the mean of the readings in each of `steps` steps that end at `at` (microseconds).

    A step without readings is interpolated between its neighbours if the gap has at most
    MAX_GAP_STEPS steps. Returns None for a longer gap, also at the beginning or end.
    """
    step = round(step_s * SECOND_US)
    edges = at - step * np.arange(steps, -1, -1, dtype=np.int64)
    # A step includes its end, so that a reading at `at` belongs to the last step.
    positions = np.searchsorted(edges, readings.times, side="left") - 1
    inside = (positions >= 0) & (positions < steps)
    counts = np.bincount(positions[inside], minlength=steps)
    sums = np.bincount(positions[inside], weights=readings.values[inside], minlength=steps)
    filled = counts > 0
    if not filled.any() or longest_gap(filled) > MAX_GAP_STEPS:
        return None
    means = np.divide(sums, counts, out=np.zeros(steps), where=filled)
    grid = np.arange(steps)
    series: NDArray[np.float64] = np.interp(grid, grid[filled], means[filled])
    return series


def longest_gap(filled: NDArray[np.bool_]) -> int:
    """Return the length of the longest run of false values."""
    edges = np.flatnonzero(np.concatenate(([True], filled, [True])))
    return int(np.diff(edges).max()) - 1
