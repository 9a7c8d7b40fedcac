"""Measure fine-tuning on simulated machines that differ from the training machine.

The data holds no second machine, so the base is trained without the rows that represent one: half
of the data set relabelled under other failure limits, or the stretch that holds the heat failures
with its own labels.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score, f1_score

from models.adaptation import Adaptation, Score, TrainingFileInvalid
from models.calibration import FloatArray
from models.failure_class.adapt import fit_variant
from models.failure_class.base import BaseClassifier
from models.failure_class.data import Dataset, Flags, OperatingPoints, Rows
from models.failure_class.features import compute_features
from models.failure_class.labelled import MIN_ROWS_PER_CLASS, LabelledPoints
from models.failure_class.pooling import log_loss
from models.failure_class.train import Predictions, fit, fit_model, log_odds, run_artefact

# Rows by file order: 131 of them failed, 108 of these by heat.
HEAT_STRETCH = slice(3900, 4900)
# Share of wrong labels, equal to the share of random failures in the data set.
NOISE = 0.003
# A probability in single precision is 0 or 1 before its log-odds are infinite.
_MIN_PROBABILITY = 1e-7
HEAT_MACHINE = "heat_failures"
ROW_COUNTS, HEAT_ROW_COUNTS = (50, 200, 1000), (50, 200, 500)
DRAWS = 2
DIGITS = 4

Metrics = dict[str, float]


@dataclass(frozen=True, slots=True)
class FailureLimits:
    """Failure limits of a simulated machine.

    A point fails at a temperature difference below `heat` K under `slow` rpm, at a power outside
    `min_power` to `max_power` W, or at a strain above `strain` min·N·m at grade L (1,000 more for
    each higher grade).
    """

    heat: float
    slow: float
    min_power: float
    max_power: float
    strain: float

    def failures(self, points: OperatingPoints) -> Flags:
        """Return the failure labels of the points, [N], without noise."""
        grade, speed, _, _, difference, power, strain = compute_features(points).T
        hot = (difference < np.float32(self.heat)) & (speed < self.slow)
        weak = (power < self.min_power) | (power > self.max_power)
        return np.asarray(hot | weak | (strain > self.strain + 1000 * grade))


@dataclass(frozen=True, slots=True)
class SimulatedMachine:
    """A simulated machine: its labelled rows and a base artefact trained without them."""

    base: bytes
    rows: LabelledPoints


@dataclass(frozen=True, slots=True)
class TrialResult:
    """Metrics of one fine-tuning trial on the test rows.

    base, alone, adapted: log-loss, F1 and PR-AUC; `alone` is the base's learner fitted on the
    training file only. If there is no variant, `adapted` equals `base` and `held_out_score`
    is None. random_refused and swapped_refused: whether the file is refused with its labels
    permuted, or all swapped.
    """

    base: Metrics
    alone: Metrics
    adapted: Metrics
    held_out_score: Score | None
    random_refused: bool
    swapped_refused: bool


# The data author's limits are 8.6, 1380, 3500, 9000 and 11000.
LIMITS: Mapping[str, FailureLimits] = MappingProxyType(
    {
        "tighter_limits": FailureLimits(9.0, 1420, 4000, 8000, 9000),
        # No heat failures, and tolerates strain at which the base predicts a failure.
        "other_limits": FailureLimits(7.0, 1380, 4400, 7700, 13000),
    }
)


def measure_adaptation(dataset: Dataset, seeds: Sequence[int]) -> dict[str, Any]:
    """Return mean metrics by machine and number of rows, over DRAWS files of each seed."""
    trials: dict[tuple[str, int], list[TrialResult]] = defaultdict(list)
    heat = heat_failure_machine(dataset)
    for seed in seeds:
        for name, machine in {**simulate_machines(dataset, seed), HEAT_MACHINE: heat}.items():
            for count in HEAT_ROW_COUNTS if name == HEAT_MACHINE else ROW_COUNTS:
                for draw in range(DRAWS):
                    trials[name, count].append(run_trial(machine, count, DRAWS * seed + draw))
    result: dict[str, Any] = defaultdict(dict)
    for (name, count), results in trials.items():
        result[name][f"{count}_rows"] = _summary(results)
    return dict(result)


def simulate_machines(dataset: Dataset, seed: int) -> Mapping[str, SimulatedMachine]:
    """Return simulated machines over the half of the rows that the base has not seen."""
    random = np.random.default_rng(seed)
    base_rows, other_rows = np.array_split(random.permutation(len(dataset.failed)), 2)
    base, points = _train_base(dataset, base_rows), dataset.points.take(other_rows)
    simulated = {
        "the_same_machine": SimulatedMachine(
            base, LabelledPoints(points, dataset.failed[other_rows])
        )
    }
    for name, limits in LIMITS.items():
        noise = random.random(len(other_rows)) < NOISE
        simulated[name] = SimulatedMachine(
            base, LabelledPoints(points, limits.failures(points) ^ noise)
        )
    return simulated


def heat_failure_machine(dataset: Dataset) -> SimulatedMachine:
    """Return as a machine the rows with most heat failures; its base has seen seven others."""
    rows = np.arange(len(dataset.failed))
    stretch = rows[HEAT_STRETCH]
    heat = LabelledPoints(dataset.points.take(stretch), dataset.failed[stretch])
    return SimulatedMachine(_train_base(dataset, np.setdiff1d(rows, stretch)), heat)


def run_trial(machine: SimulatedMachine, count: int, seed: int) -> TrialResult:
    """Fine-tune on a stratified sample of `count` rows and measure on the remaining rows."""
    rows, test = split_rows(machine.rows, count, seed)
    base = BaseClassifier.from_artefact(machine.base)
    variant = _accepted_variant(base, rows)
    permuted = np.random.default_rng(seed).permutation(rows.failed)
    before = _prediction_metrics(run_artefact(machine.base, test.points), test.failed)
    return TrialResult(
        base=before,
        alone=_metrics_without_base(rows, test),
        adapted=_prediction_metrics(run_artefact(variant.artefact, test.points), test.failed)
        if variant
        else before,
        held_out_score=variant.score if variant else None,
        random_refused=_accepted_variant(base, replace(rows, failed=permuted)) is None,
        swapped_refused=_accepted_variant(base, replace(rows, failed=~rows.failed)) is None,
    )


def _accepted_variant(base: BaseClassifier, rows: LabelledPoints) -> Adaptation | None:
    """Fine-tune on rows; return None if they are refused or the variant is worse than the base."""
    try:
        variant = fit_variant(base, rows, lambda _: None)
    except TrainingFileInvalid:
        return None
    return None if variant.score.worse else variant


def split_rows(
    rows: LabelledPoints, count: int, seed: int
) -> tuple[LabelledPoints, LabelledPoints]:
    """Split into `count` rows, stratified by label, and the remaining rows."""
    order = np.random.default_rng(seed).permutation(len(rows.failed))
    positives, negatives = order[rows.failed[order]], order[~rows.failed[order]]
    positive_count = max(MIN_ROWS_PER_CLASS, round(count * len(positives) / len(order)))
    sample = np.concatenate([positives[:positive_count], negatives[: count - positive_count]])
    rest = np.concatenate([positives[positive_count:], negatives[count - positive_count :]])
    return _take_rows(rows, sample), _take_rows(rows, rest)


def _take_rows(rows: LabelledPoints, indices: Rows) -> LabelledPoints:
    """Return the labelled points at the row indices `indices`."""
    return LabelledPoints(rows.points.take(indices), rows.failed[indices])


def _train_base(dataset: Dataset, rows: Rows) -> bytes:
    """Return the artefact of a base trained on these rows."""
    trained = fit_model(dataset.points.take(rows), dataset.failed[rows])
    artefact: bytes = trained.model.SerializeToString()
    return artefact


def _metrics_without_base(rows: LabelledPoints, test: LabelledPoints) -> Metrics:
    """Fit trees on `rows` alone, without a base model, and return their metrics on `test`."""
    predicted = log_odds(
        fit(compute_features(rows.points), rows.failed), compute_features(test.points)
    )
    return _metrics(predicted, predicted >= 0, test.failed)


def _prediction_metrics(predictions: Predictions, failed: Flags) -> Metrics:
    """Return log-loss, F1 and PR-AUC of an artefact's predictions against the true failures."""
    probability = predictions.probability.astype(np.float64)
    predicted = np.asarray(logit(np.clip(probability, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)))
    return _metrics(predicted, predictions.failure == 1, failed)


