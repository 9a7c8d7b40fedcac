"""Downsampling for display by M4: first, last, lowest and highest reading of each interval.

Each pixel column of a line chart looks as with all readings (Jugel et al., M4, VLDB 2014).
"""

import numpy as np
from numpy.typing import NDArray

from gateway.plant.readings.values import Series

_KEPT_PER_INTERVAL = 4
MIN_POINTS = 8


def downsample(series: Series, max_points: int) -> Series:
    """Return at most `max_points` readings with the lowest and highest of all among them.

    Readings without a value stay only if they are first or last of an interval. Raises ValueError
    below MIN_POINTS.
    """
    if max_points < MIN_POINTS:
        raise ValueError(f"at least {MIN_POINTS} points are needed")
    if len(series) <= max_points:
        return series
    return series[_selected(series, max_points // _KEPT_PER_INTERVAL)]


def _selected(series: Series, intervals: int) -> NDArray[np.int64]:
    """Return the positions of first, last, lowest and highest reading of equal intervals."""
    first, last = int(series.times[0]), int(series.times[-1])
    width = (last - first) // intervals + 1
    starts = np.searchsorted(series.times, first + width * np.arange(intervals, dtype=np.int64))
    ends = np.append(starts[1:], len(series))
    starts, ends = starts[starts < ends], ends[starts < ends]
    lowest = _extreme(np.where(np.isnan(series.values), np.inf, series.values), starts, ends, False)
    highest = _extreme(
        np.where(np.isnan(series.values), -np.inf, series.values), starts, ends, True
    )
    return np.unique(np.concatenate([starts, ends - 1, lowest, highest]))


def _extreme(
    values: NDArray[np.float64], starts: NDArray[np.int64], ends: NDArray[np.int64], highest: bool
) -> NDArray[np.int64]:
    """Return the first position of the extreme value of each interval."""
    reduce = np.maximum if highest else np.minimum
    extremes = reduce.reduceat(values, starts)
    is_extreme = values == np.repeat(extremes, ends - starts)
    positions = np.where(is_extreme, np.arange(len(values)), len(values) - 1)
    found: NDArray[np.int64] = np.minimum.reduceat(positions, starts)
    return found
