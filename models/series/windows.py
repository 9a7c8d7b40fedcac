"""Statistics of the last steps of a series, at many ends at once, with missing values left out."""

from dataclasses import dataclass

import numpy as np

from models.series.series import Floats, Indices


@dataclass(frozen=True, slots=True)
class WindowStatistics:
    """Of the last `width` steps at each end, or of those there are, [ends, columns] each.

    rise: least-squares slope over the window, times its width. NaN where the window has no value.
    """

    mean: Floats
    deviation: Floats
    rise: Floats


class CumulativeSums:
    """Sums over the steps of a series, from which the statistics of any window follow."""

    def __init__(self, values: Floats) -> None:
        """Sum up values, [steps, columns], NaN where missing."""
        present = np.isfinite(values)
        filled = np.where(present, values, 0.0)
        position = np.arange(len(values), dtype=np.float64)[:, np.newaxis]
        self._sums = [
            _cumulate(part)
            for part in (
                present.astype(np.float64),
                filled,
                filled * filled,
                present * position,
                present * position * position,
                filled * position,
            )
        ]

    def means(self, ends: Indices, width: int) -> Floats:
        """Return the means of the windows that end before the positions `ends`, [ends, columns]."""
        starts = np.maximum(ends - width, 0)
        count, total = (sums[ends] - sums[starts] for sums in self._sums[:2])
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(total / count)

    def statistics(self, ends: Indices, width: int) -> WindowStatistics:
        """Return the statistics of the windows that end before the positions `ends`."""
        starts = np.maximum(ends - width, 0)
        count, total, squares, places, place_squares, products = (
            sums[ends] - sums[starts] for sums in self._sums
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / count
            place = places / count
            variance = np.maximum(squares / count - mean * mean, 0.0)
            spread = place_squares / count - place * place
            slope = (products / count - place * mean) / spread
        # One value has no slope.
        rise = np.where(count > 1, slope * width, np.where(count > 0, 0.0, np.nan))
        return WindowStatistics(mean, np.sqrt(variance), rise)


def _cumulate(values: Floats) -> Floats:
    """Return cumulative sums with a leading zero, [steps + 1, columns]."""
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
