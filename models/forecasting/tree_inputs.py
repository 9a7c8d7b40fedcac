"""The inputs of the trees: one row for each window and step ahead, relative to the history.

The hour is no input: the values at the same place of earlier seasons say what it does, and trees
that knew it went on with courses of the day that the plant no longer had (decision 0045).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.forecasting.grid import DAY, SINCE_MONDAY, Floats, Indices
from models.forecasting.naive import MAX_AVERAGED
from models.forecasting.windows import Form, Windows

Inputs = NDArray[np.float32]
"""[windows · steps ahead, inputs]"""


def tree_inputs(windows: Windows, form: Form, steps: Indices) -> Inputs:
    """Return the inputs for some steps ahead of each window.

    steps: [windows, chosen], from 0 for the next step. The rows are in the order of windows.
    """
    columns = [column.reshape(-1) for column in _columns(windows, form, steps)]
    return np.stack(columns, axis=1).astype(np.float32)


def tree_base(windows: Windows, form: Form, steps: Indices) -> Floats:
    """Return what the trees correct: the seasonal naive forecast, [windows, chosen]."""
    return _at(windows.history, form.season, steps)


def all_steps(windows: int, horizon: int) -> Indices:
    """Return all steps ahead of each window, [windows, horizon]."""
    return np.tile(np.arange(horizon, dtype=np.intp), (windows, 1))


def add_changes(windows: Windows, form: Form, changes: Floats) -> Floats:
    """Return forecasts from the trees' outputs for all steps, [windows, horizon]."""
    base = tree_base(windows, form, all_steps(len(windows), form.horizon))
    return np.asarray(base + changes.reshape(base.shape) * windows.scale[:, np.newaxis])


def _columns(windows: Windows, form: Form, steps: Indices) -> Iterator[NDArray[Any]]:
    """Yield the inputs, [windows, chosen] each."""
    level = windows.history[:, -form.recent :].mean(axis=1)[:, np.newaxis]
    scale = windows.scale[:, np.newaxis]
    yield steps.astype(np.float64)
    for values in _aligned(windows.history, form, steps):
        yield (values - level) / scale
    for value in _recent(windows.history, form, level, scale):
        yield np.broadcast_to(value, steps.shape)
    if round(form.pauses.week / form.step) in form.seasons:
        times = windows.times[:, np.newaxis] + form.step * (steps + 1)
        yield days_of(times, form)
    for column in windows.others.T:
        yield np.broadcast_to(column[:, np.newaxis], steps.shape)


def days_of(times: Floats, form: Form) -> Floats:
    """Return the local day of the week of times, 0 for Monday.

    times: in seconds since 1970, counted without pauses.
    """
    zone = (form.pauses.zone or 0.0) if form.has_local_days else 0.0
    local = form.pauses.restore(times) + zone
    return np.asarray((np.floor(local / DAY) + SINCE_MONDAY // DAY) % 7)


def _aligned(history: Floats, form: Form, steps: Indices) -> Iterator[Floats]:
    """Yield values at the same place of earlier seasons as the step ahead, and beside it."""
    season = form.season
    yield _at(history, season, steps)
    yield _at(history, season, steps - 1)
    yield _at(history, season, steps + 1)
    count = min(MAX_AVERAGED, history.shape[1] // season)
    before = [_at(history, season, steps, number) for number in range(count)]
    if count > 1:
        yield before[1]
        yield np.asarray(np.mean(before, axis=0))
    for other in form.seasons:
        if other != season and other <= history.shape[1]:
            yield _at(history, other, steps)


def _at(history: Floats, season: int, steps: Indices, earlier: int = 0) -> Floats:
    """Return the values at the place of the steps in the last season, or in an earlier one."""
    start = history.shape[1] - season * (1 + earlier)
    return np.asarray(np.take_along_axis(history, start + steps % season, axis=1))


def _recent(history: Floats, form: Form, level: Floats, scale: Floats) -> Iterator[Floats]:
    """Yield what happened last: value, changes, means and spread, [windows, 1] each."""
    last, season = history[:, -1:], form.season
    yield (last - level) / scale
    yield (last - history[:, -2:-1]) / scale
    yield (last - history[:, -min(season + 1, history.shape[1])][:, np.newaxis]) / scale
    for width in (max(2, season // 8), max(3, season // 2)):
        yield (history[:, -width:].mean(axis=1, keepdims=True) - level) / scale
    yield (history.mean(axis=1, keepdims=True) - level) / scale
    yield history[:, -form.recent :].std(axis=1, keepdims=True) / scale
