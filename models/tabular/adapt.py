"""Train a model of rows on a customer's file with the customer's own columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.adaptation import Adaptation, DecisionCosts, ProgressCallback, Score
from models.calibration import Calibration, CalibrationFailed, calibration_metrics, fit_calibration
from models.decisions.comparison import describe_costs
from models.decisions.costs import Side
from models.decisions.cross_fitting import measure_class_costs, measure_limit_costs
from models.decisions.decider import ClassDecider, LimitDecider
from models.decisions.error_distribution import fit_errors
from models.decisions.planning import plan_class_decider, plan_limit_decider
from models.drift.fitting import fit_columns
from models.drift.reference import CategoryBins, Reference, fit_categories, fit_numbers
from models.sentences import Sentence, describe_verdict, sentence
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest, infer_schema
from models.tabular.boosting import raw_scores
from models.tabular.data import Floats, Goal, Indices, TabularData, build_data
from models.tabular.encoding import column_values
from models.tabular.evaluation import Comparison
from models.tabular.fitting import FittedModel, fit_model
from models.tabular.intervals import (
    DEFAULT_LEVEL,
    IntervalTable,
    calibrate_intervals,
    cluster_weights,
)
from models.tabular.leakage import find_leaks
from models.tabular.ready_made import HeldOut, OpenReadyMade, RowInputs, score_ready_made
from models.tabular.tree_graph import build_tree_graph, require_same_scores
from models.tabular.variant import VERSION, TabularDocument, load, render

_CHECKED_ROWS = 200
_UNIT_CALIBRATION = Calibration(1.0, np.zeros(2))


@dataclass(frozen=True, slots=True)
class TabularAdapter:
    """The training function of a classifier or regressor, with the schema that was confirmed.

    `ready_made` loads the model that the schema names for a comparison. With two `threads` on a
    busy machine, each waits for the other in a loop: 36 s of processor time instead of 1.6.
    """

    goal: Goal
    schema: SchemaRequest = field(default_factory=SchemaRequest)
    threads: int = 1
    ready_made: OpenReadyMade | None = None

    def __call__(self, training_file: bytes, progress: ProgressCallback) -> Adaptation:
        """Train on a file: CSV, Excel or JSON lines. Raises TrainingFileInvalid."""
        table = read_table(training_file)
        data = build_data(infer_schema(table, self.schema), self.goal)
        for told in describe_data(data):
            progress(told)

        def report(number: int, of: int) -> None:
            """Report the evaluated splits."""
            progress(sentence("Evaluated split {number} of {of}.", number=number, of=of))

        model = fit_model(data, self.threads, report)
        for leak in find_leaks(data):
            progress(leak.sentence)
        decider = _plan_decider(self.schema, data, model)
        document = _build_document(data, model, decider, progress)
        artefact = render(document)
        _require_same_scores(artefact, data, model)
        progress(describe_comparison(model.comparison, model.plan.kind.value))
        score = model.comparison.as_score(
            model.plan.kind.value, _measure_costs(decider, document, data, model)
        )
        report_costs(decider, score, progress)
        ready_made = score_ready_made(
            self.ready_made,
            self.schema.ready_made,
            RowInputs(table, self.schema, data.rows),
            HeldOut(data.target, model.held_out.predicted(data.target.goal), model.plan.clusters),
            progress,
        )
        score = replace(score, ready_made=ready_made)
        return Adaptation(artefact, score, len(data), len(model.held_out.rows))


def describe_data(data: TabularData) -> Sequence[Sentence]:
    """Return sentences on the rows that the training uses."""
    read = sentence(
        "Read {rows} rows{machines} with the inputs {inputs}.",
        rows=len(data),
        machines=of_machines(0 if data.machines is None else len(np.unique(data.machines))),
        inputs=", ".join(column.name for column in data.inputs),
    )
    return [read, *data.notes]


def of_machines(count: int) -> str:
    """Return ` of 3 machines` for a sentence on rows; empty for none."""
    return sentence(" of {count} machines", count=count) if count else ""


def describe_comparison(comparison: Comparison, held_out: str) -> Sentence:
    """Return the sentence on the held-out score and on the baseline's."""
    model, baseline = comparison.model, comparison.baseline
    return sentence(
        "{metric} on rows held out {held_out}: {score:.4g} (95 % interval {low:.4g} to "
        "{high:.4g}). Without any input it would be {base:.4g}: the model is {verdict} that.",
        metric=comparison.metric,
        held_out=sentence(held_out),
        score=model.value,
        low=model.low,
        high=model.high,
        base=baseline.value,
        verdict=describe_verdict(comparison.is_better, comparison.is_worse),
    )


