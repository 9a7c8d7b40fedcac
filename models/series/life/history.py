"""What the whole history of a machine tells beside its last steps: its age, and its beginning.

A reading means more beside those of the same machine when it was new, and lives of machines of one
kind end at similar ages. Both are known only if the history begins when the machine was new. The
time column shows it: where it counts from the beginning of each machine's life, the machines of the
training file begin at the same time, and a history that begins there too is complete.
"""

import msgspec
import numpy as np

from models.series.life.features import LifeRecipe
from models.series.series import Floats, Indices, SeriesSet
from models.series.windows import CumulativeSums
from models.tables.columns import Kind

# First times may differ by this part of the median history: steps are missing, or not recorded yet.
_TOLERANCE_SHARE = 0.05
# Features of the age and of the index, before those of the columns, which come in blocks.
INDEX_FEATURES, COLUMN_BLOCKS = 3, 2


class LifeStart(msgspec.Struct, frozen=True):
    """The time at which machines are new.

    new: the earliest first time in training. latest: a history that begins later is not complete.
    oldest: the highest age in training.
    """

    new: float
    latest: float
    oldest: float

    def ages(self, times: Floats) -> Floats:
        """Return the age at the last of the times, [rows, steps]; NaN if it is not known."""
        with np.errstate(invalid="ignore"):
            is_complete = (times[:, 0] <= self.latest) & (times[:, 0] >= self.new)
        return np.where(is_complete, times[:, -1] - self.new, np.nan)


def find_start(histories: SeriesSet) -> LifeStart | None:
    """Return when the machines of a file are new; None if its times do not count from there."""
    if histories.time_kind is not Kind.NUMBER:
        return None
    firsts = np.array([one.times[0] for one in histories.series])
    lasts = np.array([one.times[-1] for one in histories.series])
    new = float(firsts.min())
    latest = new + _TOLERANCE_SHARE * float(np.median(lasts - firsts))
    if float(firsts.max()) > latest:
        return None
    return LifeStart(new, latest, float(lasts.max()) - new)


def history_features(
    recipe: LifeRecipe, sums: CumulativeSums, index: Floats, ends: Indices, ages: Floats
) -> Floats:
    """Return the features of complete histories, [ends, features], NaN where missing.

    The age; of the index and then of each column, the recent mean less that of the whole history,
    and less that of its first steps. sums: of the columns. index: in every step, [steps]. ages: at
    the ends.
    """
    of_index = _departures(recipe, CumulativeSums(index[:, np.newaxis]), ends)
    return np.hstack([ages[:, np.newaxis], *of_index, *_departures(recipe, sums, ends)])


def _departures(recipe: LifeRecipe, sums: CumulativeSums, ends: Indices) -> tuple[Floats, Floats]:
    """Return recent means less those of the history and of its beginning, [ends, columns]."""
    recent = sums.means(ends, recipe.windows[1])
    whole = sums.means(ends, int(ends.max()))
    beginning = sums.means(np.minimum(ends, recipe.min_steps), recipe.min_steps)
    return recent - whole, recent - beginning
