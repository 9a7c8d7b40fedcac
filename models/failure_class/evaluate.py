"""Measure and record: `python -m models.failure_class.evaluate`.

Owns `metrics.json`: out-of-fold figures of the method, and how far the committed artefact agrees
with the trees that training gives now. Changes neither the method nor the artefact (train.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import average_precision_score, precision_recall_fscore_support
from sklearn.model_selection import KFold, StratifiedKFold

from models.calibration import Exact, reliability, two_classes
from models.failure_class.data import (
    MODE_COLUMNS,
    Dataset,
    Flags,
    Floats,
    OperatingPoints,
    Rows,
    load,
)
from models.failure_class.export import threshold_of
from models.failure_class.features import engineer
from models.failure_class.other_machines import measured
from models.failure_class.train import (
    ARTEFACT,
    FOLDS,
    learn,
    log_odds,
    predict,
    run,
    train,
)
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
# Not the divisions on which features and settings were compared.
SEEDS = (101, 102, 103, 104, 105)
# Nor are these the divisions on which the way of adapting was chosen.
ADAPTING_SEEDS = (601, 602, 603, 604, 605)
BLOCKS = 10
DIGITS = 4
# What the author's rule of each mode looks at; random failure looks at nothing.
DOCUMENTED_REASONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "TWF": ("tool_wear",),
        "HDF": ("temperature_difference", "rotational_speed"),
        "PWF": ("power",),
        "OSF": ("strain",),
    }
)

Division = Iterable[tuple[Rows, Rows]]
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """Every row judged by trees and a rule that have not seen it, [N] each.

    uncalibrated: the probability as the trees have it. reason: what moved the answer most.
    """

    probability: Floats
    uncalibrated: Exact
    decision: Flags
    reason: NDArray[np.object_]


def evaluate(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """Every figure of the model card, ready for JSON."""
    return {
        "data": _data(dataset),
        "stratified_5_fold": _repeated(dataset),
        "blocked_in_time": _figures(dataset, judge(dataset, _blocks(dataset))),
        "documented_rules": _decisions(dataset.failed, documented_rules(dataset.points)),
        "artefact": artefact_figures(dataset, artefact),
        "adapted_to_other_machines": measured(dataset, ADAPTING_SEEDS),
    }


def judge(dataset: Dataset, division: Division) -> Judged:
    """The rule, too, is chosen anew within each training part, by the same procedure as for the
    artefact, so that calibration and threshold have not seen the row either."""
    count = len(dataset.failed)
    judged = Judged(
        np.empty(count, dtype=np.float32),
        np.empty(count),
        np.empty(count, dtype=np.bool_),
        np.empty(count, dtype=np.object_),
    )
    for seen, unseen in division:
        trained = learn(dataset.points.take(seen), dataset.failed[seen])
        points = dataset.points.take(unseen)
        answer = run(trained.model.SerializeToString(), points)
        judged.probability[unseen] = answer.probability
        judged.uncalibrated[unseen] = expit(log_odds(trained.booster, engineer(points)))
        judged.decision[unseen] = answer.failure == 1
        judged.reason[unseen] = answer.reasons[:, 0]
    return judged


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
    answer = run(artefact, dataset.points)
    trained = train(dataset)
    expected = predict(trained.booster, trained.rule, engineer(dataset.points))
    decided = expected >= trained.rule.threshold
    apart = np.abs(answer.probability - expected).max()
    return {
        "bytes": len(artefact),
        "threshold": _rounded(threshold_of(onnx.load_from_string(artefact))),
        "slope": _rounded(trained.rule.calibration.slope),
        "largest_probability_difference": float(f"{apart:.1e}"),
        "differing_decisions": int(np.sum((answer.failure == 1) != decided)),
        "on_rows_it_was_trained_on": _decisions(dataset.failed, answer.failure == 1),
    }


def _data(dataset: Dataset) -> dict[str, Any]:
    failures = int(dataset.failed.sum())
    return {"sha256": dataset.sha256, "rows": len(dataset.failed), "failures": failures}


def _repeated(dataset: Dataset) -> dict[str, Any]:
    """Mean and standard deviation over several divisions into folds."""
    figures = [_figures(dataset, judge(dataset, _folds(dataset, seed))) for seed in SEEDS]
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


def _figures(dataset: Dataset, judged: Judged) -> Figures:
    failed = dataset.failed
    return (
        _decisions(failed, judged.decision)
        | {"pr_auc": _rounded(average_precision_score(failed, judged.probability))}
        | _reliability(failed, judged.probability.astype(np.float64))
        | {f"uncalibrated_{k}": v for k, v in _reliability(failed, judged.uncalibrated).items()}
        | {
            f"recall_{mode}": _rounded(judged.decision[dataset.modes[mode]].mean())
            for mode in MODE_COLUMNS
        }
        | {"reason_is_the_documented_one": _rounded(_well_reasoned(dataset, judged))}
    )


def _reliability(failed: Flags, probability: Exact) -> Figures:
    held = reliability(two_classes(probability), failed.astype(np.intp))
    return {name: _rounded(value) for name, value in held.items()}


def _well_reasoned(dataset: Dataset, judged: Judged) -> float:
    """Of the failures found, the share whose strongest reason is what the author's rule of one of
    their modes asks for."""
    right = np.zeros(len(dataset.failed), dtype=np.bool_)
    for mode, quantities in DOCUMENTED_REASONS.items():
        right |= dataset.modes[mode] & np.isin(judged.reason.astype(str), quantities)
    return float(right[judged.decision & dataset.failed].mean())


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
