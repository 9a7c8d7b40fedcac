"""Sentences for the customer on the series of a file, and on a fitted forecaster."""

from collections.abc import Sequence

import numpy as np

from models.forecasting.data import ForecastData, describe_step
from models.forecasting.fitting import FittedForecaster
from models.forecasting.methods import NAIVE
from models.forecasting.planning import describe_form
from models.forecasting.scores import Comparison
from models.forecasting.windows import Form
from models.sentences import Sentence, describe_verdict, listing, sentence

# Methods with a smaller part of the average are not told.
_MIN_SHARE = 0.005


def describe_data(data: ForecastData) -> Sequence[Sentence]:
    """Return sentences on the rows that the training uses."""
    count, others = data.machines, ", ".join(column.name for column in data.others)
    read = sentence(
        "Read {steps} steps of {step}{machines} of {target}{further}.",
        steps=len(data),
        step=describe_step(data.step),
        machines="" if count == 1 else sentence(" of {count} machines", count=count),
        target=data.target,
        further=sentence(", with the further columns {names}", names=others) if others else "",
    )
    return [read, *data.notes]


def describe_model(model: FittedForecaster) -> Sequence[Sentence]:
    """Return sentences on form, scores and methods of a fitted forecaster."""
    return [
        *describe_form(model.data, model.form),
        *(
            describe_comparison(steps, comparison, model.form)
            for steps, comparison in model.comparisons.items()
        ),
        _describe_weights(model),
    ]


def describe_comparison(steps: int, comparison: Comparison, form: Form) -> Sentence:
    """Return the sentence on the score of forecasts and on that of the naive ones."""
    model, naive = comparison.model, comparison.naive
    repeated = (
        sentence("the last {count} steps", count=form.season)
        if form.season > 1
        else sentence("the last value")
    )
    return sentence(
        "MASE up to {steps} steps ahead on rolling origins in the last fifth: {score:.3f} (95 % "
        "interval {low:.3f} to {high:.3f}). Repeating {repeated} has {naive:.3f}: the model is "
        "{verdict} that.",
        steps=steps,
        score=model.value,
        low=model.low,
        high=model.high,
        repeated=repeated,
        naive=naive.value,
        verdict=describe_verdict(comparison.is_better, comparison.is_worse),
    )


def _describe_weights(model: FittedForecaster) -> Sentence:
    """Return the sentence on the methods that are averaged, with their mean weights."""
    sizes = np.diff(model.edges)
    means = (model.weights * sizes[:, np.newaxis]).sum(axis=0) / sizes.sum()
    ranked = sorted(zip(model.names, means, strict=True), key=lambda one: -one[1])
    parts = [
        sentence("{method} {share:.0%}", method=_method(name), share=share)
        for name, share in ranked
        if share >= _MIN_SHARE
    ]
    return sentence("The forecast averages {methods}.", methods=listing(parts))


def _method(name: str) -> str:
    """Return a method's name, with the steps of a further season."""
    season = name.removeprefix(NAIVE).strip()
    if name != NAIVE and name.startswith(NAIVE):
        return sentence("{method} {season}", method=sentence(NAIVE), season=season)
    return sentence(name)
