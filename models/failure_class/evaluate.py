"""Measure and record: `python -m models.failure_class.evaluate`.

Owns `metrics.json`: out-of-fold figures of the method, and how far the committed artefact agrees
with the trees that training gives now. Changes neither the method nor the artefact (train.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    precision_recall_fscore_support,
)
from sklearn.model_selection import KFold, StratifiedKFold

from models.failure_class.data import (
    MODE_COLUMNS,
    Dataset,
    Flags,
    OperatingPoints,
    Rows,
    load,
)
from models.failure_class.export import threshold_of
from models.failure_class.features import engineer
from models.failure_class.train import (
    ARTEFACT,
    FOLDS,
    Probabilities,
    choose_threshold,
    fit,
    predict,
    run,
    train,
)
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
# Not the divisions on which features and settings were compared.
SEEDS = (101, 102, 103, 104, 105)
BLOCKS = 10
DIGITS = 4

Division = Iterable[tuple[Rows, Rows]]
Figures = dict[str, float]


def evaluate(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """Every figure of the model card, ready for JSON."""
    return {
        "data": _data(dataset),
        "stratified_5_fold": _repeated(dataset),
        "blocked_in_time": _figures(dataset, *judge(dataset, _blocks(dataset))),
        "documented_rules": _decisions(dataset.failed, documented_rules(dataset.points)),
        "artefact": artefact_figures(dataset, artefact),
    }


def judge(dataset: Dataset, division: Division) -> tuple[Probabilities, Flags]:
    """Probability and decision, [N] each, every row by trees that have not seen it.

    The threshold, too, is chosen anew within each training part, by the same procedure as for
    the artefact, so that the decision has not seen the row either.
    """
    features = engineer(dataset.points)
    probability = np.empty(len(features))
    decision = np.empty(len(features), dtype=np.bool_)
    for seen, unseen in division:
        booster = fit(features[seen], dataset.failed[seen])
        threshold = choose_threshold(features[seen], dataset.failed[seen])
        probability[unseen] = predict(booster, features[unseen])
        decision[unseen] = probability[unseen] >= threshold
    return probability, decision


def documented_rules(points: OperatingPoints) -> Flags:
    """The failure limits that the data's author published, [N], as a yardstick.

    They are no input of the model. Tool breakage and random failure follow no rule.
    """
    difference = np.round(points.process_temperature - points.air_temperature, 1)
    power = points.torque * points.rotational_speed * (2 * np.pi / 60)
    strain_limit = np.select([points.type == "L", points.type == "M"], [11_000, 12_000], 13_000)
    heat = (difference < np.float32(8.6)) & (points.rotational_speed < 1380)
    overstrain = points.tool_wear * points.torque > strain_limit
    return np.asarray(heat | overstrain | (power < 3500) | (power > 9000), dtype=np.bool_)


def artefact_figures(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """The committed graph in ONNX Runtime against the trees of a fresh training."""
    probability, failure = run(artefact, dataset.points)
    trained = train(dataset)
    expected = predict(trained.booster, engineer(dataset.points))
    return {
        "bytes": len(artefact),
        "threshold": _rounded(threshold_of(onnx.load_from_string(artefact))),
        "largest_probability_difference": float(f"{np.abs(probability - expected).max():.1e}"),
        "differing_decisions": int(np.sum((failure == 1) != (expected >= trained.threshold))),
        "on_rows_it_was_trained_on": _decisions(dataset.failed, failure == 1),
    }


def _data(dataset: Dataset) -> dict[str, Any]:
    failures = int(dataset.failed.sum())
    return {"sha256": dataset.sha256, "rows": len(dataset.failed), "failures": failures}


def _repeated(dataset: Dataset) -> dict[str, Any]:
    """Mean and standard deviation over several divisions into folds."""
    figures = [_figures(dataset, *judge(dataset, _folds(dataset, seed))) for seed in SEEDS]
    names = figures[0].keys()
    return {
        "divisions": len(SEEDS),
        "mean": {name: _rounded(np.mean([one[name] for one in figures])) for name in names},
        "deviation": {name: _rounded(np.std([one[name] for one in figures])) for name in names},
    }


def _folds(dataset: Dataset, seed: int) -> Iterator[tuple[Rows, Rows]]:
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    divisions: Iterator[tuple[Rows, Rows]] = folds.split(dataset.failed, dataset.failed)
    return divisions


def _blocks(dataset: Dataset) -> Iterator[tuple[Rows, Rows]]:
    """Stretches of consecutive rows: what comes next is not like what went before."""
    divisions: Iterator[tuple[Rows, Rows]] = KFold(BLOCKS).split(dataset.failed)
    return divisions


def _figures(dataset: Dataset, probability: Probabilities, decision: Flags) -> Figures:
    failed = dataset.failed
    return (
        _decisions(failed, decision)
        | {
            "pr_auc": _rounded(average_precision_score(failed, probability)),
            "brier": _rounded(brier_score_loss(failed, probability)),
        }
        | {
            f"recall_{mode}": _rounded(decision[dataset.modes[mode]].mean())
            for mode in MODE_COLUMNS
        }
    )


def _decisions(failed: Flags, decision: NDArray[np.bool_]) -> Figures:
    precision, recall, f1, _ = precision_recall_fscore_support(failed, decision, average="binary")
    return {"precision": _rounded(precision), "recall": _rounded(recall), "f1": _rounded(f1)}


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `metrics.json` and show it."""
    record_metrics(
        arguments,
        "Measure the failure class and its artefact.",
        METRICS,
        lambda directory: evaluate(load(directory), ARTEFACT.read_bytes()),
    )


if __name__ == "__main__":
    main()
