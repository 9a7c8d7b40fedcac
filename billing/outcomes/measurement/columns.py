"""Regression columns from independent variables, weekdays and annual harmonics.

Includes the collinearity check. The fields of `RegressionTerms` and `BalancePoints` are stored in
baselines as JSON: they must not change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.errors import BaselineFitFailed
from billing.outcomes.measurement.noise import DayArray, FloatArray

_DAYS_PER_YEAR = 365.2425
_WEEKDAYS = ("Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_COLLINEARITY_TOLERANCE = 1e-7  # share of a column's norm that preceding columns leave unexplained


@dataclass(frozen=True, slots=True)
class BalancePoints:
    """Balance points of a temperature: heating degrees below one, cooling degrees above the other.

    None if the quantity has no heating (or cooling) component.
    """

    heating: float | None = None
    cooling: float | None = None

    @property
    def count(self) -> int:
        """Return the number of balance points: 0, 1 or 2."""
        return (self.heating is not None) + (self.cooling is not None)

    def columns(self, name: str, degrees: FloatArray) -> list[tuple[str, FloatArray]]:
        """Return the heating and cooling degree columns of a temperature."""
        below, above = [], []
        if self.heating is not None:
            below = [(f"{name} below", np.maximum(0.0, self.heating - degrees))]
        if self.cooling is not None:
            above = [(f"{name} above", np.maximum(0.0, degrees - self.cooling))]
        return [*below, *above]


@dataclass(frozen=True, slots=True)
class RegressionTerms:
    """The terms of a regression: constant, linear variables, balance points, weekdays, harmonics.

    `week` adds weekday columns; `waves` is the number of annual harmonics.
    """

    linear: tuple[str, ...] = ()
    balances: tuple[tuple[str, BalancePoints], ...] = ()
    week: bool = False
    waves: int = 0

    def named_columns(self, table: DailyTable) -> list[tuple[str, FloatArray]]:
        """Return the (name, values) columns for a table, in a fixed order."""
        columns = [("constant", np.ones(len(table.days)))]
        columns += [(name, table.variables[name]) for name in self.linear]
        for name, balance in self.balances:
            columns += balance.columns(name, table.variables[name])
        columns += weekday_columns(table.days) if self.week else []
        return columns + annual_columns(table.days, self.waves)

    def design_matrix(self, table: DailyTable) -> FloatArray:
        """Return the design matrix: one row per day, one column per term."""
        return np.column_stack([values for _, values in self.named_columns(table)])


def weekday_columns(days: DayArray) -> list[tuple[str, FloatArray]]:
    """Return an indicator column for each weekday except Monday."""
    weekday = (days + 6) % 7
    return [
        (name, (weekday == number).astype(np.float64))
        for number, name in enumerate(_WEEKDAYS, start=1)
    ]


def annual_columns(days: DayArray, harmonics: int) -> list[tuple[str, FloatArray]]:
    """Return a cosine and a sine column for each annual harmonic."""
    columns = []
    for harmonic in range(1, harmonics + 1):
        angle = days * (2 * np.pi * harmonic / _DAYS_PER_YEAR)
        columns += [
            (f"year cosine {harmonic}", np.cos(angle)),
            (f"year sine {harmonic}", np.sin(angle)),
        ]
    return columns


def require_independent_columns(columns: Sequence[tuple[str, FloatArray]]) -> None:
    """Raise BaselineFitFailed if a column is constant or collinear with earlier ones.

    Raises BaselineFitFailed naming the dependent column and the columns that explain it.
    """
    for index, (name, values) in enumerate(columns):
        if index == 0:
            continue
        centred = values - values.mean()
        length = float(np.linalg.norm(centred))
        if length <= _COLLINEARITY_TOLERANCE * max(1.0, float(np.linalg.norm(values))):
            raise BaselineFitFailed(
                f"The variable {name} has the same value on all days.", param=name
            )
        preceding = [one - one.mean() for _, one in columns[1:index]]
        scaled = [one / np.linalg.norm(one) for one in preceding]
        if not scaled:
            continue
        table = np.column_stack(scaled)
        shares = np.linalg.lstsq(table, centred / length)[0]
        if np.linalg.norm(centred / length - table @ shares) < _COLLINEARITY_TOLERANCE:
            explained_by = [
                one
                for (one, _), share in zip(columns[1:index], shares, strict=True)
                if abs(share) > _COLLINEARITY_TOLERANCE * 10
            ]
            raise BaselineFitFailed(
                f"The variable {name} is determined by {', '.join(explained_by)}.", param=name
            )


def are_independent_columns(columns: Sequence[tuple[str, FloatArray]]) -> bool:
    """Return whether the columns are linearly independent."""
    try:
        require_independent_columns(columns)
    except BaselineFitFailed:
        return False
    return True
