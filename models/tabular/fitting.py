"""Fit a model on the rows of a table: held-out predictions first, then all rows."""

from collections.abc import Callable
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from models.tabular.boosting import (
    TrainingSet,
    class_scores,
    find_rounds,
    fit_booster,
    raw_scores,
)
from models.tabular.data import Floats, Goal, Indices, TabularData
from models.tabular.encoding import RowEncoding, column_values, fit_encoding
from models.tabular.evaluation import Comparison, compare, majority_or_mean
from models.tabular.splits import FOLDS, Split, SplitPlan, plan_splits

# Splits by which the number of rounds is chosen.
_ROUNDS_SPLITS = 3

ReportFold = Callable[[int, int], None]
"""Called with the number of evaluated splits and of all splits."""


@dataclass(frozen=True, slots=True)
class HeldOutPredictions:
    """The mean score of each row over the splits that held it out; NaN if none did.

    scores: numbers [rows], or class scores [rows, classes].
    """

    scores: Floats
    baseline: Floats

    @property
    def rows(self) -> np.ndarray:
        """Positions of the rows that were held out."""
        return np.flatnonzero(np.isfinite(self.scores.reshape(len(self.scores), -1)[:, 0]))

    def predicted(self, goal: Goal) -> Floats:
        """Return the prediction of each row: the number, or the index of the class."""
        if goal is Goal.NUMBER:
            return self.scores
        known = np.isfinite(self.scores[:, 0])
        best = np.where(known, np.nan_to_num(self.scores, nan=0.0).argmax(axis=1), 0)
        return np.where(known, best.astype(np.float64), np.nan)


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A model of all rows, with what is known of it from rows that it was not fitted on."""

    booster: lgb.Booster
    encoding: RowEncoding
    rounds: int
    plan: SplitPlan
    held_out: HeldOutPredictions
    comparison: Comparison


def fit_model(data: TabularData, threads: int, report: ReportFold) -> FittedModel:
    """Fit a model on all rows, and evaluate it on held-out ones."""
    plan = plan_splits(data)
    encoding = fit_encoding(data.inputs)
    training = TrainingSet.of(encoding.encode(column_values(data.inputs)), data.target)
    rounds = _choose_rounds(training, plan, threads)
    held_out = _predict_held_out(data, training, plan, rounds, threads, report)
    comparison = compare(
        data.target, held_out.predicted(data.target.goal), held_out.baseline, plan.clusters
    )
    booster = fit_booster(training, rounds, threads)
    return FittedModel(booster, encoding, rounds, plan, held_out, comparison)


def _choose_rounds(training: TrainingSet, plan: SplitPlan, threads: int) -> int:
    """Return the median of the best numbers of rounds of the last splits.

    Each is found within the split's training rows: held-out rows must not choose the model that
    they score.
    """
    rounds = []
    for split in plan.splits[-_ROUNDS_SPLITS:]:
        inner = _inner_split(split, plan.clusters)
        rounds.append(
            find_rounds(training.take(inner.training), training.take(inner.held_out), threads)
        )
    return int(np.median(rounds))


def _inner_split(split: Split, clusters: Indices) -> Split:
    """Return a split of the training rows that holds out a fifth of their clusters, the last."""
    rows = split.training
    present = np.unique(clusters[rows])
    held_out = present[-max(1, len(present) // FOLDS) :] if len(present) > 1 else present
    is_held_out = np.isin(clusters[rows], held_out)
    if is_held_out.all():
        return Split(rows, rows)
    return Split(rows[~is_held_out], rows[is_held_out])


def _predict_held_out(
    data: TabularData,
    training: TrainingSet,
    plan: SplitPlan,
    rounds: int,
    threads: int,
    report: ReportFold,
) -> HeldOutPredictions:
    """Predict each row by models that were not fitted on it."""
    is_class = data.target.goal is Goal.CLASS
    shape = (len(data), len(data.target.classes)) if is_class else (len(data),)
    sums, counts = np.zeros(shape), np.zeros(len(data))
    baseline = np.full(len(data), np.nan)
    for number, split in enumerate(plan.splits, start=1):
        booster = fit_booster(training.take(split.training), rounds, threads)
        scores = raw_scores(booster, training.features[split.held_out])
        sums[split.held_out] += class_scores(scores) if is_class else scores
        counts[split.held_out] += 1
        baseline[split.held_out] = majority_or_mean(data.target, split.training)
        report(number, len(plan.splits))
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = sums / (counts[:, np.newaxis] if is_class else counts)
    return HeldOutPredictions(scores, baseline)
