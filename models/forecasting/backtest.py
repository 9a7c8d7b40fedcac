"""Rolling origins: fit on values before a time, forecast from many later origins.

The validation folds choose penalty, columns and weights; the test fold after them is only scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from models.forecasting.data import ForecastData
from models.forecasting.grid import Floats
from models.forecasting.linear import DEFAULT_PENALTY, PENALTIES, fit_linear, fit_path
from models.forecasting.methods import Methods, forecast_by, method_names
from models.forecasting.planning import TEST_START, naive_error
from models.forecasting.trees import fit_trees
from models.forecasting.windows import Form, Samples, Series, cut_samples

# Bounds of the validation folds, as shares of the steps.
VALIDATION_BOUNDS = (0.5, 0.6, 0.7, TEST_START)
MAX_ORIGINS, MAX_TEST_ORIGINS = 250, 400
_MAX_TRAINING_VALUES = 4_000_000
_MAX_TRAINING_WINDOWS = 8_000
MIN_TRAINING_WINDOWS = 5


@dataclass(frozen=True, slots=True)
class Fold:
    """Forecasts of all methods from the origins of one fold.

    forecasts: by method, [windows, horizon] each. units: the MASE's unit of each window.
    """

    samples: Samples
    forecasts: Mapping[str, Floats]
    units: Floats


def fold_times(series: Sequence[Series], shares: Sequence[float]) -> list[float]:
    """Return the times before which these shares of all steps lie, in seconds since 1970."""
    times = np.sort(np.concatenate([one.times for one in series]))
    positions = [min(len(times) - 1, int(share * len(times))) for share in shares]
    return [float(times[position]) for position in positions]


def training_samples(series: Sequence[Series], form: Form, end: float) -> Samples:
    """Return the samples before a time to fit on, bounded in memory."""
    most = _MAX_TRAINING_VALUES // (form.lookback + form.horizon)
    return cut_samples(series, form, -np.inf, end, min(most, _MAX_TRAINING_WINDOWS))


def fit_methods(samples: Samples, form: Form, penalty: float, threads: int) -> Methods:
    """Fit the methods that are fitted."""
    trees = fit_trees(samples, form, threads)
    return Methods(fit_linear(samples, form, penalty), trees.predict_changes)


def choose_penalty(series: Sequence[Series], form: Form) -> float:
    """Return the penalty of the linear method with the least error in the first fold."""
    start, end = fold_times(series, VALIDATION_BOUNDS[:2])
    training = training_samples(series, form, start)
    held_out = cut_samples(series, form, start, end, MAX_ORIGINS)
    if len(training) < MIN_TRAINING_WINDOWS or not len(held_out):
        return DEFAULT_PENALTY
    errors = [
        np.mean(np.abs(model.predict(held_out.windows, form) - held_out.future)
                / held_out.windows.scale[:, np.newaxis])
        for model in fit_path(training, form, PENALTIES)
    ]  # fmt: skip
    return PENALTIES[int(np.argmin(errors))]


def run_fold(
    data: ForecastData, form: Form, penalty: float, start: float, end: float, threads: int
) -> Fold | None:
    """Fit before `start` and forecast up to `end`; None if there are too few values.

    start, end: in seconds since 1970.
    """
    training = training_samples(data.series, form, start)
    most = MAX_ORIGINS if np.isfinite(end) else MAX_TEST_ORIGINS
    held_out = cut_samples(data.series, form, start, end, most)
    if len(training) < MIN_TRAINING_WINDOWS or not len(held_out):
        return None
    methods = fit_methods(training, form, penalty, threads)
    forecasts = {
        name: forecast_by(name, methods, held_out.windows, form) for name in method_names(form)
    }
    units = mase_units(data, form, start)
    return Fold(held_out, MappingProxyType(forecasts), units[held_out.machines])


def validation_bounds(data: ForecastData) -> list[tuple[float, float]]:
    """Return start and end of each validation fold, in seconds since 1970."""
    return list(pairwise(fold_times(data.series, VALIDATION_BOUNDS)))


def mase_units(data: ForecastData, form: Form, end: float) -> Floats:
    """Return the mean absolute error of the seasonal naive forecast before `end`, [machines].

    A machine without values before it gets the mean of the others.
    """
    units = np.full(data.machines, np.nan)
    for machine in range(data.machines):
        parts = [part.values[part.times < end] for part in data.series if part.machine == machine]
        units[machine] = naive_error(parts, form.season) or np.nan
    known = units[np.isfinite(units)]
    mean = float(known.mean()) if len(known) else 1.0
    return np.where(np.isfinite(units), units, mean)
