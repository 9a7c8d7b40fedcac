"""Fit a variant: the customer's trees plus a weighted base model.

A variant's log-odds are a sum: the base's log-odds times a weight, those of the customer's trees
times a weight, and a shift. The trees start from half of the base's log-odds, so that they can also
learn what the base knows; with many rows their weight grows and the base's falls. The weights are
fitted on out-of-fold predictions of the trees.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import lightgbm as lgb
import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.model_selection import StratifiedKFold

from models.calibration import FloatArray
from models.failure_class.data import Flags, Floats, Rows
from models.failure_class.features import MONOTONE_CONSTRAINTS
from models.failure_class.train import PARAMETERS, log_odds

SEED = 1958
FOLDS = 5
ROUNDS = 50
# Initial score of the trees, as a share of the base's log-odds. With a share of 1 the trees mostly
# undo the base's errors, which takes more rows than learning the labels.
INITIAL_SCORE_SHARE = 0.5
# Differences from the base's parameters: a few dozen rows cannot fill leaves of ten, and the base's
# log-odds replace the average as the initial score.
TREE_PARAMETERS: Mapping[str, object] = MappingProxyType(
    {
        **PARAMETERS,
        "num_leaves": 7,
        "min_data_in_leaf": 3,
        "lambda_l2": 1.0,
        "boost_from_average": False,
        "feature_pre_filter": False,
        "seed": SEED,
    }
)
# Prior means of the weights.
PRIOR_BASE_WEIGHT, PRIOR_TREES_WEIGHT = 1.0, 0.5
# Prior precision: the penalty is half of it times the squared distance, in nats of log-loss.
PRIOR_PRECISION, SHIFT_PRIOR_PRECISION = 1.0, 0.1


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """A customer's training rows: features [N, 7], base log-odds [N] and labels [N]."""

    features: Floats
    base_log_odds: FloatArray
    failed: Flags

    def take(self, rows: Rows) -> Self:
        """Return the rows at the indices."""
        return type(self)(self.features[rows], self.base_log_odds[rows], self.failed[rows])


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the base's and the trees' log-odds, and the shift added to their sum."""

    base: float
    trees: float
    shift: float

    def log_odds(self, base: FloatArray, trees: FloatArray) -> FloatArray:
        """Return the variant's log-odds of failure from those of base and trees, [N] each."""
        return np.asarray(self.base * base + self.trees * trees + self.shift)


@dataclass(frozen=True, slots=True)
class OutOfFoldLogOdds:
    """Out-of-fold log-odds of the trees and the fold of each row; [N] each."""

    log_odds: FloatArray
    fold: Rows


def fit_recalibration(base: FloatArray, failed: Flags) -> Weights:
    """Fit a recalibration of the base alone: slope and shift for this machine's rows."""
    weight, shift = _fit_penalised_weights(
        base[:, np.newaxis], failed, np.array([PRIOR_BASE_WEIGHT, 0.0])
    )
    return Weights(weight, 0.0, shift)


def fit_weights(base: FloatArray, trees: FloatArray, failed: Flags) -> Weights:
    """Fit the weights of base and trees, given out-of-fold log-odds of the trees; [N] each."""
    recalibration = fit_recalibration(base, failed)
    prior = np.array([recalibration.base, PRIOR_TREES_WEIGHT, recalibration.shift])
    return Weights(*_fit_penalised_weights(np.stack([base, trees], axis=1), failed, prior))


def fit_trees(rows: TrainingRows) -> lgb.Booster:
    """Fit the customer's trees. Their predictions exclude the initial score they start from."""
    recalibration = fit_recalibration(rows.base_log_odds, rows.failed)
    start = INITIAL_SCORE_SHARE * recalibration.base * rows.base_log_odds + recalibration.shift
    data = lgb.Dataset(
        rows.features,
        label=rows.failed.astype(np.float32),
        init_score=start,
        feature_name=list(MONOTONE_CONSTRAINTS),
    )
    return lgb.train(dict(TREE_PARAMETERS), data, ROUNDS)


def predict_out_of_fold(rows: TrainingRows) -> OutOfFoldLogOdds:
    """Return out-of-fold predictions of the trees from a stratified cross-validation."""
    tree_log_odds, fold = np.empty(len(rows.failed)), np.empty(len(rows.failed), dtype=np.intp)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for number, (train, test) in enumerate(folds.split(rows.features, rows.failed)):
        tree_log_odds[test] = log_odds(fit_trees(rows.take(train)), rows.features[test])
        fold[test] = number
    return OutOfFoldLogOdds(tree_log_odds, fold)


def log_loss(log_odds: FloatArray, failed: Flags) -> float:
    """Return the mean log-loss in nats per row of log-odds [N]."""
    return float(np.mean(np.logaddexp(0, log_odds) - failed * log_odds))


def _fit_penalised_weights(
    log_odds: FloatArray, failed: Flags, prior: FloatArray
) -> tuple[float, ...]:
    """Fit non-negative weights of the columns of `log_odds` [N, columns], and a shift.

    Minimises the log-loss with an L2 penalty on the distance from `prior`.
    """
    columns = np.column_stack([log_odds, np.ones(len(log_odds))])
    precision = np.array([*[PRIOR_PRECISION] * log_odds.shape[1], SHIFT_PRIOR_PRECISION])

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        """Return the penalised loss and its gradient."""
        distance = weights - prior
        predicted = columns @ weights
        value = len(failed) * log_loss(predicted, failed) + float(precision @ distance**2) / 2
        return value, columns.T @ (expit(predicted) - failed) + precision * distance

    bounds = [*[(0.0, None)] * log_odds.shape[1], (None, None)]
    # L-BFGS-B finds the same minimum, but starts a thread per core at each step: 20 times slower.
    result = minimize(loss, prior, jac=True, method="TNC", bounds=bounds)
    return tuple(result.x.tolist())
