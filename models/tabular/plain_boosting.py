"""Gradient boosting without our training: what models of rows are measured next to."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import Any

import lightgbm as lgb
import numpy as np
from sklearn.model_selection import GroupKFold

from models.failure_class.data import TYPE_COLUMN
from models.own_evaluation import FileColumns
from models.tabular.data import Floats, Indices

# LightGBM's own defaults, written out.
PLAIN_CLASSIFIER: Mapping[str, Any] = MappingProxyType(
    {"n_estimators": 100, "learning_rate": 0.1, "num_leaves": 31, "min_child_samples": 20}
)
_REPRODUCIBLE = {"random_state": 7, "n_jobs": 1, "verbosity": -1, "deterministic": True}
# The settings among which the tuned regressor is chosen.
LEAVES, SMALLEST_LEAVES, RATE, MAX_ROUNDS, PATIENCE = (4, 15, 31), (5, 20), 0.05, 600, 40
_GRADES = ("L", "M", "H")


def plain_failures(
    columns: FileColumns, failed: np.ndarray, training: Indices, held_out: Indices
) -> Floats:
    """Return the probability of a failure of held-out rows; grades are numbered in their order."""
    grades = np.array([_GRADES.index(grade) for grade in columns[TYPE_COLUMN]], dtype=np.float64)
    numbers = [column for name, column in columns.items() if name != TYPE_COLUMN]
    features = np.column_stack([grades, *numbers])
    settings: dict[str, Any] = {**PLAIN_CLASSIFIER, **_REPRODUCIBLE}
    model = lgb.LGBMClassifier(**settings)
    model.fit(features[training], failed[training])
    return np.asarray(model.predict_proba(features[held_out]))[:, 1]


def tuned_numbers(features: Floats, values: Floats, machines: Indices, held_out: Floats) -> Floats:
    """Return predictions of held-out rows by the best of LEAVES × SMALLEST_LEAVES.

    Each training machine is left out in turn to choose settings and rounds by the RMSE.
    """
    folds = list(GroupKFold(len(np.unique(machines))).split(features, groups=machines))
    rows = lgb.Dataset(features, values, free_raw_data=False)
    found = [(*_error_and_rounds(rows, settings, folds), settings) for settings in _tuning_grid()]
    _, rounds, settings = min(found, key=itemgetter(0))
    booster = lgb.train(settings, lgb.Dataset(features, values), num_boost_round=rounds)
    return np.asarray(booster.predict(held_out))


def _tuning_grid() -> list[dict[str, Any]]:
    """Return the settings of the tuned regressor."""
    return [
        {
            **{"objective": "regression", "metric": "rmse", "learning_rate": RATE},
            **{"num_leaves": leaves, "min_data_in_leaf": smallest},
            **{"num_threads": 1, "seed": 7, "deterministic": True, "verbosity": -1},
            "feature_pre_filter": False,
        }
        for leaves in LEAVES
        for smallest in SMALLEST_LEAVES
    ]


def _error_and_rounds(
    rows: lgb.Dataset, settings: dict[str, Any], folds: Sequence[tuple[Indices, Indices]]
) -> tuple[float, int]:
    """Return the mean RMSE on left-out machines, and the number of rounds that reach it."""
    found = lgb.cv(
        settings,
        rows,
        num_boost_round=MAX_ROUNDS,
        folds=folds,
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )
    errors: Any = found["valid rmse-mean"]
    return float(errors[-1]), len(errors)
