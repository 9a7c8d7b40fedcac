"""A model of remaining life: trees with the course of the health index, or with a network."""

from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import msgspec
import numpy as np
from scipy.stats import norm

from models.series.life.features import Features, fill_missing, fit_index
from models.series.life.network import LifeNetwork
from models.series.life.network_fitting import fit_network
from models.series.life.rows import LifeRows
from models.series.life.trajectory import Trajectory, fit_trajectory
from models.series.series import Floats, Indices

# From so many rows on, there are more and larger trees.
_MANY_ROWS = 10_000
_ROUNDS, _ROUNDS_OF_MANY_ROWS = 100, 250
_LEAVES, _LEAVES_OF_MANY_ROWS = 15, 31
# Adjacent steps are nearly identical rows: few features and rows for each tree, and random split
# points, keep the trees from learning single machines.
_PARAMETERS: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.05,
    "extra_trees": True,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.6,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "use_missing": False,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
    "seed": 7,
}
# The offsets of few machines may be alike by chance, so they are taken to vary by at least this
# part of the rise of the index until the failure; the trees see each row with some such offsets.
LEAST_OFFSET = 0.2
_OFFSET_COPIES = 4


@dataclass(frozen=True, slots=True)
class LifeSettings:
    """The cap on lives, and what a life is told from.

    with_columns: whether the trees see the columns beside the health index. with_course: whether
    the course of the index is averaged with the trees. least_offset: the least deviation of the
    machines' offsets, in parts of the rise of the index until the failure. with_history: whether it
    is told from complete histories, by trees and a network.
    """

    cap: float
    with_columns: bool
    with_course: bool = True
    least_offset: float = 0.0
    with_history: bool = False


@dataclass(frozen=True, slots=True)
class LifeModel:
    """Trees with the weights of the health index; `fills` stand for missing features.

    trajectory, network: the course of the index and a network, whose predictions are averaged with
    that of the trees; None if there is none.
    """

    settings: LifeSettings
    weights: Floats
    fills: Floats
    booster: lgb.Booster
    trajectory: Trajectory | None
    network: LifeNetwork | None = None

    def features(self, rows: LifeRows) -> Features:
        """Return the features of all rows, [rows, features]."""
        return fill_missing(raw_features(rows, self.weights, self.settings), self.fills)

    def predict(self, rows: LifeRows, chosen: Indices) -> Floats:
        """Return remaining lives of some of the rows, from 0 to the cap, [chosen]."""
        raw = raw_features(rows, self.weights, self.settings)[chosen]
        cap = self.settings.cap
        trees = np.asarray(self.booster.predict(fill_missing(raw, self.fills)))
        lives = [np.clip(trees, 0.0, cap)]
        if self.network is not None:
            lives.append(self.network.predict(raw))
        if self.trajectory is not None:
            windows = rows.recipe.windows
            means = raw[:, : len(windows)].astype(np.float32).astype(np.float64)
            lives.append(self.trajectory.predict(means, windows, rows.steps[chosen], cap))
        return np.asarray(np.mean(lives, axis=0))


def fit_model(rows: LifeRows, training: Indices, settings: LifeSettings, threads: int) -> LifeModel:
    """Fit index, trees and their partner on some of the rows."""
    life = np.minimum(rows.life[training], settings.cap)
    weights = fit_index(rows.recent_means[training], life)
    raw = raw_features(rows, weights, settings)[training]
    minimum, maximum = _range(raw)
    fills = minimum - (maximum - minimum) - 1.0
    is_large = len(training) >= _MANY_ROWS
    course = _fit_trajectory(rows, training, weights) if settings.with_course else None
    offsets = _missing_offsets(course, settings.least_offset)
    copies = [_with_offset(raw, offset, len(rows.recipe.windows)) for offset in offsets]
    leaves = _LEAVES_OF_MANY_ROWS if is_large else _LEAVES
    booster = lgb.train(
        {
            **_scale_to(len(copies)),
            "extra_trees": not settings.with_history,
            "num_leaves": leaves,
            "num_threads": threads,
        },
        lgb.Dataset(fill_missing(np.vstack(copies), fills), np.tile(life, len(copies))),
        num_boost_round=_ROUNDS_OF_MANY_ROWS if is_large else _ROUNDS,
    )
    network = None
    if settings.with_history:
        network = fit_network(raw, life, settings.cap, is_large=is_large)
    course = _with_least_offset(course, settings)
    return LifeModel(settings, weights, fills, booster, course, network)


def _missing_offsets(course: Trajectory | None, least: float) -> Floats:
    """Return offsets that machines may have beside those of the training, 0 alone if none."""
    missing = 0.0 if course is None else (least * course.rise) ** 2 - course.spread
    if missing <= 0:
        return np.zeros(1)
    levels = (np.arange(_OFFSET_COPIES) + 0.5) / _OFFSET_COPIES
    return np.asarray(norm.ppf(levels) * np.sqrt(missing))


def _with_offset(raw: Floats, offset: float, means: int) -> Floats:
    """Return features of machines whose index is off; the first features are its means."""
    is_mean = np.arange(raw.shape[1]) < means
    return np.asarray(raw + offset * is_mean)


def _with_least_offset(course: Trajectory | None, settings: LifeSettings) -> Trajectory | None:
    """Return the course with offsets that vary by at least the settings' part of its rise."""
    if course is None:
        return None
    least = (settings.least_offset * course.rise) ** 2
    return msgspec.structs.replace(course, offset=max(course.offset, least))


def _scale_to(copies: int) -> dict[str, Any]:
    """Return the parameters of trees that see each row so many times."""
    scaled = {name: copies * _PARAMETERS[name] for name in ("min_data_in_leaf", "lambda_l2")}
    return {**_PARAMETERS, **scaled}


def _fit_trajectory(rows: LifeRows, training: Indices, weights: Floats) -> Trajectory | None:
    """Fit the course of the index on the rows whose life is known, capped or not."""
    known = training[~rows.bounds[training]]
    if not len(known):
        return None
    index = rows.last_index(weights)[known]
    return fit_trajectory(index, rows.life[known], rows.machines[known], rows.step)


def raw_features(rows: LifeRows, weights: Floats, settings: LifeSettings) -> Floats:
    """Return the features of all rows, NaN where missing: index, columns, complete histories."""
    parts = [rows.index_features(weights)]
    if settings.with_columns:
        parts.append(rows.columns)
    if settings.with_history:
        parts.append(rows.history_features(weights))
    return np.hstack(parts)


def _range(raw: Floats) -> tuple[Floats, Floats]:
    """Return the smallest and the largest value of each feature, 0 where it has none."""
    present = np.isfinite(raw)
    low = np.where(present, raw, np.inf).min(axis=0)
    high = np.where(present, raw, -np.inf).max(axis=0)
    has_values = present.any(axis=0)
    return np.where(has_values, low, 0.0), np.where(has_values, high, 0.0)
