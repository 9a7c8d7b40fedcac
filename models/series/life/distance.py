"""How far a machine's columns are from those of the training machines at the same remaining life.

Intervals come from machines of the file. A machine whose columns lie farther from their mean course
than any of those, such as one of another make, has larger errors than they had: its intervals are
widened by how much farther it is.
"""

import msgspec
import numpy as np

from models.series.series import Floats, Indices

# Lives at which the mean course is told, evenly from zero to the longest one.
_POINTS = 30
# As in trajectory.py: smoothed by this part of the longest life, and of the life itself.
_LEAST_WIDTH, _WIDTH_SHARE = 0.08, 0.2
_SMALLEST = 1e-9


class ColumnCourse(msgspec.Struct, frozen=True):
    """The mean of each column by remaining life.

    lives: ascending from 0, [points]. means: in standard deviations, [points][columns].
    """

    lives: tuple[float, ...]
    means: tuple[tuple[float, ...], ...]

    def departures(self, recent_means: Floats, life: Floats) -> Floats:
        """Return how far columns are from the course at a life, [rows, columns]."""
        means, lives = np.array(self.means), np.array(self.lives)
        at = np.clip(np.interp(life, lives, np.arange(len(lives))), 0, len(lives) - 1)
        low = np.minimum(at.astype(np.intp), len(lives) - 2)
        share = (at - low)[:, np.newaxis]
        return np.asarray(recent_means - (1 - share) * means[low] - share * means[low + 1])


class LifeDistance(msgspec.Struct, frozen=True):
    """The course of all machines, and how far machines that were left out were from theirs.

    usual: root mean square of each column, [columns]. weights: of the columns in the health index,
    of magnitudes with sum 1, [columns].
    """

    course: ColumnCourse
    usual: tuple[float, ...]
    weights: tuple[float, ...]

    def widening(self, recent_means: Floats, life: Floats) -> Floats:
        """Return by what intervals are widened, [rows]: 1 for a machine as near as usual.

        recent_means: in standard deviations, [rows, columns], NaN where missing. life: predicted.
        """
        ratios = self.course.departures(recent_means, life) / np.array(self.usual)
        squares = np.nan_to_num(ratios) ** 2 @ np.abs(np.array(self.weights))
        return np.asarray(np.maximum(1.0, np.sqrt(squares)))


def fit_column_course(recent_means: Floats, life: Floats) -> ColumnCourse:
    """Return the smoothed course, from [rows, columns] and uncapped lives, [rows]."""
    longest = max(float(life.max()), _SMALLEST)
    lives = np.linspace(0.0, longest, _POINTS)
    width = _LEAST_WIDTH * longest + _WIDTH_SHARE * lives
    # The nearest life has a weight of 1, so that no life is without rows.
    distances = ((life - lives[:, np.newaxis]) / width[:, np.newaxis]) ** 2
    kernel = np.exp(-0.5 * (distances - distances.min(axis=1, keepdims=True)))
    means = kernel @ recent_means / kernel.sum(axis=1, keepdims=True)
    return ColumnCourse(tuple(lives.tolist()), tuple(tuple(row) for row in means.tolist()))


def fit_distance(
    course: ColumnCourse, departures: Floats, machines: Indices, weights: Floats
) -> LifeDistance:
    """Return the distance, from departures of machines that were left out, [rows, columns].

    A machine counts as one, however many rows it has.
    """
    counts = np.bincount(machines)
    of_row = 1.0 / counts[machines]
    squares = of_row @ departures**2 / np.count_nonzero(counts)
    usual = np.maximum(np.sqrt(squares), _SMALLEST)
    total = max(float(np.abs(weights).sum()), _SMALLEST)
    return LifeDistance(course, tuple(usual.tolist()), tuple((weights / total).tolist()))
