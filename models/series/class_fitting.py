"""Fit a classifier of windows: window, kind of model, held-out scores, then all windows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.observed.metrics import macro_f1
from models.sentences import sentence
from models.series.class_data import (
    SMALLEST_WINDOW,
    ClassData,
    WindowSet,
    cut_windows,
    longest_window,
)
from models.series.class_levels import MAX_FEATURES, find_order, fit_levels
from models.series.class_models import ClassModel, fit_linear, fit_trees
from models.series.minirocket import fit_minirocket
from models.series.series import Indices
from models.series.window_features import Features, WindowRecipe, fit_scale, window_statistics
from models.tables.schema import MAX_WINDOW
from models.tabular.data import MIN_ROWS, MIN_ROWS_PER_CLASS
from models.tabular.evaluation import Comparison, compare, majority_or_mean
from models.tabular.fitting import HeldOutPredictions, ReportFold
from models.tabular.splits import FOLDS, Split, SplitPlan, plan_splits

Flags = NDArray[np.bool_]

PENALTIES = (1e-4, 1e-3, 1e-2, 0.1, 1.0)
LEVEL_PENALTIES = (1e-3, 3e-3, 1e-2, 3e-2)
_PENALTY_OF_WINDOWS = 0.01
_CHOICE_SPLITS = 2
# The stretches of the file that are held out by these splits.
_CHOICE_FOLDS = (1, 3)
_CHOICE_WINDOWS = 1_000
# A window is about as good as the best one if its macro-F1 is lower by at most the largest standard
# error of a share, 0.5 / √windows.
_STANDARD_ERROR = 0.5


@dataclass(frozen=True, slots=True)
class ClassSettings:
    """The kind of model: linear discriminants with a penalty, or trees if it is None.

    in_order: whether a penalty is that of one level, by which classes in an order are told.
    """

    penalty: float | None
    with_rocket: bool = False
    in_order: bool = False

    @property
    def description(self) -> str:
        """Return the kind of model in words."""
        if self.penalty is None:
            return sentence("boosted trees on statistics of the columns")
        if self.in_order:
            return sentence("one level of the ordered classes, from statistics of the columns")
        if self.with_rocket:
            return sentence(
                "linear discriminants on statistics of the columns and MiniRocket features"
            )
        return sentence("linear discriminants on statistics of the columns")


@dataclass(frozen=True, slots=True)
class WindowRows:
    """Windows with their features.

    statistics: features of the columns. features: the same and MiniRocket's.
    """

    windows: WindowSet
    recipe: WindowRecipe
    statistics: Features
    features: Features

    def fit(self, rows: Indices, settings: ClassSettings, threads: int) -> ClassModel:
        """Fit a model on some of the windows."""
        classes, count = self.windows.target.indices[rows], len(self.windows.target.classes)
        if settings.penalty is None:
            return fit_trees(self.statistics[rows], classes, count, threads)
        if settings.in_order and (ranks := self.ranks) is not None:
            owners = self.recipe_of_statistics.owners
            return fit_levels(self.statistics[rows], classes, ranks, owners, settings.penalty)
        return fit_linear(self.of(settings)[rows], classes, count, settings.penalty)

    def of(self, settings: ClassSettings) -> Features:
        """Return the features that a kind of model takes."""
        return self.features if settings.with_rocket else self.statistics

    def recipe_of(self, settings: ClassSettings) -> WindowRecipe:
        """Return the recipe of the features that a kind of model takes."""
        return self.recipe if settings.with_rocket else self.recipe_of_statistics

    @property
    def ranks(self) -> Indices | None:
        """The ranks of the classes if their names tell an order, and levels can be fitted."""
        if self.statistics.shape[1] > MAX_FEATURES:
            return None
        return find_order(self.windows.target.classes)

    @property
    def recipe_of_statistics(self) -> WindowRecipe:
        """The recipe of the statistics alone."""
        return msgspec.structs.replace(self.recipe, rocket=None)


@dataclass(frozen=True, slots=True)
class FittedClasses:
    """A model of all windows, with what is known of it from those it was not fitted on."""

    model: ClassModel
    settings: ClassSettings
    rows: WindowRows
    plan: SplitPlan
    held_out: HeldOutPredictions
    comparison: Comparison


def fit_classes(data: ClassData, threads: int, report: ReportFold) -> FittedClasses:
    """Fit a model on all windows, and evaluate it on held-out ones."""
    rows = build_rows(data, data.stated_window or choose_window(data))
    plan = plan_splits(rows.windows.as_table())
    settings = choose_settings(rows, plan, threads)
    target, features = rows.windows.target, rows.of(settings)
    sums = np.zeros((len(features), len(target.classes)))
    counts, baseline = np.zeros((len(features), 1)), np.full(len(features), np.nan)
    for number, split in enumerate(plan.splits, start=1):
        sums[split.held_out] += rows.fit(split.training, settings, threads).scores(
            features[split.held_out]
        )
        counts[split.held_out] += 1
        baseline[split.held_out] = majority_or_mean(target, split.training)
        report(number, len(plan.splits))
    with np.errstate(invalid="ignore"):
        held_out = HeldOutPredictions(sums / counts, baseline)
    comparison = compare(target, held_out.predicted(target.goal), baseline, plan.clusters)
    model = rows.fit(np.arange(len(features)), settings, threads)
    return FittedClasses(model, settings, rows, plan, held_out, comparison)


def build_rows(data: ClassData, steps: int) -> WindowRows:
    """Return the windows of so many steps with their features.

    Scaling and biases are those of all windows: they know no classes.
    """
    windows = cut_windows(data, steps)
    centre, spread = fit_scale(np.vstack([one.readings for one in data.series.series]))
    plain = WindowRecipe(steps, centre, spread)
    cut = windows.cut(data, plain)
    recipe = msgspec.structs.replace(plain, rocket=fit_minirocket(cut))
    return WindowRows(windows, recipe, window_statistics(cut), recipe.features(cut))


def choose_window(data: ClassData) -> int:
    """Return the number of steps by which statistics tell the classes best.

    Of windows that are about as good, the longest is taken if each series has one class, else the
    shortest, which follows changes sooner.
    """
    longest = min(longest_window(data), MAX_WINDOW)
    candidates = [SMALLEST_WINDOW << doubling for doubling in range(6)]
    sizes = [*(size for size in candidates if size < longest), longest]
    scores = {size: _score_window(data, size) for size in sizes}
    windows = len(cut_windows(data, longest, _CHOICE_WINDOWS))
    enough = max(scores.values()) - _STANDARD_ERROR / np.sqrt(max(1, windows))
    good = [size for size in sizes if scores[size] >= enough]
    return max(good) if data.is_whole else min(good)


def choose_settings(rows: WindowRows, plan: SplitPlan, threads: int) -> ClassSettings:
    """Choose the kind of model by windows within the training rows of the last splits.

    Held-out rows must not choose the model that they score.
    """
    splits = [
        inner_split(rows.windows, split.training, fold)
        for fold, split in zip(_CHOICE_FOLDS, plan.splits[-_CHOICE_SPLITS:], strict=False)
    ]
    linear = [ClassSettings(one, rocket) for rocket in (True, False) for one in PENALTIES]
    levels = [ClassSettings(one, in_order=True) for one in LEVEL_PENALTIES]
    candidates = [*linear, ClassSettings(None), *(levels if rows.ranks is not None else [])]
    scores = [_score(rows, splits, settings, threads) for settings in candidates]
    return candidates[int(np.argmax(scores))]


def inner_split(windows: WindowSet, training: Indices, fold: int) -> Split:
    """Return a split of training windows, as positions among all windows.

    A stretch of the file is held out if it leaves enough of each class: neighbours in a file, such
    as load cycles, resemble each other, and would favour models that remember them.
    """
    classes, series = windows.target.indices[training], windows.series[training]
    _, place = np.unique(series, return_inverse=True)
    is_held_out = place * FOLDS // (int(place.max()) + 1) == fold
    if _leaves_all_classes(classes, is_held_out):
        return Split(training[~is_held_out], training[is_held_out])
    taken = WindowSet(
        windows.steps,
        series,
        windows.ends[training],
        replace(windows.target, values=windows.target.values[training]),
    )
    split = plan_splits(taken.as_table()).splits[-1]
    return Split(training[split.training], training[split.held_out])


def _leaves_all_classes(classes: Indices, is_held_out: Flags) -> bool:
    """Return whether several classes are held out, and half of each class's windows are not."""
    held, every = np.bincount(classes[is_held_out]), np.bincount(classes)
    return bool(np.count_nonzero(held) > 1 and np.all(2 * held <= every[: len(held)]))


