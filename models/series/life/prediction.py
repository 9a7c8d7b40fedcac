"""Predict remaining lives by a variant's content, from complete histories or the last steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.series.calls import stack_readings
from models.series.life.document import CompleteHistories, LifeDocument
from models.series.life.features import Features, fill_missing
from models.series.life.history import COLUMN_BLOCKS, INDEX_FEATURES, history_features
from models.series.life.trajectory import Trajectory
from models.series.series import Floats, Indices
from models.series.windows import CumulativeSums
from models.signature import Columns
from models.tabular.tree_session import run_trees


@dataclass(frozen=True, slots=True)
class PredictedLives:
    """Lives, [rows], with what each column and then the age add to them, [rows, columns + 1].

    means: recent ones of the columns, in standard deviations, [rows, columns]. ages: [rows], NaN
    where a history is not complete.
    """

    life: Floats
    contributions: Floats
    means: Floats
    ages: Floats


@dataclass(frozen=True, slots=True)
class _Described:
    """Raw features of histories, [rows, features], and recent means, [rows, columns]."""

    raw: Floats
    means: Floats


@dataclass(frozen=True, slots=True)
class LifePredictor:
    """A variant's content with its trees; `complete_session`: those of complete histories."""

    document: LifeDocument
    session: Any
    complete_session: Any

    def predict(self, columns: Columns) -> PredictedLives:
        """Return the lives of each row."""
        document = self.document
        steps = columns[document.columns[0].name].shape[1]
        readings = stack_readings(columns, document.columns, steps)
        ages = np.full(len(readings), np.nan)
        if document.complete is not None and document.time is not None:
            times = columns[document.time.name].astype(np.float64)
            ages = document.complete.start.ages(times)
        is_complete = np.isfinite(ages)
        parts = []
        if not is_complete.all():
            parts.append(self._of_last_steps(readings[~is_complete]))
        if is_complete.any():
            parts.append(self._of_complete(readings[is_complete], ages[is_complete]))
        return _join(parts, np.argsort(np.argsort(is_complete, kind="stable"), kind="stable"))

    def _of_last_steps(self, readings: Floats) -> PredictedLives:
        """Return the lives that the last steps tell, [rows, steps, columns]."""
        document = self.document
        readings = readings[:, -document.recipe.span :]
        described = self._describe(readings, None)
        features = fill_missing(described.raw, np.array(document.fills))
        contributions = run_trees(self.session, features, 1)[:, 0]
        life = np.clip(contributions.sum(axis=1) + document.base[0], 0.0, document.cap)
        if document.trajectory is not None:
            by_course = self._predict_course(document.trajectory, features, readings.shape[1])
            life, contributions = _average(life, contributions, by_course, document.base[0])
        no_age = np.zeros((len(life), 1))
        by_column = np.hstack([self._by_column(contributions, described.means), no_age])
        return PredictedLives(life, by_column, described.means, np.full(len(life), np.nan))

    def _of_complete(self, readings: Floats, ages: Floats) -> PredictedLives:
        """Return the lives that complete histories tell, [rows, steps, columns]."""
        complete = self._complete
        described = self._describe(readings, ages)
        features = fill_missing(described.raw, np.array(complete.fills))
        contributions = run_trees(self.complete_session, features, 1)[:, 0]
        life = np.clip(contributions.sum(axis=1) + complete.base[0], 0.0, self.document.cap)
        by_network = complete.network.predict(described.raw)
        life, contributions = _average(life, contributions, by_network, complete.base[0])
        age, others = self._split_off_age(contributions)
        by_column = np.hstack([self._by_column(others, described.means), age])
        return PredictedLives(life, by_column, described.means, ages)

    def _split_off_age(self, contributions: Floats) -> tuple[Floats, Floats]:
        """Return what the age adds, [rows, 1], and the others, as if without history's features.

        What the index adds by its history counts for the index.
        """
        columns = len(self.document.columns)
        at = contributions.shape[1] - INDEX_FEATURES - COLUMN_BLOCKS * columns
        of_index = contributions[:, at + 1 : at + INDEX_FEATURES].sum(axis=1)
        others = np.delete(contributions, np.s_[at : at + INDEX_FEATURES], axis=1)
        others[:, 0] += of_index
        return contributions[:, at : at + 1], others

    @property
    def _complete(self) -> CompleteHistories:
        """The model of complete histories."""
        complete = self.document.complete
        if complete is None:
            raise ValueError("The variant has no model of complete histories.")
        return complete

    def _describe(self, readings: Floats, ages: Floats | None) -> _Described:
        """Return the features of series, [rows, steps, columns], those of histories with ages."""
        parts = [
            self._describe_row(one, None if ages is None else ages[at : at + 1])
            for at, one in enumerate(readings)
        ]
        return _Described(
            np.vstack([raw for raw, _ in parts]), np.stack([mean for _, mean in parts])
        )

    def _describe_row(self, readings: Floats, age: Floats | None) -> tuple[Floats, Floats]:
        """Return the features of one series, [1, features], and its recent means in deviations."""
        document, recipe = self.document, self.document.recipe
        end = np.array([len(readings)])
        standardized = recipe.standardize(readings)
        sums = CumulativeSums(standardized)
        index = np.nan_to_num(standardized) @ np.array(document.weights)
        parts = [recipe.index_features(index, end)]
        if document.with_columns or age is not None:
            parts.append(recipe.column_features(sums, end))
        if age is not None:
            is_known = np.isfinite(standardized).all()
            # Missing values are means, as in training.
            known = sums if is_known else CumulativeSums(np.nan_to_num(standardized))
            parts.append(history_features(recipe, known, index, end, age))
        return np.hstack(parts), sums.means(end, recipe.windows[1])[0]

    def _predict_course(self, course: Trajectory, features: Features, steps: int) -> Floats:
        """Return the lives at which the recent means of the index fit its course."""
        windows = self.document.recipe.windows
        means = features[:, : len(windows)].astype(np.float64)
        return course.predict(means, windows, np.full(len(means), steps), self.document.cap)

    def _by_column(self, contributions: Floats, means: Floats) -> Floats:
        """Return the contributions of the columns, [rows, columns].

        Those of the health index are shared by what each column adds to it.
        """
        recipe = self.document.recipe
        added = np.abs(np.nan_to_num(means) * np.array(self.document.weights))
        total = added.sum(axis=1, keepdims=True)
        shares = np.where(total > 0, added / np.where(total > 0, total, 1), 1 / added.shape[1])
        of_index = contributions[:, : recipe.index_feature_count].sum(axis=1, keepdims=True)
        own = contributions[:, recipe.index_feature_count :]
        blocks = own.reshape(len(own), -1, added.shape[1]).sum(axis=1) if own.size else 0.0
        return np.asarray(of_index * shares + blocks)


def _join(parts: Sequence[PredictedLives], order: Indices) -> PredictedLives:
    """Return rows of several parts, one after the other, in another order."""
    return PredictedLives(
        np.concatenate([one.life for one in parts])[order],
        np.vstack([one.contributions for one in parts])[order],
        np.vstack([one.means for one in parts])[order],
        np.concatenate([one.ages for one in parts])[order],
    )


def _average(
    life: Floats, contributions: Floats, other: Floats, base: float
) -> tuple[Floats, Floats]:
    """Return the mean of two predictions; what the other adds counts for the health index."""
    halves = contributions / 2
    halves[:, 0] += (other - base) / 2
    return (life + other) / 2, halves
