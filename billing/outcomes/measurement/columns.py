"""Columns: what a day's quantity is explained by, from variables, weekdays and the time of year.

Owns Terms, which makes the same columns of any table, and finding columns that tell the same. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from billing.outcomes.measurement.days import Table
from billing.outcomes.measurement.faults import BaselineUnfit
from billing.outcomes.measurement.noise import Days, Floats

_YEAR = 365.2425
_WEEK = ("Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SAME = 1e-7  # of a column's own length, when nothing else of it is left


@dataclass(frozen=True, slots=True)
class Balance:
    """Below `heating` degrees each degree counts, and above `cooling`; None where neither does."""

    heating: float | None = None
    cooling: float | None = None

    @property
    def points(self) -> int:
        return (self.heating is not None) + (self.cooling is not None)

    def columns(self, name: str, degrees: Floats) -> list[tuple[str, Floats]]:
        below, above = [], []
        if self.heating is not None:
            below = [(f"{name} below", np.maximum(0.0, self.heating - degrees))]
        if self.cooling is not None:
            above = [(f"{name} above", np.maximum(0.0, degrees - self.cooling))]
        return [*below, *above]


@dataclass(frozen=True, slots=True)
class Terms:
    """A constant; each variable in proportion or by balance points; weekdays; waves of a year."""

    linear: tuple[str, ...] = ()
    balances: tuple[tuple[str, Balance], ...] = ()
    week: bool = False
    waves: int = 0

    def named(self, table: Table) -> list[tuple[str, Floats]]:
        """The columns of a table with their names, in a fixed order."""
        named = [("constant", np.ones(len(table.days)))]
        named += [(name, table.variables[name]) for name in self.linear]
        for name, balance in self.balances:
            named += balance.columns(name, table.variables[name])
        named += weekdays(table.days) if self.week else []
        return named + year(table.days, self.waves)

    def columns(self, table: Table) -> Floats:
        """Days by columns."""
        return np.column_stack([values for _, values in self.named(table)])


def weekdays(days: Days) -> list[tuple[str, Floats]]:
    """A column for each weekday but Monday."""
    which = (days + 6) % 7
    return [(name, (which == at).astype(np.float64)) for at, name in enumerate(_WEEK, start=1)]


def year(days: Days, waves: int) -> list[tuple[str, Floats]]:
    """A cosine and a sine for each wave of a year."""
    named = []
    for wave in range(1, waves + 1):
        angle = days * (2 * np.pi * wave / _YEAR)
        named += [(f"year cosine {wave}", np.cos(angle)), (f"year sine {wave}", np.sin(angle))]
    return named


def require_distinct(named: Sequence[tuple[str, Floats]]) -> None:
    """Raises BaselineUnfit that names a column which follows from those before it, and which."""
    for at, (name, values) in enumerate(named):
        if at == 0:
            continue
        centred = values - values.mean()
        length = float(np.linalg.norm(centred))
        if length <= _SAME * max(1.0, float(np.linalg.norm(values))):
            raise BaselineUnfit(f"{name} is the same on all days.", param=name)
        others = [one - one.mean() for _, one in named[1:at]]
        scaled = [one / np.linalg.norm(one) for one in others]
        if not scaled:
            continue
        table = np.column_stack(scaled)
        shares = np.linalg.lstsq(table, centred / length)[0]
        if np.linalg.norm(centred / length - table @ shares) < _SAME:
            same = [
                one
                for (one, _), share in zip(named[1:at], shares, strict=True)
                if abs(share) > _SAME * 10
            ]
            raise BaselineUnfit(f"{name} follows from {', '.join(same)}.", param=name)


def are_distinct(named: Sequence[tuple[str, Floats]]) -> bool:
    """Whether no column follows from the others."""
    try:
        require_distinct(named)
    except BaselineUnfit:
        return False
    return True