def _score(
    rows: WindowRows, splits: Sequence[Split], settings: ClassSettings, threads: int
) -> float:
    """Return the mean macro-F1 on the held-out windows of splits."""
    truth, features = rows.windows.target.values, rows.of(settings)
    found = []
    for split in splits:
        model = rows.fit(split.training, settings, threads)
        predicted = model.scores(features[split.held_out]).argmax(axis=1)
        found.append(macro_f1(truth[split.held_out], predicted))
    return float(np.mean(found))


def _score_window(data: ClassData, steps: int) -> float:
    """Return the macro-F1 of a linear model on statistics of windows of so many steps."""
    windows = cut_windows(data, steps, _CHOICE_WINDOWS)
    counts = np.bincount(windows.target.indices, minlength=len(data.classes))
    if len(windows) < MIN_ROWS or counts.min() < MIN_ROWS_PER_CLASS:
        return -1.0
    recipe = WindowRecipe(
        steps, *fit_scale(np.vstack([one.readings for one in data.series.series]))
    )
    statistics = window_statistics(windows.cut(data, recipe))
    scores = []
    for split in plan_splits(windows.as_table()).splits[:_CHOICE_SPLITS]:
        model = fit_linear(
            statistics[split.training],
            windows.target.indices[split.training],
            len(data.classes),
            _PENALTY_OF_WINDOWS,
        )
        predicted = model.scores(statistics[split.held_out]).argmax(axis=1)
        scores.append(macro_f1(windows.target.values[split.held_out], predicted))
    return float(np.mean(scores))
