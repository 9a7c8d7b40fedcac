"""Fit a forecaster: compare the methods on rolling origins, average the best, refit on all rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.forecasting.backtest import (
    Fold,
    choose_penalty,
    run_fold,
    training_samples,
    validation_bounds,
)
from models.forecasting.blending import blend
from models.forecasting.data import ForecastData
from models.forecasting.error_units import error_units
from models.forecasting.grid import Floats
from models.forecasting.intervals import HorizonIntervals, calibrate_intervals
from models.forecasting.linear import LinearModel, fit_linear
from models.forecasting.methods import NAIVE, method_names
from models.forecasting.planning import held_out_start, plan_form
from models.forecasting.scores import Comparison, compare
from models.forecasting.trees import TreeModel, fit_trees
from models.forecasting.weights import band_edges, fit_weights
from models.forecasting.windows import Form, Samples
from models.sentences import Sentence, listing, sentence

# Further columns are kept if the error falls by this share.
_MIN_GAIN = 0.005

Report = Callable[[Sentence], None]
"""Called with a sentence for the customer."""


class TooFewValues(ValueError):
    """The series are too short to fit and to test a forecast."""


@dataclass(frozen=True, slots=True)
class FittedForecaster:
    """A forecaster of all rows, with what is known of it from origins that it was not fitted on.

    weights: [bands, methods]. comparisons: by number of steps ahead.
    """

    data: ForecastData
    form: Form
    linear: LinearModel
    trees: TreeModel
    names: tuple[str, ...]
    edges: tuple[int, ...]
    weights: Floats
    intervals: HorizonIntervals
    comparisons: dict[int, Comparison]
    samples: Samples
    origins: int


def fit_forecaster(data: ForecastData, threads: int, report: Report) -> FittedForecaster:
    """Fit a forecaster on all rows, and evaluate it on rolling origins. Raises TooFewValues."""
    tested = held_out_start(data)
    form = plan_form(data, tested)
    data = _without_useless_columns(data, form, threads, report)
    penalty = choose_penalty(data.series, form)
    folds = []
    for number, (start, end) in enumerate(validation_bounds(data), start=1):
        folds.append(run_fold(data, form, penalty, start, end, threads))
        report(sentence("Evaluated fold {number}.", number=number))
    validation = [fold for fold in folds if fold is not None]
    test = run_fold(data, form, penalty, tested, np.inf, threads)
    if not validation or test is None:
        raise TooFewValues(
            sentence(
                "The series are too short to test forecasts of {horizon} steps ahead.",
                horizon=form.horizon,
            )
        )
    names, edges = method_names(form), band_edges(form.horizon)
    weights = _choose_weights([*validation, test], names, edges)
    # Weights that were not fitted on the test fold are scored on it, unless all folds say that the
    # naive forecast is not to be beaten: then it is delivered, and it is what is scored.
    scored = weights if _is_naive(weights) else _choose_weights(validation, names, edges)
    comparisons = _compare(test, scored, edges, form)
    samples = training_samples(data.series, form, np.inf)
    return FittedForecaster(
        data,
        form,
        fit_linear(samples, form, penalty),
        fit_trees(samples, form, threads),
        names,
        edges,
        weights,
        _calibrate([*validation, test], weights, edges, form),
        comparisons,
        samples,
        len(test.samples),
    )


def shown_horizons(form: Form) -> tuple[int, ...]:
    """Return the numbers of steps ahead that scores are told for: one season, and all."""
    return tuple(sorted({min(max(form.season, 1), form.horizon), form.horizon}))


def _choose_weights(folds: Sequence[Fold], names: Sequence[str], edges: Sequence[int]) -> Floats:
    """Return the weights of the folds, or of the naive forecast alone, [bands, methods].

    The average must have the lower error in the mean, and in most folds, with weights from the
    other folds: in a few folds some method always looks better by chance.
    """
    gains = [
        _relative_gain(fold, _fit_weights([*folds[:at], *folds[at + 1 :]], names, edges), edges)
        for at, fold in enumerate(folds)
        if len(folds) > 1
    ]
    if gains and np.mean(gains) > 0 and np.median(gains) > 0:
        return _fit_weights(folds, names, edges)
    return np.tile(np.eye(len(names))[0], (len(edges) - 1, 1))


def _is_naive(weights: Floats) -> bool:
    """Return whether the seasonal naive forecast has all the weight."""
    return bool(np.all(weights[:, 0] == 1.0))


def _relative_gain(fold: Fold, weights: Floats, edges: Sequence[int]) -> float:
    """Return by which part of the naive error the averaged forecasts are better."""
    error = np.abs(_blended(fold, weights, edges) - fold.samples.future).mean()
    naive = np.abs(fold.forecasts[NAIVE] - fold.samples.future).mean()
    return float(1 - error / naive) if naive > 0 else 0.0


def _fit_weights(folds: Sequence[Fold], names: Sequence[str], edges: Sequence[int]) -> Floats:
    """Return the weights with the least error over folds, [bands, methods]."""
    forecasts = [np.concatenate([fold.forecasts[name] for fold in folds]) for name in names]
    future = np.concatenate([fold.samples.future for fold in folds])
    return fit_weights(forecasts, future, np.concatenate([fold.units for fold in folds]), edges)


def _blended(fold: Fold, weights: Floats, edges: Sequence[int]) -> Floats:
    """Return the averaged forecasts of a fold, [windows, horizon]."""
    return blend(list(fold.forecasts.values()), weights, edges)


def _compare(
    test: Fold, weights: Floats, edges: Sequence[int], form: Form
) -> dict[int, Comparison]:
    """Return the scores on the test fold by the number of steps ahead."""
    units, future = test.units[:, np.newaxis], test.samples.future
    model = np.abs(_blended(test, weights, edges) - future) / units
    naive = np.abs(test.forecasts[NAIVE] - future) / units
    length = form.step * max(form.horizon, form.season)
    blocks = (test.samples.windows.times // length).astype(np.intp)
    blocks = blocks * (1 + int(test.samples.machines.max())) + test.samples.machines
    return {
        steps: compare(model[:, :steps], naive[:, :steps], blocks) for steps in shown_horizons(form)
    }


def _calibrate(
    folds: Sequence[Fold], weights: Floats, edges: Sequence[int], form: Form
) -> HorizonIntervals:
    """Return the interval widths from the errors of all folds."""
    errors = [
        np.abs(_blended(fold, weights, edges) - fold.samples.future)
        / error_units(fold.samples.windows, form)[:, np.newaxis]
        for fold in folds
    ]
    return calibrate_intervals(np.concatenate(errors))


def _without_useless_columns(
    data: ForecastData, form: Form, threads: int, report: Report
) -> ForecastData:
    """Return the data without the further columns, if they do not improve the forecast.

    Calls would have to send them for nothing.
    """
    if not data.others:
        return data
    series = tuple(replace(one, others=one.others[:, :0]) for one in data.series)
    without = replace(data, others=(), series=series)
    errors = [_last_fold_error(one, form, threads) for one in (data, without)]
    if errors[0] < (1 - _MIN_GAIN) * errors[1]:
        return data
    report(
        sentence(
            "The forecast is not better with {names}: calls need not send them.",
            names=listing([column.name for column in data.others]),
        )
    )
    return without


def _last_fold_error(data: ForecastData, form: Form, threads: int) -> float:
    """Return the mean scaled error of the fitted methods in the last validation fold."""
    start, end = validation_bounds(data)[-1]
    fold = run_fold(data, form, choose_penalty(data.series, form), start, end, threads)
    if fold is None:
        return np.inf
    *_, linear, trees = fold.forecasts.values()
    error = np.abs((linear + trees) / 2 - fold.samples.future)
    return float((error / fold.units[:, np.newaxis]).mean())
