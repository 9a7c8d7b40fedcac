"""Train a classifier of series on a customer's long table with the customer's own columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from models.adaptation import Adaptation, DecisionCosts, ProgressCallback
from models.calibration import Calibration
from models.decisions.cross_fitting import measure_class_costs
from models.decisions.decider import ClassDecider
from models.decisions.planning import plan_class_decider
from models.drift.fitting import fit_means
from models.drift.reference import Reference
from models.sentences import Sentence, sentence
from models.series.calls import ColumnRange, TimeColumn
from models.series.class_data import ClassData, WindowSet, build_classes, reading_columns
from models.series.class_fitting import FittedClasses, fit_classes
from models.series.class_variant import VERSION, ClassDocument, load, render
from models.series.ready_made import WindowInputs
from models.series.series import Indices
from models.series.windows import CumulativeSums
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest, infer_schema
from models.tabular.adapt import calibrate, class_bins, describe_comparison, report_costs
from models.tabular.data import Goal
from models.tabular.leakage import find_leaks
from models.tabular.ready_made import HeldOut, OpenReadyMade, score_ready_made
from models.tabular.tree_graph import require_same_scores

_CHECKED_ROWS = 200


@dataclass(frozen=True, slots=True)
class ClassAdapter:
    """The training function of a classifier of series, with the schema that was confirmed.

    `ready_made` loads the model that the schema names for a comparison. With two `threads` on a
    busy machine, each waits for the other in a loop: 36 s of processor time instead of 1.6.
    """

    schema: SchemaRequest = field(default_factory=SchemaRequest)
    threads: int = 1
    ready_made: OpenReadyMade | None = None

    def __call__(self, training_file: bytes, progress: ProgressCallback) -> Adaptation:
        """Train on a file: CSV, Excel or JSON lines. Raises TrainingFileInvalid."""
        table = read_table(training_file)
        schema = infer_schema(table, self.schema)
        data = build_classes(schema, self.schema)
        for told in describe_series(data):
            progress(told)

        def report(number: int, of: int) -> None:
            """Report the evaluated splits."""
            progress(sentence("Evaluated split {number} of {of}.", number=number, of=of))

        fitted = fit_classes(data, self.threads, report)
        windows = fitted.rows.windows
        told_by = fitted.settings.description
        progress(
            sentence(
                "The class is told by {steps} steps, with {kind}.",
                steps=windows.steps,
                kind=told_by,
            )
        )
        readings = windows.as_table(reading_columns(data, windows))
        for leak in find_leaks(readings):
            progress(leak.sentence)
        decider = plan_class_decider(self.schema.costs, data.classes, windows.target.indices)
        document = _build_document(data, fitted, decider, progress)
        artefact = render(document)
        features = fitted.rows.of(fitted.settings)[:_CHECKED_ROWS]
        loaded = load(artefact)
        expected = fitted.model.scores(features)
        require_same_scores(loaded.session, expected, features, loaded.document.base)
        progress(describe_comparison(fitted.comparison, fitted.plan.kind.value))
        score = fitted.comparison.as_score(fitted.plan.kind.value, _measure_costs(document, fitted))
        report_costs(decider, score, progress)
        ready_made = score_ready_made(
            self.ready_made,
            self.schema.ready_made,
            WindowInputs(table, self.schema, partial(_window_rows, data, windows)),
            HeldOut(windows.target, fitted.held_out.predicted(Goal.CLASS), fitted.plan.clusters),
            progress,
        )
        score = replace(score, ready_made=ready_made)
        return Adaptation(artefact, score, len(windows), len(fitted.held_out.rows))


def describe_series(data: ClassData) -> Sequence[Sentence]:
    """Return sentences on the series that the training uses."""
    read = sentence(
        "Read {series} series with {rows} rows, {classes} classes and the inputs {inputs}.",
        series=len(data.labels),
        rows=int(data.series.lengths.sum()),
        classes=len(data.classes),
        inputs=", ".join(data.series.names),
    )
    return [read, *data.notes]


def _window_rows(data: ClassData, windows: WindowSet, position: int) -> Indices:
    """Return the rows of the table that a window consists of."""
    series, end = data.series.series[windows.series[position]], windows.ends[position]
    rows: Indices = series.rows[end - windows.steps : end]
    return rows


def _measure_costs(document: ClassDocument, fitted: FittedClasses) -> DecisionCosts | None:
    """Return what decisions by the stated costs cost on held-out windows, None without costs."""
    rows = fitted.held_out.rows
    if document.decider is None:
        return None
    return measure_class_costs(
        document.decider,
        fitted.held_out.scores[rows],
        fitted.rows.windows.target.indices[rows],
        fitted.plan.clusters[rows],
        Calibration(document.slope, np.array(document.shifts)).probabilities,
    )


def _fit_reference(data: ClassData, fitted: FittedClasses, calibration: Calibration) -> Reference:
    """Return the distributions of window means, and of predictions on held-out windows."""
    windows = fitted.rows.windows
    means = np.full((len(windows), len(data.series.columns)), np.nan)
    for number, series in enumerate(data.series.series):
        rows = np.flatnonzero(windows.series == number)
        sums = CumulativeSums(series.readings)
        means[rows] = sums.means(windows.ends[rows], windows.steps)
    names = [(column.name, column.unit) for column in data.series.columns]
    scores = fitted.held_out.scores[fitted.held_out.rows]
    return Reference(
        fit_means(names, means, [1.0] * len(names)),
        class_bins(data.name, data.classes, scores, calibration),
    )


def _build_document(
    data: ClassData, fitted: FittedClasses, decider: ClassDecider, progress: ProgressCallback
) -> ClassDocument:
    """Return the variant's content."""
    rows = fitted.held_out.rows
    truth = fitted.rows.windows.target.indices[rows]
    calibration = calibrate(fitted.held_out.scores[rows], truth, progress)
    graph = fitted.model.graph()
    return ClassDocument(
        version=VERSION,
        target=data.name,
        classes=data.classes,
        columns=tuple(ColumnRange.of(column) for column in data.series.columns),
        time=TimeColumn.of(data.series),
        recipe=fitted.rows.recipe_of(fitted.settings),
        base=graph.base,
        slope=calibration.slope,
        shifts=tuple(float(shift) for shift in calibration.shifts),
        graph=graph.model,
        decider=decider,
        reference=_fit_reference(data, fitted, calibration),
    )
