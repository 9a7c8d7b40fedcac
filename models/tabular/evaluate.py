"""Evaluate models of rows and write `metrics.json`: `python -m models.tabular.evaluate`.

Every model is trained from a file as a customer has it, and its artefact is called with rows that
the file lacks. The models beside it are fitted on the same rows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from models.failure_class.data import LABEL_COLUMN, QUANTITY_COLUMNS, TYPE_COLUMN
from models.failure_class.data import Dataset as Mill
from models.failure_class.data import load as load_mill
from models.failure_class.train import fit_model as fit_failure_class
from models.failure_class.train import run_artefact as run_failure_class
from models.own_evaluation import (
    FileColumns,
    Part,
    call_milliseconds,
    record_parts,
    round_figure,
    train,
)
from models.plate_fault.data import FAULTS, MEASURES
from models.plate_fault.data import load as load_plates
from models.plate_fault.train import fit_model as fit_plate_fault
from models.plate_fault.train import predict, stratified_splits
from models.signature import Columns
from models.tables.schema import SchemaRequest
from models.tabular.adapt import TabularAdapter
from models.tabular.data import Goal, Indices, Target
from models.tabular.evaluate_lives import evaluate_lives
from models.tabular.evaluation import compare
from models.tabular.plain_boosting import PLAIN_CLASSIFIER, plain_failures
from models.tabular.variant import TabularVariant, load

METRICS = Path(__file__).with_name("metrics.json")
FOLDS = 5
# Divisions of the rows on which no setting was compared.
SEED = 811
TARGET = "fault"
GENERATED_ROWS, GENERATED_COLUMNS = 100_000, 50

Labels = NDArray[np.object_]


def train_rows(
    file: FileColumns, target: str, goal: Goal = Goal.CLASS
) -> tuple[TabularVariant, float]:
    """Train on columns with neither machine nor time; return variant and processor seconds."""
    schema = SchemaRequest(target=target, machine="", time="")
    training = train(TabularAdapter(goal, schema, threads=1), file)
    return load(training.artefact), training.processor_s


def take(columns: FileColumns, rows: Indices | slice) -> Columns:
    """Return rows of columns as a call has them: numbers in single precision."""
    return {
        name: column[rows].astype(np.float32) if column.dtype.kind == "f" else column[rows]
        for name, column in columns.items()
    }


def evaluate_plates(directory: Path) -> dict[str, Any]:
    """Predict each plate's fault in five folds, next to the model that knows these columns."""
    data = load_plates(directory)
    truth = np.array(list(FAULTS), dtype=object)[data.faults]
    measures = {name: data.measures[:, at].astype(np.float64) for at, name in enumerate(MEASURES)}
    own, dedicated = np.empty_like(truth), np.empty(len(data), dtype=np.intp)
    seconds, variant = [], None
    for training, held_out in stratified_splits(data.faults, SEED, FOLDS):
        file = {**{name: one[training] for name, one in measures.items()}, TARGET: truth[training]}
        variant, processor_s = train_rows(file, TARGET)
        own[held_out] = variant.run(take(measures, held_out))["class"]
        trained = fit_plate_fault(data.measures[training], data.faults[training])
        dedicated[held_out] = predict(trained, data.measures[held_out]).argmax(axis=1)
        seconds.append(processor_s)
    row = take(measures, slice(0, 1))
    return {
        "rows": len(data),
        **compare_classes(truth, own, np.array(list(FAULTS), dtype=object)[dedicated]),
        "processor_s": round_figure(np.mean(seconds)),
        "one_row": call_milliseconds(lambda: variant.run(row)) if variant is not None else {},
    }


