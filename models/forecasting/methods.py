"""All methods that a forecast is averaged from, in training and in calls."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.forecasting.grid import Floats
from models.forecasting.linear import LinearModel
from models.forecasting.naive import seasonal_mean, seasonal_naive
from models.forecasting.tree_inputs import Inputs, add_changes, all_steps, tree_inputs
from models.forecasting.windows import Form, Windows

NAIVE, MEAN, LAST, LINEAR, TREES = (
    "seasonal naive",
    "seasonal mean",
    "last value",
    "linear",
    "boosted trees",
)

PredictChanges = Callable[[Inputs], Floats]
"""Returns the trees' output for each row of inputs, [rows]."""


@dataclass(frozen=True, slots=True)
class Methods:
    """The fitted parts of the methods."""

    linear: LinearModel
    predict_changes: PredictChanges


def method_names(form: Form) -> tuple[str, ...]:
    """Return the names of the methods that a form allows; the first is the seasonal naive one."""
    other = tuple(f"{NAIVE} {season}" for season in form.seasons if season != form.season)
    last = (LAST,) if form.season > 1 else ()
    return (NAIVE, MEAN, *last, *other, LINEAR, TREES)


def forecast_by(name: str, methods: Methods, windows: Windows, form: Form) -> Floats:
    """Return the forecast of one method, [windows, horizon]."""
    match name:
        case "seasonal naive":
            return seasonal_naive(windows.history, form.season, form.horizon)
        case "seasonal mean":
            return seasonal_mean(windows.history, form.season, form.horizon)
        case "last value":
            return seasonal_naive(windows.history, 1, form.horizon)
        case "linear":
            return methods.linear.predict(windows, form)
        case "boosted trees":
            return _forecast_by_trees(methods.predict_changes, windows, form)
        case _:
            season = int(name.removeprefix(NAIVE))
            return seasonal_naive(windows.history, season, form.horizon)


def _forecast_by_trees(predict: PredictChanges, windows: Windows, form: Form) -> Floats:
    """Return the trees' forecast, [windows, horizon]."""
    steps = all_steps(len(windows), form.horizon)
    return add_changes(windows, form, np.asarray(predict(tree_inputs(windows, form, steps))))