def _metrics(predicted: FloatArray, decision: Flags, failed: Flags) -> Metrics:
    """Return log-loss and PR-AUC of the log-odds `predicted`, and F1 of `decision`, [N] each."""
    return {
        "log_loss": log_loss(predicted, failed),
        "f1": float(f1_score(failed, decision)),
        "pr_auc": float(average_precision_score(failed, expit(predicted))),
    }


def _summary(trials: Sequence[TrialResult]) -> dict[str, Any]:
    """Return the mean metrics and the numbers of refused files of several trials."""
    scores = [trial.held_out_score for trial in trials if trial.held_out_score]
    return {
        "files": len(trials),
        "base": _mean([trial.base for trial in trials]),
        "alone": _mean([trial.alone for trial in trials]),
        "adapted": _mean([trial.adapted for trial in trials]),
        "held_out_score": _mean(
            [{"base": score.base or 0.0, "adapted": score.adapted} for score in scores]
        ),
        "worse_than_base": sum(
            trial.adapted["log_loss"] > trial.base["log_loss"] for trial in trials
        ),
        "refused": len(trials) - len(scores),
        "refused_with_random_labels": sum(trial.random_refused for trial in trials),
        "refused_with_swapped_labels": sum(trial.swapped_refused for trial in trials),
    }


def _mean(items: Sequence[Metrics]) -> Metrics:
    """Return the rounded mean of each metric."""
    names = items[0] if items else ()
    return {
        name: round(float(np.mean([metrics[name] for metrics in items])), DIGITS) for name in names
    }
