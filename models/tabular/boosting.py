"""Fit gradient-boosted trees (LightGBM) on encoded rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from models.tabular.data import Floats, Goal, Target
from models.tabular.encoding import Features

_SEED = 7
# The learning rate for small and for large files: with many rows, more trees would take minutes.
_RATES: tuple[tuple[int, float], ...] = ((20_000, 0.05), (1 << 40, 0.1))
MAX_ROUNDS = 600
_PATIENCE = 40
# The least rows of a leaf, and that where a value of a category has fewer than twice as many rows:
# else no leaf could hold the rows of one machine's rare alarm code.
_LEAF_ROWS, _LEAF_ROWS_OF_RARE_VALUES = 20, 5
# Up to so many rows, each value of a column has a bin: limits of machines are sharp, and 255 bins
# blur them.
_ROWS_OF_FINE_BINS = 20_000
_FINE_BINS: Mapping[str, Any] = MappingProxyType({"max_bin": 1023, "min_data_in_bin": 1})
_COMMON: Mapping[str, Any] = MappingProxyType(
    {
        "verbosity": -1,
        "seed": _SEED,
        "deterministic": True,
        "force_row_wise": True,
        "use_missing": False,
        "feature_fraction": 0.8,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
    }
)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Encoded rows with their targets: numbers, or indices of classes."""

    features: Features
    values: Floats
    goal: Goal
    class_count: int = 0

    @classmethod
    def of(cls, features: Features, target: Target) -> "TrainingSet":
        """Return the training set of all rows."""
        return cls(features, target.values, target.goal, len(target.classes))

    def take(self, rows: NDArray[np.intp]) -> "TrainingSet":
        """Return some of the rows."""
        return TrainingSet(self.features[rows], self.values[rows], self.goal, self.class_count)

    def with_features(self, features: Features) -> "TrainingSet":
        """Return the same rows with other features."""
        return replace(self, features=features)


@dataclass(frozen=True, slots=True)
class Stopping:
    """The number of rounds with the lowest loss on held-out rows, and this loss."""

    rounds: int
    loss: float


def fit_booster(training: TrainingSet, rounds: int, threads: int) -> lgb.Booster:
    """Fit so many rounds of trees."""
    parameters = _parameters(training, threads)
    return lgb.train(parameters, _dataset(training), num_boost_round=max(1, rounds))


def find_rounds(training: TrainingSet, held_out: TrainingSet, threads: int) -> Stopping:
    """Return the number of rounds with the lowest loss on held-out rows."""
    data = _dataset(training)
    booster = lgb.train(
        _parameters(training, threads),
        data,
        num_boost_round=MAX_ROUNDS,
        valid_sets=[_dataset(held_out, data)],
        callbacks=[lgb.early_stopping(_PATIENCE, verbose=False)],
    )
    (losses,) = booster.best_score.values()
    (loss,) = losses.values()
    return Stopping(max(1, booster.best_iteration), float(loss))


def raw_scores(booster: lgb.Booster, features: Features) -> Floats:
    """Return numbers, [rows], or scores of classes in log-odds, [rows, classes].

    Of two classes the first one has the score 0.
    """
    return np.asarray(booster.predict(features, raw_score=True), dtype=np.float64)


def class_scores(scores: Floats) -> Floats:
    """Return the scores of all classes, [rows, classes], also where the booster gives one."""
    if scores.ndim == 1:
        return np.stack([np.zeros(len(scores)), scores], axis=1)
    return scores


def _parameters(training: TrainingSet, threads: int) -> dict[str, Any]:
    """Return LightGBM's parameters: smaller trees for fewer rows."""
    rows = len(training.values)
    rate = next(rate for limit, rate in _RATES if rows <= limit)
    leaves = 7 if rows < 500 else 15 if rows < 5_000 else 31
    parameters = {
        **_COMMON,
        "learning_rate": rate,
        "num_leaves": leaves,
        "min_data_in_leaf": max(2, min(_least_leaf(training), rows // 50)),
        "num_threads": threads,
        **(_FINE_BINS if rows <= _ROWS_OF_FINE_BINS else {}),
        **_objective(training),
    }
    return parameters


def _least_leaf(training: TrainingSet) -> int:
    """Return the least number of rows of a leaf: fewer where a feature is 1 in few rows only."""
    features = training.features
    if len(features) > _ROWS_OF_FINE_BINS:
        return _LEAF_ROWS
    is_one = features == 1
    counts = is_one.sum(axis=0)[(is_one | (features == 0)).all(axis=0)]
    has_rare = np.any((counts >= _LEAF_ROWS_OF_RARE_VALUES) & (counts < 2 * _LEAF_ROWS))
    return _LEAF_ROWS_OF_RARE_VALUES if has_rare else _LEAF_ROWS


def _objective(training: TrainingSet) -> dict[str, Any]:
    """Return the objective: classes, or numbers."""
    if training.goal is Goal.NUMBER:
        return {"objective": "regression", "metric": "l2"}
    if training.class_count == 2:
        return {"objective": "binary", "metric": "binary_logloss"}
    return {
        "objective": "multiclass",
        "num_class": training.class_count,
        "metric": "multi_logloss",
    }


def _dataset(training: TrainingSet, reference: lgb.Dataset | None = None) -> lgb.Dataset:
    """Return LightGBM's form of the rows."""
    return lgb.Dataset(training.features, training.values, reference=reference, free_raw_data=False)
