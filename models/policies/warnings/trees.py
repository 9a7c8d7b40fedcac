"""Boosted trees on the features of all sensors, as a bag of boosters of parts of the histories."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from infra.lazy_import import LazyModule
from models.policies.warnings.features import tick_features
from models.policies.warnings.history import Floats, MachineHistory
from models.policies.warnings.scores import TreeScore

if TYPE_CHECKING:
    import lightgbm as lgb
else:
    lgb = LazyModule("lightgbm")

_SEED = 7
_TREES = {
    "objective": "binary",
    "num_leaves": 8,
    "min_data_in_leaf": 40,
    "learning_rate": 0.08,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "max_bin": 63,
    "verbosity": -1,
    "num_threads": 1,
    "seed": _SEED,
    "deterministic": True,
}
_ROUNDS = 80
_BAGS = 4
# Ticks beyond this many are thinned out evenly, which bounds the time of a training.
_MAX_TICKS = 12_000


def fit_trees(histories: Sequence[MachineHistory]) -> TreeScore:
    """Return the margin of a warning being right, by trees on two thirds of the histories each."""
    features = [tick_features(one)[one.normal :] for one in histories]
    truth = [one.in_event[one.normal :].astype(np.float64) for one in histories]
    random = np.random.default_rng(_SEED)
    models = []
    for _ in range(_BAGS):
        drawn = _drawn(len(histories), random)
        rows, flags = _thinned(
            np.concatenate([features[one] for one in drawn]),
            np.concatenate([truth[one] for one in drawn]),
        )
        data = lgb.Dataset(rows, flags)
        models.append(lgb.train(dict(_TREES), data, num_boost_round=_ROUNDS).model_to_string())
    return TreeScore(tuple(models))


def _drawn(count: int, random: np.random.Generator) -> list[int]:
    """Return two thirds of the histories, at least one; a single one is taken whole."""
    return sorted(int(one) for one in random.permutation(count)[: max(1, -(-count * 2 // 3))])


def _thinned(rows: Floats, flags: Floats) -> tuple[Floats, Floats]:
    """Return at most _MAX_TICKS rows with their flags, evenly spaced."""
    step = max(1, -(-len(rows) // _MAX_TICKS))
    return rows[::step], flags[::step]
