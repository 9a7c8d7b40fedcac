"""Learning a customer's rows on top of the base: few correct it, many take over.

Owns the trees that a variant adds, and what weight base and trees carry.

A variant's log-odds are a sum: the base's times a weight, the customer's trees' times a weight, and
a shift. The trees start from half of what the base says, so that they may also learn what it would
have said; where they are sure, their weight grows and the base's falls. The weights are fitted on
rows that the trees have not seen.
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

from models.calibration import Exact
from models.failure_class.data import Flags, Floats, Rows
from models.failure_class.features import DIRECTIONS
from models.failure_class.train import PARAMETERS, log_odds

SEED = 1958
FOLDS = 5
ROUNDS = 50
# What the trees start from, as a share of the base's log-odds. From all of it they mostly undo the
# base where it is wrong, which takes more rows than learning what is right.
SHARE = 0.5
# Beside the base's own settings: a few dozen rows have no ten in a leaf, and the base's first
# log-odds stand in for the mean.
SETTINGS: Mapping[str, object] = MappingProxyType(
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
# What is held of the weights before any row is seen: the base is right, its trees half as sure.
BASE_WEIGHT, TREES_WEIGHT = 1.0, 0.5
# How firmly: a weight's distance from that, squared, counts as so many nats of log-loss, halved.
FIRMNESS, SHIFT_FIRMNESS = 1.0, 0.1


@dataclass(frozen=True, slots=True)
class Learned:
    """features [N, 7], the base's log-odds [N] and the labels [N] of the customer's rows."""

    features: Floats
    base: Exact
    failed: Flags

    def take(self, rows: Rows) -> Self:
        return type(self)(self.features[rows], self.base[rows], self.failed[rows])


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the base's log-odds and of the trees', and what is added to both."""

    base: float
    trees: float
    shift: float

    def log_odds(self, base: Exact, trees: Exact) -> Exact:
        """[N], of failure."""
        return np.asarray(self.base * base + self.trees * trees + self.shift)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Log-odds by trees that have not seen the row, and in which fold it was left out; [N] each."""

    trees: Exact
    fold: Rows


def recalibrated(base: Exact, failed: Flags) -> Weights:
    """The base alone, made to fit how often and how surely this machine fails."""
    weight, shift = _weigh(base[:, np.newaxis], failed, np.array([BASE_WEIGHT, 0.0]))
    return Weights(weight, 0.0, shift)


def weigh(base: Exact, trees: Exact, failed: Flags) -> Weights:
    """Base and trees together; `trees` have not seen these rows. [N] each."""
    alone = recalibrated(base, failed)
    usual = np.array([alone.base, TREES_WEIGHT, alone.shift])
    return Weights(*_weigh(np.stack([base, trees], axis=1), failed, usual))


def grow(rows: Learned) -> lgb.Booster:
    """The trees of these rows. What they start from is not part of what they answer."""
    alone = recalibrated(rows.base, rows.failed)
    start = SHARE * alone.base * rows.base + alone.shift
    data = lgb.Dataset(
        rows.features,
        label=rows.failed.astype(np.float32),
        init_score=start,
        feature_name=list(DIRECTIONS),
    )
    return lgb.train(dict(SETTINGS), data, ROUNDS)


def left_out(rows: Learned) -> LeftOut:
    """Each row judged by the trees of the other folds. Failures are spread over all folds alike."""
    trees, fold = np.empty(len(rows.failed)), np.empty(len(rows.failed), dtype=np.intp)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for number, (seen, unseen) in enumerate(folds.split(rows.features, rows.failed)):
        trees[unseen] = log_odds(grow(rows.take(seen)), rows.features[unseen])
        fold[unseen] = number
    return LeftOut(trees, fold)


def log_loss(told: Exact, failed: Flags) -> float:
    """Mean over the rows, in nats, of log-odds [N]."""
    return float(np.mean(np.logaddexp(0, told) - failed * told))


def _weigh(told: Exact, failed: Flags, usual: Exact) -> tuple[float, ...]:
    """Weights of the columns of `told` [N, columns], none below 0, and the shift: what fits best,
    held to `usual`."""
    columns = np.column_stack([told, np.ones(len(told))])
    firm = np.array([*[FIRMNESS] * told.shape[1], SHIFT_FIRMNESS])

    def loss(weights: Exact) -> tuple[float, Exact]:
        off = weights - usual
        said = columns @ weights
        value = len(failed) * log_loss(said, failed) + float(firm @ off**2) / 2
        return value, columns.T @ (expit(said) - failed) + firm * off

    bounds = [*[(0.0, None)] * told.shape[1], (None, None)]
    # L-BFGS-B finds the same, but wakes a thread for each core at each step: 20 times as long.
    found = minimize(loss, usual, jac=True, method="TNC", bounds=bounds)
    return tuple(found.x.tolist())
