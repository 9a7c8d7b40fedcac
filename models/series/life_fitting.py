"""Fit the remaining life of machines: settings, held-out predictions, then all machines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightgbm as lgb
import msgspec
import numpy as np
from scipy.stats import norm

from models.series.life_distance import LifeDistance, fit_column_course, fit_distance
from models.series.life_features import Features, fit_index
from models.series.life_rows import LifeRows
from models.series.life_trajectory import Trajectory, fit_trajectory
from models.series.series import Floats, Indices
from models.tabular.data import Target
from models.tabular.evaluation import Comparison, compare
from models.tabular.fitting import HeldOutPredictions, ReportFold
from models.tabular.splits import Split, SplitPlan, plan_splits

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
# Caps in parts of the median life: a new machine shows no wear yet, so no column tells apart the
# lives that are longer. The first one is kept unless another explains so much more: what five
# machines explain varies by chance, and a cap that varies with it would mislead.
CAP_SHARES = (0.6, 0.4, 0.8)
_MIN_CAP_GAIN = 0.1
# With fewer machines, a life is told from the index alone and from its course: five that resemble
# each other explain more of each other by the columns, and less of all others.
_MACHINES_FOR_CHOICE = 10
# The offsets of few machines may be alike by chance, so they are taken to vary by at least this
# part of the rise of the index until the failure; the trees see each row with some such offsets.
_LEAST_OFFSET = 0.2
_OFFSET_COPIES = 4
# Another choice must explain so much more.
_MIN_CHOICE_GAIN = 0.003
# More rows than these at the highest life: the file's lives are capped already.
_PLATEAU_SHARE = 0.05
# Rows that settings are chosen by, over all fits: fewer fits for more rows.
_ROWS_OF_CHOICE = 20_000
_MAX_CHOICE_FITS = 12


@dataclass(frozen=True, slots=True)
class LifeSettings:
    """The cap on lives, and what a life is told from.

    with_columns: whether the trees see the columns beside the health index. with_course: whether
    the course of the index is averaged with the trees. least_offset: the least deviation of the
    machines' offsets, in parts of the rise of the index until the failure.
    """

    cap: float
    with_columns: bool
    with_course: bool = True
    least_offset: float = 0.0


@dataclass(frozen=True, slots=True)
class LifeModel:
    """Trees with the weights of the health index; `fills` stand for missing features.

    trajectory: the course of the index, whose prediction is averaged with that of the trees; None
    if there is none.
    """

    settings: LifeSettings
    weights: Floats
    fills: Floats
    booster: lgb.Booster
    trajectory: Trajectory | None

    def features(self, rows: LifeRows) -> Features:
        """Return the features of all rows, [rows, features]."""
        return fill_missing(_raw_features(rows, self.weights, self.settings), self.fills)

    def predict(self, rows: LifeRows, chosen: Indices) -> Floats:
        """Return remaining lives of some of the rows, from 0 to the cap, [chosen]."""
        features = self.features(rows)[chosen]
        cap = self.settings.cap
        by_trees = np.clip(np.asarray(self.booster.predict(features)), 0.0, cap)
        if self.trajectory is None:
            return by_trees
        windows = rows.recipe.windows
        means = features[:, : len(windows)].astype(np.float64)
        return (by_trees + self.trajectory.predict(means, windows, rows.steps[chosen], cap)) / 2


@dataclass(frozen=True, slots=True)
class FittedLife:
    """A model of all machines, with what is known of it from machines that it was not fitted on."""

    model: LifeModel
    target: Target
    plan: SplitPlan
    held_out: HeldOutPredictions
    comparison: Comparison
    distance: LifeDistance


def fit_life(
    rows: LifeRows, name: str, unit: str | None, cap: float | None, threads: int, report: ReportFold
) -> FittedLife:
    """Fit a model on all machines, and evaluate it on machines that were left out."""
    plan = plan_splits(rows.as_table(rows.capped(name, unit, float(rows.life.max()))))
    settings = choose_settings(rows, plan, cap, threads)
    target = rows.capped(name, unit, settings.cap)
    usable = rows.usable(settings.cap)
    sums, counts = np.zeros(len(rows)), np.zeros(len(rows))
    baseline = np.full(len(rows), np.nan)
    departures = np.full_like(rows.recent_means, np.nan)
    for number, split in enumerate(plan.splits, start=1):
        training = np.intersect1d(split.training, usable)
        held_out = np.intersect1d(split.held_out, usable)
        model = fit_model(rows, training, settings, threads)
        predicted = model.predict(rows, held_out)
        sums[held_out] += predicted
        counts[held_out] += 1
        baseline[held_out] = target.values[training].mean()
        course = fit_column_course(rows.recent_means[training], rows.life[training])
        departures[held_out] = course.departures(rows.recent_means[held_out], predicted)
        report(number, len(plan.splits))
    with np.errstate(invalid="ignore"):
        held = HeldOutPredictions(sums / counts, baseline)
    comparison = compare(target, held.scores, held.baseline, plan.clusters)
    model = fit_model(rows, usable, settings, threads)
    course = fit_column_course(rows.recent_means[usable], rows.life[usable])
    distance = fit_distance(course, departures[held.rows], rows.machines[held.rows], model.weights)
    return FittedLife(model, target, plan, held, comparison, distance)


def choose_settings(
    rows: LifeRows, plan: SplitPlan, cap: float | None, threads: int
) -> LifeSettings:
    """Choose cap, features and course by machines within the training rows of the last splits.

    Held-out rows must not choose the model that they score.
    """
    splits = _inner_splits(rows, plan)
    highest = float(rows.life.max())
    if cap is None and np.mean(rows.life == highest) > _PLATEAU_SHARE:
        cap = highest
    if cap is None:
        cap = _choose_cap(rows, splits, threads)
    index = LifeSettings(min(cap, highest), False)
    if len(np.unique(rows.machines)) < _MACHINES_FOR_CHOICE:
        return replace(index, least_offset=_LEAST_OFFSET)
    columns = replace(index, with_columns=True)
    candidates = (index, columns, replace(columns, with_course=False))
    explained = [_explained(rows, splits, one, threads) for one in candidates]
    best = int(np.argmax(explained))
    return candidates[best] if explained[best] - explained[0] > _MIN_CHOICE_GAIN else index


def _choose_cap(rows: LifeRows, splits: Sequence[Split], threads: int) -> float:
    """Return the cap below which the columns tell lives apart."""
    median = float(np.median(_longest_lives(rows)))
    explained = [
        _explained(rows, splits, LifeSettings(share * median, False), threads)
        for share in CAP_SHARES
    ]
    best = int(np.argmax(explained))
    share = CAP_SHARES[best if explained[best] - explained[0] > _MIN_CAP_GAIN else 0]
    return _round_to_two_digits(share * median)


def fit_model(rows: LifeRows, training: Indices, settings: LifeSettings, threads: int) -> LifeModel:
    """Fit index and trees on some of the rows."""
    life = np.minimum(rows.life[training], settings.cap)
    weights = fit_index(rows.recent_means[training], life)
    raw = _raw_features(rows, weights, settings)[training]
    minimum, maximum = _range(raw)
    fills = minimum - (maximum - minimum) - 1.0
    is_large = len(training) >= _MANY_ROWS
    leaves = _LEAVES_OF_MANY_ROWS if is_large else _LEAVES
    course = _fit_trajectory(rows, training, weights) if settings.with_course else None
    offsets = _missing_offsets(course, settings.least_offset)
    copies = [_with_offset(raw, offset, len(rows.recipe.windows)) for offset in offsets]
    booster = lgb.train(
        {**_scale_to(len(copies)), "num_leaves": leaves, "num_threads": threads},
        lgb.Dataset(fill_missing(np.vstack(copies), fills), np.tile(life, len(copies))),
        num_boost_round=_ROUNDS_OF_MANY_ROWS if is_large else _ROUNDS,
    )
    return LifeModel(settings, weights, fills, booster, _with_least_offset(course, settings))


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


def fill_missing(raw: Floats, fills: Floats) -> Features:
    """Return features with a value below all others where they are missing."""
    return np.where(np.isnan(raw), fills, raw).astype(np.float32)


def _raw_features(rows: LifeRows, weights: Floats, settings: LifeSettings) -> Floats:
    """Return the features of all rows, NaN where missing: the index, then the columns."""
    index = rows.index_features(weights)
    return np.hstack([index, rows.columns]) if settings.with_columns else index


def _range(raw: Floats) -> tuple[Floats, Floats]:
    """Return the smallest and the largest value of each feature, 0 where it has none."""
    present = np.isfinite(raw)
    low = np.where(present, raw, np.inf).min(axis=0)
    high = np.where(present, raw, -np.inf).max(axis=0)
    has_values = present.any(axis=0)
    return np.where(has_values, low, 0.0), np.where(has_values, high, 0.0)


def _inner_splits(rows: LifeRows, plan: SplitPlan) -> Sequence[Split]:
    """Return splits that leave one machine, or a group, out of the training rows of a split."""
    fits = int(np.clip(_ROWS_OF_CHOICE // max(1, len(rows)), 2, _MAX_CHOICE_FITS))
    splits: list[Split] = []
    for split in plan.splits[-3:]:
        machines = rows.machines[split.training]
        for group in np.array_split(np.unique(machines), min(4, len(np.unique(machines)))):
            is_held_out = np.isin(machines, group)
            splits.append(Split(split.training[~is_held_out], split.training[is_held_out]))
    return splits[:: max(1, len(splits) // fits)][:fits]


def _explained(
    rows: LifeRows, splits: Sequence[Split], settings: LifeSettings, threads: int
) -> float:
    """Return which share of the variance of capped lives is explained on left-out machines."""
    usable = rows.usable(settings.cap)
    errors, truths = [], []
    for split in splits:
        training = np.intersect1d(split.training, usable)
        held_out = np.intersect1d(split.held_out, usable)
        if not len(training) or not len(held_out):
            continue
        model = fit_model(rows, training, settings, threads)
        truth = np.minimum(rows.life[held_out], settings.cap)
        errors.append(model.predict(rows, held_out) - truth)
        truths.append(truth)
    variance = float(np.var(np.concatenate(truths))) if truths else 0.0
    return 1.0 - float(np.mean(np.concatenate(errors) ** 2)) / variance if variance else 0.0


def _longest_lives(rows: LifeRows) -> Floats:
    """Return the longest life of each machine."""
    longest = np.full(int(rows.machines.max()) + 1, -np.inf)
    np.maximum.at(longest, rows.machines, rows.life)
    return np.asarray(longest[np.isfinite(longest)])


def _round_to_two_digits(value: float) -> float:
    """Return a number rounded to two significant digits."""
    return float(f"{value:.2g}")
