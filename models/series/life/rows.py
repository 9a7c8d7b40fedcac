"""The training rows of histories: what is known after each step, and the life that remains."""

from dataclasses import dataclass

import numpy as np

from models.series.life.data import LifeData
from models.series.life.features import LifeRecipe, fit_recipe
from models.series.life.history import LifeStart, find_start, history_features
from models.series.series import Floats, Indices, spread_over
from models.series.windows import CumulativeSums
from models.tables.columns import Column, Kind
from models.tabular.data import Goal, TabularData, Target

# More rows say little more, as neighbouring steps are nearly the same.
MAX_ROWS = 30_000


@dataclass(frozen=True, slots=True)
class LifeRows:
    """All training rows.

    standardized: of each series, [steps, columns], missing values 0. ends: of each series, the
    number of steps that each of its rows knows. recent_means: [rows, columns]. columns: features of
    the columns, [rows, features]. machines: index of each row's machine. life: uncapped, [rows].
    bounds: whether a life is only a lower bound, [rows]. step: the life that passes in one step, 0
    if that is not told. start: when machines are new, None if the times do not tell. ages: of
    each series, the age at each of its ends.
    """

    recipe: LifeRecipe
    standardized: tuple[Floats, ...]
    ends: tuple[Indices, ...]
    recent_means: Floats
    columns: Floats
    machines: Indices
    life: Floats
    bounds: np.ndarray
    step: float
    start: LifeStart | None
    ages: tuple[Floats, ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.life)

    def index_features(self, weights: Floats) -> Floats:
        """Return the features of the health index with these weights, [rows, features]."""
        return np.vstack(
            [
                self.recipe.index_features(one @ weights, ends)
                for one, ends in zip(self.standardized, self.ends, strict=True)
                if len(ends)
            ]
        )

    def history_features(self, weights: Floats) -> Floats:
        """Return the features of complete histories with these weights, [rows, features]."""
        parts = zip(self.standardized, self.ends, self.ages, strict=True)
        return np.vstack(
            [
                history_features(self.recipe, CumulativeSums(one), one @ weights, ends, ages)
                for one, ends, ages in parts
                if len(ends)
            ]
        )

    def last_index(self, weights: Floats) -> Floats:
        """Return the health index in the last step that each row knows, [rows]."""
        return np.concatenate(
            [
                one[ends - 1] @ weights
                for one, ends in zip(self.standardized, self.ends, strict=True)
            ]
        )

    @property
    def steps(self) -> Indices:
        """The number of steps that each row knows, [rows]."""
        return np.concatenate(self.ends)

    def usable(self, cap: float) -> Indices:
        """Return the rows whose life is known when it is capped."""
        return np.flatnonzero(~self.bounds | (self.life >= cap))

    def capped(self, name: str, unit: str | None, cap: float) -> Target:
        """Return the capped lives as a target."""
        return Target(name, Goal.NUMBER, np.minimum(self.life, cap), unit)

    def as_table(self, target: Target, inputs: tuple[Column, ...] = ()) -> TabularData:
        """Return the rows as those of a table, by which splits are planned."""
        return TabularData(inputs, target, self.machines, None, np.arange(len(self)))


def build_rows(data: LifeData) -> LifeRows:
    """Return the training rows of histories, at most MAX_ROWS, evenly spread over each life."""
    series = data.histories.series
    recipe = fit_recipe(np.vstack([one.readings for one in series]), data.histories.lengths)
    most = max(10, MAX_ROWS // len(series))
    ends = tuple(_known_ends(life, recipe.min_steps, most) for life in data.lives)
    standardized = [recipe.standardize(one.readings) for one in series]
    parts = [
        (sums := CumulativeSums(values), recipe.recent_means(sums, at), at)
        for values, at in zip(standardized, ends, strict=True)
    ]
    counts, start = [len(at) for at in ends], find_start(data.histories)
    return LifeRows(
        recipe,
        tuple(np.nan_to_num(one) for one in standardized),
        ends,
        np.vstack([means for _, means, _ in parts]),
        np.vstack([recipe.column_features(sums, at) for sums, _, at in parts]),
        np.repeat(np.arange(len(series)), counts),
        np.concatenate([life[at - 1] for life, at in zip(data.lives, ends, strict=True)]),
        np.repeat(np.array(data.censored), counts),
        _life_of_a_step(data),
        start,
        tuple(_ages_at(one.times, at, start) for one, at in zip(series, ends, strict=True)),
    )


def reading_columns(data: LifeData, rows: LifeRows) -> tuple[Column, ...]:
    """Return the readings at the rows as columns of a table."""
    series = data.histories.series
    values = np.vstack([one.readings[at - 1] for one, at in zip(series, rows.ends, strict=True)])
    return tuple(
        Column(column.name, Kind.NUMBER, values[:, position])
        for position, column in enumerate(data.histories.columns)
        if np.isfinite(values[:, position]).any()
    )


def _ages_at(times: Floats, ends: Indices, start: LifeStart | None) -> Floats:
    """Return the ages at the ends of a history, NaN if machines' beginnings are not known."""
    return times[ends - 1] - (np.nan if start is None else start.new)


def _known_ends(life: Floats, min_steps: int, most: int) -> Indices:
    """Return the ends of a history at which its life is known."""
    known = np.flatnonzero(np.isfinite(life)) + 1
    return spread_over(known[known >= min_steps], most)


def _life_of_a_step(data: LifeData) -> float:
    """Return the median life that passes from one step to the next; 0 if lives do not fall."""
    falls = -np.concatenate([np.diff(life) for life in data.lives])
    falls = falls[np.isfinite(falls)]
    return max(0.0, float(np.median(falls))) if len(falls) else 0.0
