"""Features of whole windows: statistics of each column, and MiniRocket's."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.series.minirocket import MiniRocket, Windows
from models.series.series import Floats

Features = NDArray[np.float32]
# Parts of a window with statistics of their own: each step of a load cycle lies in one of them.
_PHASES = 6
_MIN_PHASE_STEPS = 2
STATISTICS = ("mean", "deviation", "minimum", "maximum", "median", "rise", "change", "roughness")
_SMALLEST = 1e-12


class WindowRecipe(msgspec.Struct, frozen=True):
    """How features of windows of `steps` steps are computed.

    centre, spread: of each column in training. rocket: None for the statistics alone.
    """

    steps: int
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    rocket: MiniRocket | None = None

    def standardize(self, readings: Floats) -> Windows:
        """Return readings [..., columns] in standard deviations; missing ones get the mean, 0."""
        deviations = (readings - np.array(self.centre)) / np.array(self.spread)
        filled = np.nan_to_num(deviations.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        return np.asarray(filled, dtype=np.float32)

    def features(self, windows: Windows) -> Features:
        """Return the features of standardized windows, [windows, features]."""
        statistics = window_statistics(windows)
        if self.rocket is None:
            return statistics
        return np.concatenate([statistics, self.rocket.transform(windows)], axis=1)

    @property
    def owners(self) -> tuple[int, ...]:
        """The column of each feature."""
        columns = tuple(range(len(self.centre)))
        of_statistics = columns * (len(STATISTICS) + 3 * phase_count(self.steps))
        return of_statistics if self.rocket is None else (*of_statistics, *self.rocket.owners)


def fit_scale(readings: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each column, [steps, columns], without missing ones."""
    centre, spread = np.nanmean(readings, axis=0), np.nanstd(readings, axis=0)
    floor = np.maximum(np.abs(centre) * np.finfo(np.float32).eps, _SMALLEST)
    return tuple(centre.tolist()), tuple(np.maximum(spread, floor).tolist())


def phase_count(steps: int) -> int:
    """Return the number of phases of a window of so many steps."""
    return max(1, min(_PHASES, steps // _MIN_PHASE_STEPS))


def window_statistics(windows: Windows) -> Features:
    """Return statistics of windows, [windows, statistics × columns]: a block for each statistic.

    First STATISTICS, then mean, deviation and rise of each phase.
    """
    steps = windows.shape[1]
    part = max(1, steps // 4)
    change = windows[:, -part:].mean(axis=1) - windows[:, :part].mean(axis=1)
    roughness = np.abs(np.diff(windows, axis=1)).mean(axis=1)
    parts = (
        windows.mean(axis=1),
        windows.std(axis=1),
        windows.min(axis=1),
        windows.max(axis=1),
        np.median(windows, axis=1),
        _rise(windows),
        change,
        roughness,
        *(
            statistic
            for phase in np.array_split(windows, phase_count(steps), axis=1)
            for statistic in (phase.mean(axis=1), phase.std(axis=1), _rise(phase))
        ),
    )
    return np.asarray(np.concatenate(parts, axis=1), dtype=np.float32)


def _rise(windows: Windows) -> Features:
    """Return the least-squares slope of each column times the number of steps."""
    steps = windows.shape[1]
    place = np.arange(steps, dtype=np.float32) - np.float32((steps - 1) / 2)
    slope = np.einsum("t,ntc->nc", place, windows) / max(float(place @ place), 0.5)
    return np.asarray(slope * steps, dtype=np.float32)