def report_costs(
    decider: ClassDecider | LimitDecider, score: Score, progress: ProgressCallback
) -> None:
    """Report what decisions by the stated costs cost on held-out rows, if costs were stated."""
    if score.decision is not None:
        progress(describe_costs(decider.event_names, score.decision))


def _plan_decider(
    schema: SchemaRequest, data: TabularData, model: FittedModel
) -> ClassDecider | LimitDecider:
    """Return how the model decides. Raises TrainingFileInvalid for invalid costs."""
    if data.target.goal is Goal.CLASS:
        return plan_class_decider(schema.costs, data.target.classes, data.target.indices)
    rows = model.held_out.rows
    clusters = model.plan.clusters[rows]
    errors = fit_errors(
        model.held_out.scores[rows],
        data.target.values[rows],
        cluster_weights(clusters),
        len(np.unique(clusters)),
    )
    return plan_limit_decider(schema.costs, errors, Side.ABOVE, data.target.unit)


def _measure_costs(
    decider: ClassDecider | LimitDecider,
    document: TabularDocument,
    data: TabularData,
    model: FittedModel,
) -> DecisionCosts | None:
    """Return what decisions by the stated costs cost on held-out rows, None without costs."""
    rows = model.held_out.rows
    scores, clusters = model.held_out.scores[rows], model.plan.clusters[rows]
    if isinstance(decider, ClassDecider):
        calibrated = Calibration(document.slope, np.array(document.shifts)).probabilities
        truth = data.target.indices[rows]
        return measure_class_costs(decider, scores, truth, clusters, calibrated)
    weights = cluster_weights(clusters)
    return measure_limit_costs(decider, scores, data.target.values[rows], weights, clusters)


def _build_document(
    data: TabularData,
    model: FittedModel,
    decider: ClassDecider | LimitDecider,
    progress: ProgressCallback,
) -> TabularDocument:
    """Return the variant's content: trees, calibration or intervals, costs."""
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
        decider=decider,
        reference=_fit_reference(data, model, calibration),
    )


def _fit_reference(data: TabularData, model: FittedModel, calibration: Calibration) -> Reference:
    """Return the distributions of the inputs, and of predictions on held-out rows."""
    gains = model.encoding.column_gains(model.booster.feature_importance("gain"))
    target, scores = data.target, model.held_out.scores[model.held_out.rows]
    inputs = fit_columns(data.inputs, gains.tolist())
    if target.goal is Goal.CLASS:
        return Reference(inputs, class_bins(target.name, target.classes, scores, calibration))
    return Reference(inputs, fit_numbers(target.name, target.unit, scores))


def class_bins(
    name: str, classes: Sequence[str], scores: Floats, calibration: Calibration
) -> CategoryBins:
    """Return the distribution of predicted classes from held-out scores, [rows, classes]."""
    best = calibration.probabilities(scores).argmax(axis=1)
    return fit_categories(name, np.array(classes, dtype=object)[best])


def calibrate(scores: Floats, truth: Indices, progress: ProgressCallback) -> Calibration:
    """Return the calibration of class scores [rows, classes], fitted on held-out rows."""
    neutral = Calibration(1.0, np.zeros(scores.shape[1]))
    if len(np.unique(truth)) < scores.shape[1]:
        return neutral
    try:
        calibration = fit_calibration(scores, truth)
    except CalibrationFailed:
        progress(
            sentence("The probabilities could not be calibrated: the scores carry no information.")
        )
        return neutral
    error = calibration_metrics(calibration.probabilities(scores), truth)["ece"]
    progress(
        sentence("Probabilities are calibrated: their mean error is {error:.1%}.", error=error)
    )
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
    progress(
        sentence(
            "At {level:.0%}, half an interval is {width:.3g}{unit} wide (median).",
            level=DEFAULT_LEVEL,
            width=width,
            unit=unit,
        )
    )
    return table


def _require_same_scores(artefact: bytes, data: TabularData, model: FittedModel) -> None:
    """Raise ExportMismatch if the artefact does not score rows as the trained trees do."""
    variant = load(artefact)
    inputs = {name: values[:_CHECKED_ROWS] for name, values in column_values(data.inputs).items()}
    features = model.encoding.encode(inputs)
    session = variant.session
    expected = raw_scores(model.booster, features)
    require_same_scores(session, expected, features, variant.document.base)
