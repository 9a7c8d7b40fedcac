"""Evaluate models of series and write `metrics.json`: `python -m models.series.evaluate`.

Every model is trained from a file as a customer has it, and its artefact is called with machines,
runs and stretches of time that the file lacks.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.condition.data import SENSORS, TARGETS, Dataset, Rows
from models.condition.data import load as load_rig
from models.condition.evaluate import out_of_fold_probabilities
from models.condition.train import split_into_blocks
from models.own_evaluation import Part, long_table, record_parts, round_figure, train
from models.series.class_adapt import ClassAdapter
from models.series.class_variant import load
from models.series.evaluate_lives import DRAWS, evaluate_lives
from models.series.public_sets import RECORDED_STEPS, SAMPLE_COLUMN, read_bearings
from models.series.series import Floats
from models.signature import Columns
from models.tables.schema import SchemaRequest

METRICS = Path(__file__).with_name("metrics.json")
SERIES, CLASS, STEP = "run", "state", "step"
BEARING_WINDOW = 512
HELD_OUT_LOADS = ("1", "3")
STRETCHES = 10
COMPONENTS = ("pump", "accumulator")
GENERATED_SERIES, GENERATED_STEPS, GENERATED_COLUMNS, GENERATED_CLASSES = 1_000, 500, 5, 4


def train_classes(
    series: Sequence[NDArray[Any]], columns: Sequence[str], classes: Sequence[str], window: int
) -> tuple[Any, Mapping[str, Any]]:
    """Train on series, [steps, columns] each, of a class each; return variant and figures."""
    names = [f"R{number}" for number in range(len(series))]
    file = long_table(series, columns, **{SERIES: names, CLASS: classes})
    schema = SchemaRequest(target=CLASS, machine=SERIES, time=STEP, window=window)
    training = train(ClassAdapter(schema, threads=1), file)
    figures = {
        "own_score": round_figure(training.score.adapted),
        "rejected": training.score.worse,
        "processor_s": round_figure(training.processor_s),
        "artefact_bytes": len(training.artefact),
    }
    return load(training.artefact), figures


def call_classes(variant: Any, columns: Sequence[str], windows: NDArray[Any]) -> np.ndarray:
    """Return the class of windows [windows, steps, columns] that an artefact answers."""
    inputs: Columns = {
        name: windows[:, :, position].astype(np.float32) for position, name in enumerate(columns)
    }
    return np.asarray(variant.run(inputs)["class"])


def evaluate_bearings(directory: Path) -> dict[str, Any]:
    """Leave a load out: ten classes of vibration, windows that do not overlap."""
    recordings = read_bearings(directory)
    found: dict[str, Any] = {}
    for load_name in HELD_OUT_LOADS:
        training = [one for one in recordings if one.load != load_name]
        held_out = [one for one in recordings if one.load == load_name]
        variant, figures = train_classes(
            [one.samples[:RECORDED_STEPS, np.newaxis] for one in training],
            [SAMPLE_COLUMN],
            [one.fault for one in training],
            BEARING_WINDOW,
        )
        right = []
        for one in held_out:
            count = len(one.samples) // BEARING_WINDOW
            windows = one.samples[: count * BEARING_WINDOW].reshape(count, BEARING_WINDOW, 1)
            right.append(call_classes(variant, [SAMPLE_COLUMN], windows) == one.fault)
        accuracy = round_figure(np.concatenate(right).mean())
        found[f"load_{load_name}_left_out"] = {"accuracy": accuracy, **figures}
    return found


def evaluate_rig(directory: Path, stretches: int = STRETCHES) -> dict[str, Any]:
    """Leave stretches of time out, next to the model made for this rig on the same stretches."""
    dataset = load_rig(directory)
    blocks = split_into_blocks(dataset.labels, stretches)
    dedicated = out_of_fold_probabilities(dataset, blocks)
    return {
        "stretches": len(blocks),
        **{name: _evaluate_component(dataset, blocks, name, dedicated) for name in COMPONENTS},
    }


def _evaluate_component(
    dataset: Dataset, blocks: Sequence[Rows], name: str, dedicated: Sequence[Floats]
) -> dict[str, Any]:
    """Return the accuracy of a component's condition by both kinds of model."""
    at = next(number for number, target in enumerate(TARGETS) if target.name == name)
    conditions = np.array([f"{name} {value}" for value in TARGETS[at].conditions], dtype=object)
    truth = conditions[dataset.labels[:, at]]
    cycles = dataset.readings.transpose(0, 2, 1)
    own, seconds = np.empty(len(dataset), dtype=object), []
    for held_out in blocks:
        rest = np.setdiff1d(np.arange(len(dataset)), held_out)
        variant, figures = train_classes(
            [cycles[row] for row in rest], SENSORS, list(truth[rest]), cycles.shape[1]
        )
        own[held_out] = call_classes(variant, SENSORS, cycles[held_out])
        seconds.append(figures["processor_s"])
    is_right = own == truth
    is_right_dedicated = conditions[dedicated[at].argmax(axis=1)] == truth
    return {
        "accuracy": round_figure(is_right.mean()),
        "dedicated_accuracy": round_figure(is_right_dedicated.mean()),
        "difference": round_figure(is_right.mean() - is_right_dedicated.mean()),
        "worst_stretch": round_figure(min(is_right[rows].mean() for rows in blocks)),
        "processor_s": round_figure(np.mean(seconds)),
    }


def measure_speed(_directory: Path) -> dict[str, Any]:
    """Train on generated series with four classes: amplitude and slope tell them."""
    generator = np.random.default_rng(17)
    shape = (GENERATED_SERIES, GENERATED_STEPS, GENERATED_COLUMNS)
    readings = generator.normal(0, 1, shape).astype(np.float32)
    classes = np.arange(GENERATED_SERIES) % GENERATED_CLASSES
    place = np.arange(GENERATED_STEPS) / GENERATED_STEPS
    readings[:, :, 0] *= (1 + 0.2 * classes)[:, np.newaxis]
    readings[:, :, 1] += np.outer(classes % 2, place).astype(np.float32)
    columns = [f"signal_{number}" for number in range(GENERATED_COLUMNS)]
    _, figures = train_classes(
        list(readings), columns, [f"class {one}" for one in classes], GENERATED_STEPS
    )
    return {"series": GENERATED_SERIES, "steps": GENERATED_STEPS, **figures}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write and print `metrics.json`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--stretches", type=int, default=STRETCHES)
    options, others = parser.parse_known_args(arguments)
    parts: Mapping[str, Part] = {
        "engines": partial(evaluate_lives, draws=options.draws),
        "bearings": evaluate_bearings,
        "rig": partial(evaluate_rig, stretches=options.stretches),
        "speed": measure_speed,
    }
    description = "Evaluate models of series. Also: --draws of five engines, --stretches of time."
    record_parts(others, description, METRICS, parts)


if __name__ == "__main__":
    main()
