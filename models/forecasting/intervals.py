"""Prediction intervals by step ahead, from the errors on rolling origins (conformal prediction).

Errors are compared in multiples of the recent error of the seasonal naive forecast, so that the
interval is wider in restless times.
"""

import msgspec
import numpy as np

from models.forecasting.grid import Floats

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
DEFAULT_LEVEL = 0.9
# Errors of neighbouring steps are pooled until there are so many.
_MIN_ERRORS = 200


class HorizonIntervals(msgspec.Struct, frozen=True):
    """Half widths by step ahead and level, in multiples of the recent error.

    half_widths: [horizon][levels]
    """

    half_widths: tuple[tuple[float, ...], ...]

    def half_width(self, level: Floats, unit: Floats, horizon: int) -> Floats:
        """Return half of the interval widths, [windows, horizon].

        level: of each window, [windows]. unit: its recent error, [windows].
        """
        table = np.array(self.half_widths)[:horizon].T
        positions = np.interp(level, LEVELS, np.arange(len(LEVELS)))
        low = np.floor(positions).astype(np.intp)
        high = np.minimum(low + 1, len(LEVELS) - 1)
        share = (positions - low)[:, np.newaxis]
        return np.asarray((table[low] * (1 - share) + table[high] * share) * unit[:, np.newaxis])


def calibrate_intervals(errors: Floats) -> HorizonIntervals:
    """Return the interval widths from absolute errors in units, [windows, horizon]."""
    horizon = errors.shape[1]
    reach = -(-_MIN_ERRORS // len(errors)) // 2
    rows = [
        _conformal_quantiles(errors[:, max(0, step - reach) : step + reach + 1].reshape(-1))
        for step in range(horizon)
    ]
    return HorizonIntervals(tuple(rows))


def _conformal_quantiles(errors: Floats) -> tuple[float, ...]:
    """Return the errors that the next one stays below with the probability of each level."""
    ordered, count = np.sort(errors), len(errors)
    ranks = [min(count, int(np.ceil((count + 1) * level))) for level in LEVELS]
    return tuple(float(ordered[rank - 1]) for rank in ranks)
