"""Sentences for the customer on the series of a file, and on a fitted forecaster."""

from collections.abc import Sequence

import numpy as np

from models.forecasting.data import ForecastData, describe_step
from models.forecasting.fitting import FittedForecaster
from models.forecasting.planning import describe_form
from models.forecasting.scores import Comparison
from models.forecasting.windows import Form

# Methods with a smaller part of the average are not told.
_MIN_SHARE = 0.005


def describe_data(data: ForecastData) -> Sequence[str]:
    """Return sentences on the rows that the training uses."""
    machines = "" if data.machines == 1 else f" of {data.machines} machines"
    others = ", ".join(column.name for column in data.others)
    further = f", with the further columns {others}" if others else ""
    return [
        f"Read {len(data)} steps of {describe_step(data.step)}{machines} of {data.target}"
        f"{further}.",
        *data.notes,
    ]


def describe_model(model: FittedForecaster) -> Sequence[str]:
    """Return sentences on form, scores and methods of a fitted forecaster."""
    return [
        *describe_form(model.data, model.form),
        *(
            describe_comparison(steps, comparison, model.form)
            for steps, comparison in model.comparisons.items()
        ),
        _describe_weights(model),
    ]


def describe_comparison(steps: int, comparison: Comparison, form: Form) -> str:
    """Return the sentence on the score of forecasts and on that of the naive ones."""
    model, naive = comparison.model, comparison.naive
    verdict = (
        "better than"
        if comparison.is_better
        else "worse than"
        if comparison.is_worse
        else "not distinguishable from"
    )
    repeated = f"the last {form.season} steps" if form.season > 1 else "the last value"
    return (
        f"MASE up to {steps} steps ahead on rolling origins in the last fifth: {model.value:.3f} "
        f"(95 % interval {model.low:.3f} to {model.high:.3f}). Repeating {repeated} has "
        f"{naive.value:.3f}: the model is {verdict} that."
    )


def _describe_weights(model: FittedForecaster) -> str:
    """Return the sentence on the methods that are averaged, with their mean weights."""
    sizes = np.diff(model.edges)
    means = (model.weights * sizes[:, np.newaxis]).sum(axis=0) / sizes.sum()
    ranked = sorted(zip(model.names, means, strict=True), key=lambda one: -one[1])
    parts = [f"{name} {share:.0%}" for name, share in ranked if share >= _MIN_SHARE]
    return f"The forecast averages {', '.join(parts)}."
