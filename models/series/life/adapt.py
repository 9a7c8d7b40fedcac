"""Train remaining life on a customer's run-to-failure histories with the customer's own columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from models.adaptation import Adaptation, DecisionCosts, ProgressCallback
from models.decisions.costs import Side
from models.decisions.cross_fitting import measure_limit_costs
from models.decisions.decider import LimitDecider
from models.decisions.error_distribution import fit_errors
from models.decisions.planning import plan_limit_decider
from models.drift.fitting import fit_means
from models.drift.reference import Reference, fit_numbers
from models.sentences import Sentence, sentence
from models.series.calls import ColumnRange, TimeColumn
from models.series.life.complete import build_complete, of_last_steps, require_same_trees
from models.series.life.data import LifeData, build_lives
from models.series.life.document import VERSION, LifeDocument, render
from models.series.life.fitting import FittedLife, fit_life
from models.series.life.intervals import calibrate_life_intervals
from models.series.life.rows import LifeRows, build_rows, reading_columns
from models.series.life.variant import load
from models.series.ready_made import WindowInputs
from models.series.series import Indices
from models.series.windows import CumulativeSums
from models.tables.reading import read_table
from models.tables.schema import LIFE_WORDS, SchemaRequest, infer_schema
from models.tabular.adapt import describe_comparison, report_costs
from models.tabular.intervals import DEFAULT_LEVEL, IntervalTable, cluster_weights
from models.tabular.leakage import find_leaks
from models.tabular.ready_made import HeldOut, OpenReadyMade, score_ready_made
from models.tabular.tree_graph import build_tree_graph


@dataclass(frozen=True, slots=True)
class LifeAdapter:
    """The training function of remaining life, with the schema that was confirmed.

    `ready_made` loads the model that the schema names for a comparison. With two `threads` on a
    busy machine, each waits for the other in a loop: 36 s of processor time instead of 1.6.
    """

    schema: SchemaRequest = field(default_factory=SchemaRequest)
    threads: int = 1
    ready_made: OpenReadyMade | None = None

    def __call__(self, training_file: bytes, progress: ProgressCallback) -> Adaptation:
        """Train on a file: CSV, Excel or JSON lines. Raises TrainingFileInvalid."""
        table = read_table(training_file)
        schema = infer_schema(table, self.schema, target_words=LIFE_WORDS)
        data = build_lives(schema, self.schema)
        for told in describe_lives(data):
            progress(told)
        rows = build_rows(data)

        def report(number: int, of: int) -> None:
            """Report the evaluated splits."""
            progress(sentence("Evaluated split {number} of {of}.", number=number, of=of))

        fitted = fit_life(rows, data.name, data.unit, self.schema.cap, self.threads, report)
        readings = rows.as_table(fitted.target, reading_columns(data, rows))
        for leak in find_leaks(readings):
            progress(leak.sentence)
        decider = _plan_decider(self.schema, data, rows, fitted)
        artefact = render(_build_document(data, rows, fitted, decider, progress))
        require_same_trees(load(artefact), rows, fitted)
        progress(describe_comparison(fitted.comparison, fitted.plan.kind.value))
        score = fitted.comparison.as_score(
            fitted.plan.kind.value, _measure_costs(decider, rows, fitted)
        )
        report_costs(decider, score, progress)
        ready_made = score_ready_made(
            self.ready_made,
            self.schema.ready_made,
            WindowInputs(table, self.schema, partial(_history_rows, data, rows)),
            HeldOut(
                fitted.target,
                fitted.held_out.scores,
                fitted.plan.clusters,
                fitted.model.settings.cap,
            ),
            progress,
        )
        score = replace(score, ready_made=ready_made)
        return Adaptation(artefact, score, len(data.lives), data.failed_count)


def describe_lives(data: LifeData) -> Sequence[Sentence]:
    """Return sentences on the histories that the training uses."""
    censored = len(data.lives) - data.failed_count
    running = sentence(", {count} of which still run,", count=censored) if censored else ""
    read = sentence(
        "Read {machines} machines{running} with {rows} rows and the inputs {inputs}.",
        machines=len(data.lives),
        running=running,
        rows=int(data.histories.lengths.sum()),
        inputs=", ".join(data.histories.names),
    )
    return [read, *data.notes]


def _history_rows(data: LifeData, rows: LifeRows, position: int) -> Indices:
    """Return the rows of the table that are known at a training row, the whole history so far."""
    series = data.histories.series[rows.machines[position]]
    known: Indices = series.rows[: rows.steps[position]]
    return known


def _plan_decider(
    schema: SchemaRequest, data: LifeData, rows: LifeRows, fitted: FittedLife
) -> LimitDecider:
    """Return how the model decides. Raises TrainingFileInvalid for invalid costs."""
    held = fitted.held_out.rows
    machines = rows.machines[held]
    errors = fit_errors(
        fitted.held_out.scores[held],
        fitted.target.values[held],
        cluster_weights(machines),
        len(np.unique(machines)),
    )
    cap = fitted.model.settings.cap
    return plan_limit_decider(schema.costs, errors, Side.BELOW, data.unit, cap)


def _measure_costs(
    decider: LimitDecider, rows: LifeRows, fitted: FittedLife
) -> DecisionCosts | None:
    """Return what decisions by the stated costs cost on machines left out, None without costs."""
    held = fitted.held_out.rows
    machines = rows.machines[held]
    return measure_limit_costs(
        decider,
        fitted.held_out.scores[held],
        fitted.target.values[held],
        cluster_weights(machines),
        machines,
    )


def _fit_reference(data: LifeData, rows: LifeRows, fitted: FittedLife) -> Reference:
    """Return the distributions of recent means, and of predictions for machines left out."""
    width = rows.recipe.windows[1]
    means = np.vstack(
        [
            CumulativeSums(one.readings).means(ends, width)
            for one, ends in zip(data.histories.series, rows.ends, strict=True)
        ]
    )
    names = [(column.name, column.unit) for column in data.histories.columns]
    held = fitted.held_out.rows
    return Reference(
        fit_means(names, means, np.abs(fitted.model.weights).tolist()),
        fit_numbers(data.name, data.unit, fitted.held_out.scores[held]),
    )


def _build_document(
    data: LifeData,
    rows: LifeRows,
    fitted: FittedLife,
    decider: LimitDecider,
    progress: ProgressCallback,
) -> LifeDocument:
    """Return the variant's content."""
    model = of_last_steps(fitted)
    graph = build_tree_graph(model.booster, "models.series")
    unit = f" {data.unit}" if data.unit else ""
    progress(
        sentence(
            "Lives above {cap:g}{unit} are not told apart; the prediction is then {cap:g}.",
            cap=model.settings.cap,
            unit=unit,
        )
    )
    return LifeDocument(
        version=VERSION,
        target=data.name,
        unit=data.unit,
        columns=tuple(ColumnRange.of(column) for column in data.histories.columns),
        time=TimeColumn.of(data.histories),
        recipe=rows.recipe,
        weights=tuple(float(weight) for weight in model.weights),
        with_columns=model.settings.with_columns,
        fills=tuple(float(value) for value in model.fills),
        cap=model.settings.cap,
        longest=float(rows.life.max()),
        base=graph.base,
        intervals=_calibrate(rows, fitted, unit, progress),
        trees=graph.model,
        decider=decider,
        reference=_fit_reference(data, rows, fitted),
        trajectory=model.trajectory,
        distance=fitted.distance,
        complete=build_complete(data, rows, fitted, progress),
    )


def _calibrate(
    rows: LifeRows, fitted: FittedLife, unit: str, progress: ProgressCallback
) -> IntervalTable:
    """Return the interval widths, from machines that were left out."""
    held = fitted.held_out.rows
    predicted = fitted.held_out.scores[held]
    table = calibrate_life_intervals(predicted, fitted.target.values[held], rows.machines[held])
    width = np.median(table.half_width(predicted, np.full(len(held), DEFAULT_LEVEL)))
    progress(
        sentence(
            "At {level:.0%}, half an interval is {width:.3g}{unit} wide (median). It is wider for "
            "machines whose columns are farther from these than they are from each other.",
            level=DEFAULT_LEVEL,
            width=width,
            unit=unit,
        )
    )
    return table
