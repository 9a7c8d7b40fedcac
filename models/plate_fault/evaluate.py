"""Measure and record: `python -m models.plate_fault.evaluate`.

Owns `metrics.json`: how often a fault is told right, how far its probability holds, and how far the
committed artefact agrees with the trees that training gives now. Changes neither the method nor the
artefact (train.py).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score, recall_score
from sklearn.model_selection import StratifiedKFold

from models.calibration import Calibration, Exact, reliability
from models.plate_fault.data import FAULTS, Dataset, Places, load
from models.plate_fault.train import (
    ARTEFACT,
    FOLDS,
    folds,
    learn,
    predict,
    run,
    scores_of,
    train,
)
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
# Not the divisions on which settings were compared.
SEEDS = (101, 102, 103, 104, 105)
DIGITS = 4
_BARE = Calibration(1.0, np.zeros(len(FAULTS)))

Figures = dict[str, Any]
Division = Iterable[tuple[Places, Places]]


def evaluate(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """Every figure of the model card, ready for JSON."""
    return {
        "data": {"sha256": dataset.sha256, "plates": len(dataset)},
        "stratified_10_fold": repeated(dataset),
        "blocks_of_the_file": figures(dataset, blocks(dataset.faults)),
        "artefact": artefact_figures(dataset, artefact),
    }


def repeated(dataset: Dataset) -> dict[str, Any]:
    """Mean and standard deviation over several divisions into folds."""
    each = [figures(dataset, folds(dataset.faults, seed)) for seed in SEEDS]
    names = each[0].keys()
    return {
        "accuracies": [one["accuracy"] for one in each],
        "mean": {name: _rounded(np.mean([one[name] for one in each])) for name in names},
        "deviation": {name: _rounded(np.std([one[name] for one in each])) for name in names},
    }


def blocks(faults: Places) -> Division:
    """A tenth of each fault's plates that follow each other in the file: they lay close together
    on the line, often on one coil."""
    divisions: Division = StratifiedKFold(FOLDS).split(faults, faults)
    return divisions


def figures(dataset: Dataset, division: Division) -> Figures:
    """Every plate judged by trees and a calibration that have not seen it."""
    told = np.empty((len(dataset), len(FAULTS)))
    bare = np.empty_like(told)
    for seen, unseen in division:
        trained = learn(dataset.measures[seen], dataset.faults[seen])
        told[unseen] = predict(trained, dataset.measures[unseen])
        bare[unseen] = _BARE.probabilities(scores_of(trained.trees, dataset.measures[unseen]))
    return (
        _decisions(dataset.faults, told.argmax(axis=1))
        | _reliability(told, dataset.faults)
        | {f"uncalibrated_{k}": v for k, v in _reliability(bare, dataset.faults).items()}
    )


def artefact_figures(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """The committed graph in ONNX Runtime against the trees of a fresh training."""
    answer, trained = run(artefact, dataset.measures), train(dataset)
    expected = predict(trained, dataset.measures)
    faults = np.array(list(FAULTS))
    return {
        "bytes": len(artefact),
        "slope": _rounded(trained.calibration.slope),
        "largest_probability_difference": float(f"{np.abs(answer.each - expected).max():.1e}"),
        "differing_faults": int(np.sum(answer.fault != faults[expected.argmax(axis=1)])),
        "accuracy_on_plates_it_was_trained_on": _rounded(
            np.mean(answer.fault == faults[dataset.faults])
        ),
    }


def _decisions(truth: Places, told: Places) -> Figures:
    recalls = recall_score(truth, told, average=None)
    return {
        "accuracy": _rounded(np.mean(told == truth)),
        "macro_f1": _rounded(f1_score(truth, told, average="macro")),
        **{f"recall_{name}": _rounded(recalls[at]) for at, name in enumerate(FAULTS)},
    }


def _reliability(probability: Exact, truth: Places) -> Figures:
    return {name: _rounded(value) for name, value in reliability(probability, truth).items()}


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `metrics.json` and show it."""
    record_metrics(
        arguments,
        "Measure the plate fault and its artefact.",
        METRICS,
        lambda directory: evaluate(load(directory), ARTEFACT.read_bytes()),
    )


if __name__ == "__main__":
    main()
