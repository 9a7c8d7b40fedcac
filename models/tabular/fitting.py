"""Fit a model on the rows of a table: held-out predictions first, then all rows."""

from collections.abc import Callable
from dataclasses import dataclass

import lightgbm as lgb
import msgspec
import numpy as np

from models.tabular.boosting import TrainingSet, class_scores, fit_booster, raw_scores
from models.tabular.data import Floats, Goal, TabularData
from models.tabular.encoding import Features, RowEncoding, column_values, fit_encoding
from models.tabular.evaluation import Comparison, compare, majority_or_mean
from models.tabular.pair_screening import screen_pairs
from models.tabular.settings import Settings, choose_settings
from models.tabular.splits import SplitPlan, plan_splits

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
class FittedRows:
    """Trees with the encoding of their rows, pairs included."""

    booster: lgb.Booster
    encoding: RowEncoding

    def scores(self, singles: Features) -> Floats:
        """Return the scores of rows with these single features."""
        return raw_scores(self.booster, self.encoding.add_pairs(singles))


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
    settings = choose_settings(training, encoding, plan, threads)
    held_out = _predict_held_out(data, training, encoding, plan, settings, threads, report)
    comparison = compare(
        data.target, held_out.predicted(data.target.goal), held_out.baseline, plan.clusters
    )
    final = fit_rows(training, encoding, settings, threads)
    return FittedModel(final.booster, final.encoding, settings.rounds, plan, held_out, comparison)


def fit_rows(
    training: TrainingSet, encoding: RowEncoding, settings: Settings, threads: int
) -> FittedRows:
    """Fit pairs and trees on single features of rows."""
    if settings.with_pairs:
        pairs = screen_pairs(training, encoding, threads)
        encoding = msgspec.structs.replace(encoding, pairs=pairs)
    extended = training.with_features(encoding.add_pairs(training.features))
    return FittedRows(fit_booster(extended, settings.rounds, threads), encoding)


def _predict_held_out(
    data: TabularData,
    training: TrainingSet,
    encoding: RowEncoding,
    plan: SplitPlan,
    settings: Settings,
    threads: int,
    report: ReportFold,
) -> HeldOutPredictions:
    """Predict each row by models that were not fitted on it."""
    is_class = data.target.goal is Goal.CLASS
    shape = (len(data), len(data.target.classes)) if is_class else (len(data),)
    sums, counts = np.zeros(shape), np.zeros(len(data))
    baseline = np.full(len(data), np.nan)
    for number, split in enumerate(plan.splits, start=1):
        fitted = fit_rows(training.take(split.training), encoding, settings, threads)
        scores = fitted.scores(training.features[split.held_out])
        sums[split.held_out] += class_scores(scores) if is_class else scores
        counts[split.held_out] += 1
        baseline[split.held_out] = majority_or_mean(data.target, split.training)
        report(number, len(plan.splits))
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = sums / (counts[:, np.newaxis] if is_class else counts)
    return HeldOutPredictions(scores, baseline)
