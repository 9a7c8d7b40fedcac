"""Restore filtered readings at the original times, to measure the error of a filter."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.plant.readings.filtering.filter import Sample


def held(kept: Sequence[Sample], times: Sequence[int]) -> NDArray[np.float64]:
    """Return the values at some times, each that of the last kept reading at or before it.

    Times before the first kept reading have NaN.
    """
    kept_times, values = _arrays(kept)
    positions = np.searchsorted(kept_times, np.asarray(times, np.int64), side="right") - 1
    restored: NDArray[np.float64] = values[np.maximum(positions, 0)].copy()
    restored[positions < 0] = np.nan
    return restored


def interpolated(kept: Sequence[Sample], times: Sequence[int]) -> NDArray[np.float64]:
    """Return the values at some times on straight lines between kept readings."""
    kept_times, values = _arrays(kept)
    origin = kept_times[0]
    wanted = (np.asarray(times, np.int64) - origin).astype(np.float64)
    restored: NDArray[np.float64] = np.interp(
        wanted, (kept_times - origin).astype(np.float64), values
    )
    return restored


def _arrays(kept: Sequence[Sample]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return times and values of readings; raises ValueError without any."""
    if not kept:
        raise ValueError("no reading was kept")
    times = np.fromiter((one.time_us for one in kept), np.int64, len(kept))
    values = np.fromiter(
        (np.nan if one.value is None else one.value for one in kept), np.float64, len(kept)
    )
    return times, values
