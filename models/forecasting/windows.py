"""Windows of a series: the history that a forecast is made from, and the values that follow."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from models.forecasting.grid import Floats, Indices
from models.forecasting.pauses import NO_PAUSES, Pauses


class Form(msgspec.Struct, frozen=True):
    """What all forecasts of a model have in common.

    step: in seconds. season: of the seasonal naive forecast, in steps, 1 if there is none. seasons:
    all that were found. lookback: steps of history that a forecast needs. horizon: the most steps
    ahead. least_scale: the smallest scale of a window, in the target's unit: a machine that stands
    still has no spread. pauses: without which times are counted. has_local_days: whether days of
    the week are those of the training file's zone; False in artefacts of earlier releases.
    """

    step: float
    season: int
    seasons: tuple[int, ...]
    lookback: int
    horizon: int
    least_scale: float
    pauses: Pauses = NO_PAUSES
    has_local_days: bool = False

    @property
    def recent(self) -> int:
        """The number of last steps that stand for the present level."""
        return max(2, self.season)


@dataclass(frozen=True, slots=True)
class Series:
    """A gapless part of the series of one machine.

    times: of each step, in seconds since 1970, counted without pauses, [steps]. values: of the
    target, [steps]. others: further columns, [steps, columns]. machine: its index.
    """

    times: Floats
    values: Floats
    others: Floats
    machine: int = 0

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Windows:
    """Histories of forecasts.

    history: [windows, lookback]. others: last value and recent mean of each further column,
    [windows, 2 · columns]. times: of the last step, [windows]. scale: of the history, [windows].
    """

    history: Floats
    others: Floats
    times: Floats
    scale: Floats

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Samples:
    """Windows with what followed them.

    future: [windows, horizon]. machines: index of the machine of each window.
    """

    windows: Windows
    future: Floats
    machines: Indices

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.windows)

    def take(self, rows: Indices) -> "Samples":
        """Return some of the samples."""
        windows = self.windows
        return Samples(
            Windows(
                windows.history[rows],
                windows.others[rows],
                windows.times[rows],
                windows.scale[rows],
            ),
            self.future[rows],
            self.machines[rows],
        )


def make_windows(history: Floats, others: Floats, times: Floats, form: Form) -> Windows:
    """Return windows with the scale of each."""
    return Windows(history, others, times, np.maximum(history.std(axis=1), form.least_scale))


def cut_samples(
    series: Sequence[Series], form: Form, start: float, end: float, most: int
) -> Samples:
    """Return samples whose future lies from `start` until before `end`, at most about `most`.

    start, end: in seconds since 1970. If there are more, they are taken at equal distances that
    meet all steps of a season.
    """
    origins = [_origins(one, form, start, end) for one in series]
    total = sum(map(len, origins))
    stride = _coprime(max(1, total // max(1, most)), form.season)
    parts = [
        _cut(one, chosen[::stride], form)
        for one, chosen in zip(series, origins, strict=True)
        if len(chosen)
    ]
    return _join(parts, form, series[0].others.shape[1])


def _origins(series: Series, form: Form, start: float, end: float) -> Indices:
    """Return the last step of each history whose future lies within the bounds."""
    first = int(np.searchsorted(series.times, start)) - 1
    last = int(np.searchsorted(series.times, end)) - form.horizon
    return np.arange(max(first, form.lookback - 1), max(last, 0), dtype=np.intp)


def _coprime(stride: int, season: int) -> int:
    """Return the next number from `stride` on that shares no factor with the season."""
    while np.gcd(stride, season) > 1:
        stride += 1
    return stride


def _cut(series: Series, origins: Indices, form: Form) -> Samples:
    """Return the samples of one series with these last steps of their histories."""
    starts = origins - form.lookback + 1
    history = sliding_window_view(series.values, form.lookback)[starts]
    future = sliding_window_view(series.values, form.horizon)[origins + 1]
    others = summarize_others(series.others, origins, form)
    windows = make_windows(history, others, series.times[origins], form)
    return Samples(windows, future, np.full(len(origins), series.machine, dtype=np.intp))


def summarize_others(others: Floats, origins: Indices, form: Form) -> Floats:
    """Return the last values and the recent means of further columns, [origins, 2 · columns].

    others: [steps, columns]. origins: the last step of each history.
    """
    sums = np.concatenate([np.zeros((1, others.shape[1])), np.cumsum(others, axis=0)])
    recent = (sums[origins + 1] - sums[origins + 1 - form.recent]) / form.recent
    return np.concatenate([others[origins], recent], axis=1)


def _join(parts: Sequence[Samples], form: Form, columns: int) -> Samples:
    """Return the samples of several series in one."""
    if not parts:
        history, others = np.empty((0, form.lookback)), np.empty((0, 2 * columns))
        windows = Windows(history, others, np.empty(0), np.empty(0))
        return Samples(windows, np.empty((0, form.horizon)), np.empty(0, dtype=np.intp))
    return Samples(
        Windows(
            np.concatenate([part.windows.history for part in parts]),
            np.concatenate([part.windows.others for part in parts]),
            np.concatenate([part.windows.times for part in parts]),
            np.concatenate([part.windows.scale for part in parts]),
        ),
        np.concatenate([part.future for part in parts]),
        np.concatenate([part.machines for part in parts]),
    )
