"""Train a model of rows on a customer's file with the customer's own columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.adaptation import Adaptation, ProgressCallback
from models.calibration import Calibration, CalibrationFailed, calibration_metrics, fit_calibration
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest, infer_schema
from models.tabular.boosting import raw_scores
from models.tabular.data import Floats, Goal, Indices, TabularData, build_data
from models.tabular.encoding import column_values
from models.tabular.evaluation import Comparison
from models.tabular.fitting import FittedModel, fit_model
from models.tabular.intervals import DEFAULT_LEVEL, IntervalTable, calibrate_intervals
from models.tabular.leakage import find_leaks
from models.tabular.tree_graph import build_tree_graph, require_same_scores
from models.tabular.variant import VERSION, TabularDocument, load, render

_CHECKED_ROWS = 200
_UNIT_CALIBRATION = Calibration(1.0, np.zeros(2))


@dataclass(frozen=True, slots=True)
class TabularAdapter:
    """The training function of a classifier or regressor, with the schema that was confirmed."""

    goal: Goal
    schema: SchemaRequest = field(default_factory=SchemaRequest)
    threads: int = 2

    def __call__(self, training_file: bytes, progress: ProgressCallback) -> Adaptation:
        """Train on a file: CSV, Excel or JSON lines. Raises TrainingFileInvalid."""
        data = read_training_rows(training_file, self.goal, self.schema)
        for sentence in describe_data(data):
            progress(sentence)

        def report(number: int, of: int) -> None:
            """Report the evaluated splits."""
            progress(f"Evaluated split {number} of {of}.")

        model = fit_model(data, self.threads, report)
        for leak in find_leaks(data, model.plan.splits[0]):
            progress(leak.sentence)
        document = _build_document(data, model, progress)
        artefact = render(document)
        _require_same_scores(artefact, data, model)
        progress(describe_comparison(model.comparison, model.plan.kind.value))
        score = model.comparison.as_score(model.plan.kind.value)
        return Adaptation(artefact, score, len(data), len(model.held_out.rows))


def read_training_rows(training_file: bytes, goal: Goal, schema: SchemaRequest) -> TabularData:
    """Return the training rows of a file. Raises TrainingFileInvalid with all problems."""
    return build_data(infer_schema(read_table(training_file), schema), goal)


def describe_data(data: TabularData) -> Sequence[str]:
    """Return sentences on the rows that the training uses."""
    machines = "" if data.machines is None else f" of {len(np.unique(data.machines))} machines"
    inputs = ", ".join(column.name for column in data.inputs)
    return [f"Read {len(data)} rows{machines} with the inputs {inputs}.", *data.notes]


def describe_comparison(comparison: Comparison, held_out: str) -> str:
    """Return the sentence on the held-out score and on the baseline's."""
    model, baseline = comparison.model, comparison.baseline
    verdict = (
        "better than"
        if comparison.is_better
        else "worse than"
        if comparison.is_worse
        else "not distinguishable from"
    )
    return (
        f"{comparison.metric} on rows held out {held_out}: {model.value:.4g} (95 % interval "
        f"{model.low:.4g} to {model.high:.4g}). Without any input it would be "
        f"{baseline.value:.4g}: the model is {verdict} that."
    )


def _build_document(
    data: TabularData, model: FittedModel, progress: ProgressCallback
) -> TabularDocument:
    """Return the variant's content: trees, calibration or intervals."""
    graph = build_tree_graph(model.booster, "models.tabular")
    is_class = data.target.goal is Goal.CLASS
    rows = model.held_out.rows
    calibration = (
        calibrate(model.held_out.scores[rows], data.target.indices[rows], progress)
        if is_class
        else _UNIT_CALIBRATION
    )
    return TabularDocument(
        version=VERSION,
        goal=data.target.goal,
        target=data.target.name,
        unit=data.target.unit,
        classes=data.target.classes,
        encoding=model.encoding,
        base=graph.base,
        slope=calibration.slope,
        shifts=tuple(float(shift) for shift in calibration.shifts),
        intervals=None if is_class else _calibrate_intervals(data, model, progress),
        trees=graph.model,
    )


def calibrate(scores: Floats, truth: Indices, progress: ProgressCallback) -> Calibration:
    """Return the calibration of class scores [rows, classes], fitted on held-out rows."""
    neutral = Calibration(1.0, np.zeros(scores.shape[1]))
    if len(np.unique(truth)) < scores.shape[1]:
        return neutral
    try:
        calibration = fit_calibration(scores, truth)
    except CalibrationFailed:
        progress("The probabilities could not be calibrated: the scores carry no information.")
        return neutral
    error = calibration_metrics(calibration.probabilities(scores), truth)["ece"]
    progress(f"Probabilities are calibrated: their mean error is {error:.1%}.")
    return calibration


def _calibrate_intervals(
    data: TabularData, model: FittedModel, progress: ProgressCallback
) -> IntervalTable:
    """Return the interval widths, from held-out rows."""
    rows = model.held_out.rows
    predicted = model.held_out.scores[rows]
    table = calibrate_intervals(predicted, data.target.values[rows], model.plan.clusters[rows])
    width = np.median(table.half_width(predicted, np.full(len(rows), DEFAULT_LEVEL)))
    unit = f" {data.target.unit}" if data.target.unit else ""
    progress(f"At {DEFAULT_LEVEL:.0%}, half an interval is {width:.3g}{unit} wide (median).")
    return table


def _require_same_scores(artefact: bytes, data: TabularData, model: FittedModel) -> None:
    """Raise ExportMismatch if the artefact does not score rows as the trained trees do."""
    variant = load(artefact)
    inputs = {name: values[:_CHECKED_ROWS] for name, values in column_values(data.inputs).items()}
    features = model.encoding.encode(inputs)
    session = variant.session
    expected = raw_scores(model.booster, features)
    require_same_scores(session, expected, features, variant.document.base)