def evaluate_failures(directory: Path) -> dict[str, Any]:
    """Predict failures of the mill in five folds, next to plain LightGBM and the mill's model."""
    data = load_mill(directory)
    columns = mill_columns(data)
    truth = np.where(data.failed, "1", "0").astype(object)
    probability = {name: np.empty(len(truth)) for name in ("own", "plain", "dedicated")}
    decisions = {name: np.empty_like(truth) for name in probability}
    seconds = []
    for training, held_out in stratified_splits(data.failed.astype(np.intp), SEED, FOLDS):
        file = {
            **{name: one[training] for name, one in columns.items()},
            LABEL_COLUMN: truth[training],
        }
        variant, processor_s = train_rows(file, LABEL_COLUMN)
        answer = variant.run(take(columns, held_out))
        decisions["own"][held_out] = answer["class"]
        probability["own"][held_out] = answer["probabilities"][:, 1]
        plain = plain_failures(columns, data.failed, training, held_out)
        decisions["plain"][held_out] = np.where(plain > 0.5, "1", "0")
        probability["plain"][held_out] = plain
        made = fit_failure_class(data.points.take(training), data.failed[training])
        output = run_failure_class(made.model.SerializeToString(), data.points.take(held_out))
        decisions["dedicated"][held_out] = np.where(output.failure == 1, "1", "0")
        probability["dedicated"][held_out] = output.probability
        seconds.append(processor_s)
    return {
        "rows": len(truth),
        "failures": int(data.failed.sum()),
        "plain_parameters": dict(PLAIN_CLASSIFIER),
        **{
            name: {
                "f1": round_figure(f1_score(truth, decisions[name], pos_label="1")),
                "pr_auc": round_figure(average_precision_score(data.failed, probability[name])),
            }
            for name in probability
        },
        "next_to_plain": compare_classes(truth, decisions["own"], decisions["plain"]),
        "next_to_dedicated": compare_classes(truth, decisions["own"], decisions["dedicated"]),
        "processor_s": round_figure(np.mean(seconds)),
    }


def mill_columns(data: Mill) -> FileColumns:
    """Return the inputs by the file's own names; never the columns of failure modes."""
    quantities = {
        column: data.points.quantity(name).astype(np.float64)
        for name, column in QUANTITY_COLUMNS.items()
    }
    return {TYPE_COLUMN: data.points.type.astype(object), **quantities}


def compare_classes(truth: Labels, own: Labels, other: Labels) -> dict[str, Any]:
    """Return accuracy and macro-F1 of both, and their difference with its 95 % interval."""
    classes, values = np.unique(truth.astype(str), return_inverse=True)
    own_values, other_values = (
        np.searchsorted(classes, one.astype(str)).astype(np.float64) for one in (own, other)
    )
    target = Target("", Goal.CLASS, values.astype(np.float64), classes=tuple(classes))
    found = compare(target, own_values, other_values, np.arange(len(truth)))
    difference = found.difference
    accuracy, other_accuracy = accuracy_score(truth, own), accuracy_score(truth, other)
    return {
        "accuracy": round_figure(accuracy),
        "other_accuracy": round_figure(other_accuracy),
        "accuracy_difference": round_figure(accuracy - other_accuracy),
        "macro_f1": round_figure(found.model.value),
        "other_macro_f1": round_figure(found.baseline.value),
        "macro_f1_difference": round_figure(difference.value),
        "macro_f1_difference_interval": [
            round_figure(difference.low),
            round_figure(difference.high),
        ],
    }


def measure_speed(_directory: Path) -> dict[str, Any]:
    """Train on generated rows, of which five columns tell the number, and call one row."""
    generator = np.random.default_rng(23)
    values = generator.normal(0, 1, (GENERATED_ROWS, GENERATED_COLUMNS)).round(2)
    numbers = values[:, 0] + values[:, 1] * values[:, 2] + np.abs(values[:, 3]) - values[:, 4]
    numbers += generator.normal(0, 0.5, GENERATED_ROWS)
    inputs = {f"x{at}": values[:, at] for at in range(GENERATED_COLUMNS)}
    variant, processor_s = train_rows({**inputs, "y": numbers.round(3)}, "y", Goal.NUMBER)
    row = take(inputs, slice(0, 1))
    return {
        "rows": GENERATED_ROWS,
        "columns": GENERATED_COLUMNS,
        "processor_s": round_figure(processor_s),
        "one_row": call_milliseconds(lambda: variant.run(row)),
    }


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "steel_plates": evaluate_plates,
        "mill": evaluate_failures,
        "engines_left_out": evaluate_lives,
        "speed": measure_speed,
    }
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write and print `metrics.json`."""
    record_parts(arguments, "Evaluate models of rows.", METRICS, PARTS)


if __name__ == "__main__":
    main()
