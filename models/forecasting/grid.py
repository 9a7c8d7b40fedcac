"""Rows with times on an equally spaced grid: step, repeated times, gaps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
WEEK = 7 * DAY
# From Monday 00:00 to 1970-01-01, a Thursday.
SINCE_MONDAY = 3 * DAY
# Steps that plants record with. A median of jittered times is rounded to the nearest one.
_USUAL_STEPS = np.array(
    [
        *(1, 2, 5, 10, 15, 20, 30),
        *(minutes * MINUTE for minutes in (1, 2, 3, 5, 10, 15, 20, 30)),
        *(hours * HOUR for hours in (1, 2, 3, 4, 6, 8, 12)),
        *(days * DAY for days in (1, 7)),
    ]
)
_ROUNDING = 0.02
# A time belongs to a step of the grid within this share of a step.
_MAX_OFFSET = 0.3
# A step between two rows is counted as the usual one within this share of a step.
_MIN_COMMON_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Gridded:
    """Rows on a grid.

    start: time of the first step, in seconds since 1970. values: [steps, columns], NaN where no row
    has a value. repeated: how many rows have the time of another row; their values are averaged.
    off_grid: how many rows are not near a step; they are left out.
    """

    start: float
    step: float
    values: Floats
    repeated: int
    off_grid: int

    @property
    def times(self) -> Floats:
        """The time of each step, in seconds since 1970."""
        return np.asarray(self.start + self.step * np.arange(len(self.values)), dtype=np.float64)


def infer_step(times: Floats) -> float | None:
    """Return the most usual distance between neighbouring times, in seconds; None without one.

    The times of one series, in seconds since 1970, in any order.
    """
    differences = np.diff(np.unique(times))
    if not len(differences):
        return None
    values, counts = np.unique(np.round(differences, 3), return_counts=True)
    share = counts.max() / len(differences)
    step = values[counts.argmax()] if share >= _MIN_COMMON_SHARE else np.median(differences)
    nearest = _USUAL_STEPS[np.abs(_USUAL_STEPS - step).argmin()]
    return float(nearest if abs(nearest - step) <= _ROUNDING * nearest else step)


def to_grid(times: Floats, values: Floats, step: float) -> Gridded:
    """Return rows on a grid of `step` seconds that ends at the latest time.

    times: [rows], values: [rows, columns].
    """
    end = float(times.max())
    positions = (times - end) / step
    nearest = np.round(positions)
    is_near = np.abs(positions - nearest) <= _MAX_OFFSET
    indices = nearest[is_near].astype(np.intp)
    first = int(indices.min())
    sums, counts = _sum_by_index(indices - first, values[is_near], 1 - first)
    with np.errstate(invalid="ignore"):
        means = sums / np.where(counts > 0, counts, np.nan)
    repeated = len(indices) - len(np.unique(indices))
    return Gridded(end + first * step, step, means, repeated, int((~is_near).sum()))


def _sum_by_index(indices: Indices, values: Floats, steps: int) -> tuple[Floats, Floats]:
    """Return the sums and counts of present values by step, [steps, columns] each."""
    sums = np.zeros((steps, values.shape[1]))
    counts = np.zeros_like(sums)
    is_present = np.isfinite(values)
    np.add.at(sums, indices, np.where(is_present, values, 0.0))
    np.add.at(counts, indices, is_present.astype(np.float64))
    return sums, counts


def fill_gaps(values: Floats, longest: int) -> Floats:
    """Return a column, [steps], with gaps of at most `longest` steps filled by straight lines.

    Longer gaps, and steps before the first and after the last value, stay NaN.
    """
    present = np.flatnonzero(np.isfinite(values))
    if not len(present):
        return values
    filled = np.interp(np.arange(len(values)), present, values[present])
    filled[: present[0]] = np.nan
    filled[present[-1] + 1 :] = np.nan
    for gap in np.flatnonzero(np.diff(present) - 1 > longest):
        filled[present[gap] + 1 : present[gap + 1]] = np.nan
    return np.asarray(filled, dtype=np.float64)
