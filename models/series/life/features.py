"""Features of the last steps of a machine's history, and its health index.

The health index is one weighted sum of all columns. With the histories of five machines no tree can
tell noise from wear in twenty columns; in their weighted sum most of the noise cancels. A column's
weight is its slope against the remaining life divided by the variance that remains around it, as in
a diagonal discriminant.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.series.series import Floats, Indices
from models.series.windows import CumulativeSums

Features = NDArray[np.float32]
# The windows in parts of the median history, short ones for fast wear and long ones against noise.
_WINDOW_SHARES = (0.025, 0.05, 0.1, 0.2, 0.4)
_MAX_WINDOW = 1_000
_SMALLEST = 1e-12


class LifeRecipe(msgspec.Struct, frozen=True):
    """How features are computed from readings.

    windows: widths in steps, ascending, at least three. centre, spread: mean and standard deviation
    of each column in training.
    """

    windows: tuple[int, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]

    @property
    def min_steps(self) -> int:
        """The fewest steps by which a life is told."""
        return self.windows[2]

    @property
    def span(self) -> int:
        """The number of last steps that matter."""
        return self.windows[-1]

    def standardize(self, readings: Floats) -> Floats:
        """Return readings in standard deviations, in the precision of calls."""
        rounded = readings.astype(np.float32).astype(np.float64)
        return np.asarray((rounded - np.array(self.centre)) / np.array(self.spread))

    def recent_means(self, sums: CumulativeSums, ends: Indices) -> Floats:
        """Return the mean of each column over the second window; 0 where it has no value."""
        return np.nan_to_num(sums.means(ends, self.windows[1]))

    def column_features(self, sums: CumulativeSums, ends: Indices) -> Floats:
        """Return means and rises of each column, [ends, features]: a block for each statistic."""
        means = [sums.means(ends, width) for width in self.windows[1:-1]]
        rises = [sums.statistics(ends, width).rise for width in self._rise_windows]
        return np.hstack([*means, *rises])

    @property
    def _rise_windows(self) -> tuple[int, ...]:
        """The windows over which the columns' rises are told."""
        return self.windows[2:-1] or self.windows[-1:]

    @property
    def column_blocks(self) -> int:
        """The number of blocks of `column_features`, each with one feature of every column."""
        return len(self.windows[1:-1]) + len(self._rise_windows)

    def index_features(self, index: Floats, ends: Indices) -> Floats:
        """Return means, rises and a deviation of the health index, [ends, features]."""
        sums = CumulativeSums(index[:, np.newaxis])
        means = [sums.means(ends, width) for width in self.windows]
        rises = [sums.statistics(ends, width).rise for width in self.windows[-3:]]
        return np.hstack([*means, *rises, sums.statistics(ends, self.windows[-2]).deviation])

    @property
    def index_feature_count(self) -> int:
        """The number of features of the health index."""
        return len(self.windows) + 4


def fit_recipe(readings: Floats, lengths: Indices) -> LifeRecipe:
    """Return the recipe for histories of so many steps; readings of all, [steps, columns]."""
    median = float(np.median(lengths))
    windows: list[int] = []
    for share in _WINDOW_SHARES:
        smallest = windows[-1] + 1 if windows else 2
        windows.append(max(smallest, min(round(share * median), _MAX_WINDOW)))
    spread = np.nanstd(readings, axis=0)
    centre = np.nanmean(readings, axis=0)
    floor = np.maximum(np.abs(centre) * np.finfo(np.float32).eps, _SMALLEST)
    return LifeRecipe(
        tuple(windows),
        tuple(float(value) for value in centre),
        tuple(float(value) for value in np.maximum(spread, floor)),
    )


def fit_index(recent_means: Floats, life: Floats) -> Floats:
    """Return the weight of each column in the health index, [columns], of magnitudes with sum 1."""
    centred = life - life.mean()
    deviations = recent_means - recent_means.mean(axis=0)
    slopes = deviations.T @ centred / max(float(centred @ centred), _SMALLEST)
    residuals = deviations - np.outer(centred, slopes)
    weights = slopes / (residuals.var(axis=0) + _SMALLEST)
    # A column that never changes among these machines has no residuals: it says nothing.
    weights[deviations.var(axis=0) < _SMALLEST] = 0.0
    return np.asarray(weights / max(float(np.abs(weights).sum()), _SMALLEST))


def fill_missing(raw: Floats, fills: Floats) -> Features:
    """Return features with a value below all others where they are missing."""
    return np.where(np.isnan(raw), fills, raw).astype(np.float32)
