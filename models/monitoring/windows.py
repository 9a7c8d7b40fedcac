"""Windows of the last steps of rows, within stretches."""

import numpy as np

from models.monitoring.components import Flags, Floats, Indices
from models.series.series import spread_over

# Windows by which limits are set: more would not make them much better.
MAX_WINDOWS = 10_000
_MAX_NUMBERS = 20_000_000


def stretch_ends(stretches: Indices, steps: int) -> Indices:
    """Return the rows at which a stretch has at least so many steps.

    stretches: the number of each row's stretch, equal for neighbours of one stretch, -1 for rows
    that are in none.
    """
    return np.flatnonzero((stretches >= 0) & (steps_so_far(stretches) >= steps))


def steps_so_far(stretches: Indices) -> Indices:
    """Return the number of steps of its stretch up to each row."""
    place = np.arange(len(stretches), dtype=np.intp)
    is_start = np.concatenate([[True], np.diff(stretches) != 0])
    return np.asarray(place - np.maximum.accumulate(np.where(is_start, place, 0)) + 1)


def number_stretches(series: Indices, chosen: Flags) -> Indices:
    """Return the stretch of each row: neighbours of one series that are chosen; -1 for others."""
    is_start = np.concatenate([[True], (np.diff(series) != 0) | (np.diff(chosen.astype(int)) != 0)])
    return np.where(chosen, np.cumsum(is_start), -1)


def thin_out(ends: Indices, steps: int, features: int) -> Indices:
    """Return as many of the ends, evenly spread, as fit into the memory of a training."""
    return spread_over(ends, min(MAX_WINDOWS, max(200, _MAX_NUMBERS // (steps * features))))


def cut_windows(rows: Floats, ends: Indices, steps: int) -> Floats:
    """Return the windows that end at the rows `ends`, [windows, steps, features]."""
    return np.asarray(rows[ends[:, np.newaxis] - np.arange(steps - 1, -1, -1)])
