"""Find columns whose scale changes within a file, as if their unit had changed.

A file that is put together from two exports may have bar in its first half and kPa in its second.
Nothing in it says so, except that all values of one part are larger than all of the other, by a
factor between two units.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Factors between usual units of one quantity: prefixes, minutes and hours, inches and millimetres,
# psi and kPa, bar and psi.
FACTORS = (10.0, 100.0, 1e3, 1e6, 60.0, 3_600.0, 25.4, 6.895, 14.504)
_TOLERANCE = 0.1
# Values on each side of a change.
MIN_VALUES = 20
# All values of one side are larger than all of the other by this factor.
_MIN_GAP = 2.0


@dataclass(frozen=True, slots=True)
class ScaleJump:
    """A change of scale: the first row after it, from 0, and the factor, below 1 if it falls."""

    row: int
    factor: float


def find_scale_jump(values: NDArray[np.float64]) -> ScaleJump | None:
    """Return where the scale of a column changes by the factor between two units, None if nowhere.

    `values` are in the order of the file, NaN where missing; signs and zeros do not count.
    """
    rows = np.flatnonzero(np.isfinite(values) & (values != 0))
    sizes = np.abs(values[rows])
    if len(sizes) < 2 * MIN_VALUES:
        return None
    for sign in (1.0, -1.0):
        position = _rise(sizes**sign)
        if position is not None:
            factor = float(np.median(sizes[position:]) / np.median(sizes[:position]))
            known = max(factor, 1 / factor)
            if any(abs(known / one - 1) <= _TOLERANCE for one in FACTORS):
                return ScaleJump(int(rows[position]), factor)
    return None


def _rise(sizes: NDArray[np.float64]) -> int | None:
    """Return the first position from which on all values exceed all earlier ones by _MIN_GAP."""
    highest = np.maximum.accumulate(sizes)[:-1]
    lowest = np.minimum.accumulate(sizes[::-1])[::-1][1:]
    inner = slice(MIN_VALUES - 1, len(sizes) - MIN_VALUES)
    found = np.flatnonzero(lowest[inner] >= _MIN_GAP * highest[inner])
    return int(found[0]) + MIN_VALUES if len(found) else None
