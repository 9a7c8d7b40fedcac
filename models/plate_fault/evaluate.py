"""Measure the model and write `metrics.json`: `python -m models.plate_fault.evaluate`.

Records cross-validated accuracy and calibration, and how far the committed artefact agrees with a
fresh training.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score, recall_score
from sklearn.model_selection import StratifiedKFold

from models.calibration import Calibration, FloatArray, calibration_metrics
from models.plate_fault.data import FAULTS, ClassIndices, Dataset, load
from models.plate_fault.train import (
    ARTEFACT,
    FOLDS,
    fit_model,
    predict,
    run_artefact,
    scores_of,
    stratified_splits,
    train,
)
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
# Different from the splits on which settings were compared.
SEEDS = (101, 102, 103, 104, 105)
DIGITS = 4
_UNCALIBRATED = Calibration(1.0, np.zeros(len(FAULTS)))

Metrics = dict[str, Any]
Splits = Iterable[tuple[ClassIndices, ClassIndices]]


def evaluate(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """Return every metric of the model card, ready for JSON."""
    return {
        "data": {"sha256": dataset.sha256, "plates": len(dataset)},
        "stratified_10_fold": repeated_cross_validation(dataset),
        "blocks_of_the_file": cross_validate(dataset, block_splits(dataset.faults)),
        "artefact": artefact_metrics(dataset, artefact),
    }


def repeated_cross_validation(dataset: Dataset) -> dict[str, Any]:
    """Return mean and standard deviation of the metrics over several cross-validations."""
    runs = [cross_validate(dataset, stratified_splits(dataset.faults, seed)) for seed in SEEDS]
    names = runs[0].keys()
    return {
        "accuracies": [metrics["accuracy"] for metrics in runs],
        "mean": {name: _round(np.mean([metrics[name] for metrics in runs])) for name in names},
        "deviation": {name: _round(np.std([metrics[name] for metrics in runs])) for name in names},
    }


def block_splits(faults: ClassIndices) -> Splits:
    """Return splits into contiguous tenths of each fault's plates.

    Neighbours in the file were close together on the line, often on one coil.
    """
    splits: Splits = StratifiedKFold(FOLDS).split(faults, faults)
    return splits


def cross_validate(dataset: Dataset, splits: Splits) -> Metrics:
    """Return cross-validated metrics; trees and calibration have not seen the test plates."""
    probabilities = np.empty((len(dataset), len(FAULTS)))
    uncalibrated = np.empty_like(probabilities)
    for train_rows, test_rows in splits:
        trained = fit_model(dataset.measures[train_rows], dataset.faults[train_rows])
        probabilities[test_rows] = predict(trained, dataset.measures[test_rows])
        uncalibrated[test_rows] = _UNCALIBRATED.probabilities(
            scores_of(trained.trees, dataset.measures[test_rows])
        )
    return (
        _classification_metrics(dataset.faults, probabilities.argmax(axis=1))
        | _calibration_metrics(probabilities, dataset.faults)
        | {
            f"uncalibrated_{k}": v
            for k, v in _calibration_metrics(uncalibrated, dataset.faults).items()
        }
    )


def artefact_metrics(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """Compare the committed graph in ONNX Runtime with the trees of a fresh training."""
    answer, trained = run_artefact(artefact, dataset.measures), train(dataset)
    expected = predict(trained, dataset.measures)
    faults = np.array(list(FAULTS))
    return {
        "bytes": len(artefact),
        "slope": _round(trained.calibration.slope),
        "largest_probability_difference": float(
            f"{np.abs(answer.class_probabilities - expected).max():.1e}"
        ),
        "differing_faults": int(np.sum(answer.fault != faults[expected.argmax(axis=1)])),
        "accuracy_on_plates_it_was_trained_on": _round(
            np.mean(answer.fault == faults[dataset.faults])
        ),
    }


def _classification_metrics(truth: ClassIndices, predicted: ClassIndices) -> Metrics:
    """Return accuracy, macro F1 and the recall of each fault."""
    recalls = recall_score(truth, predicted, average=None)
    return {
        "accuracy": _round(np.mean(predicted == truth)),
        "macro_f1": _round(f1_score(truth, predicted, average="macro")),
        **{f"recall_{name}": _round(recalls[index]) for index, name in enumerate(FAULTS)},
    }


def _calibration_metrics(probability: FloatArray, truth: ClassIndices) -> Metrics:
    """Return the calibration metrics of class probabilities."""
    return {name: _round(value) for name, value in calibration_metrics(probability, truth).items()}


def _round(value: float | np.floating[Any]) -> float:
    """Round a metric to DIGITS decimals."""
    return round(float(value), DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `metrics.json` and print it."""
    record_metrics(
        arguments,
        "Evaluate the plate fault model.",
        METRICS,
        lambda directory: evaluate(load(directory), ARTEFACT.read_bytes()),
    )


if __name__ == "__main__":
    main()
