"""Train a forecaster on a customer's file with a time and a target column."""

from dataclasses import dataclass, field

import numpy as np

from models.adaptation import Adaptation, ProgressCallback, Score, TrainingFileInvalid
from models.drift.fitting import fit_means
from models.drift.reference import Reference, fit_numbers
from models.forecasting.blending import blend
from models.forecasting.data import build_forecast_data, history_means
from models.forecasting.fitting import (
    FittedForecaster,
    TooFewValues,
    fit_forecaster,
)
from models.forecasting.grid import Floats
from models.forecasting.methods import LINEAR, TREES, Methods, forecast_by
from models.forecasting.sentences import describe_data, describe_model
from models.forecasting.trees import export_trees
from models.forecasting.variant import VERSION, ForecastDocument, load, render
from models.onnx_graph import ExportMismatch
from models.problems import single_problem
from models.sentences import message_of, sentence
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest, infer_schema

# The mean difference between the fitted methods and the artefact, in parts of a window's scale.
_EXPORT_TOLERANCE = 1e-3
_CHECKED_WINDOWS = 50


@dataclass(frozen=True, slots=True)
class ForecastAdapter:
    """The training function of a forecaster, with the schema that was confirmed."""

    schema: SchemaRequest = field(default_factory=SchemaRequest)
    threads: int = 1

    def __call__(self, training_file: bytes, progress: ProgressCallback) -> Adaptation:
        """Train on a file: CSV, Excel or JSON lines. Raises TrainingFileInvalid."""
        data = build_forecast_data(infer_schema(read_table(training_file), self.schema))
        for told in describe_data(data):
            progress(told)
        try:
            model = fit_forecaster(data, self.threads, progress)
        except TooFewValues as error:
            problems = single_problem(
                "too_short_series", message_of(error), sentence("Add earlier rows.")
            )
            raise TrainingFileInvalid(message_of(error), problems=problems) from error
        for told in describe_model(model):
            progress(told)
        artefact = render(build_document(model))
        _require_same_forecasts(artefact, model)
        steps = model.form.horizon
        comparison = model.comparisons[steps]
        score = Score(
            f"MASE, {steps} steps ahead, rolling origins",
            comparison.naive.value,
            comparison.model.value,
            higher_is_better=False,
        )
        return Adaptation(artefact, score, len(data), model.origins)


def build_document(model: FittedForecaster) -> ForecastDocument:
    """Return the variant's content: the methods that have a weight, intervals, trained ranges."""
    data, kept = model.data, np.flatnonzero(model.weights.sum(axis=0) > 0)
    names = tuple(model.names[index] for index in kept)
    linear = model.linear.weights if LINEAR in names else np.empty((0, model.form.horizon))
    return ForecastDocument(
        VERSION,
        data.time,
        data.target,
        data.unit,
        data.others,
        data.low,
        data.high,
        model.form,
        names,
        model.edges,
        tuple(tuple(map(float, row)) for row in model.weights[:, kept]),
        model.intervals,
        linear.astype("<f4").tobytes(),
        export_trees(model.trees) if TREES in names else b"",
        _fit_reference(model),
        data.day_order,
    )


def _fit_reference(model: FittedForecaster) -> Reference:
    """Return the distributions of the means of histories, and of what followed them."""
    data, samples = model.data, model.samples
    columns = [(data.target, data.unit), *((one.name, one.unit) for one in data.others)]
    means = history_means(samples.windows, data.others)
    return Reference(
        fit_means(columns, means, [1.0] * len(columns)),
        fit_numbers(data.target, data.unit, samples.future.mean(axis=1)),
    )


def _require_same_forecasts(artefact: bytes, model: FittedForecaster) -> None:
    """Raise ExportMismatch if the artefact does not forecast as the fitted methods do."""
    stride = max(1, len(model.samples) // _CHECKED_WINDOWS)
    windows = model.samples.take(np.arange(0, len(model.samples), stride, dtype=np.intp)).windows
    methods = Methods(model.linear, model.trees.predict_changes)
    forecasts: list[Floats] = [
        forecast_by(name, methods, windows, model.form) for name in model.names
    ]
    expected = blend(forecasts, model.weights, model.edges)
    found = load(artefact).forecast(windows)
    if np.mean(np.abs(found - expected) / windows.scale[:, np.newaxis]) > _EXPORT_TOLERANCE:
        raise ExportMismatch("The exported methods give other forecasts than the fitted ones.")
