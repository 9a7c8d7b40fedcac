"""Series of a long table: the readings of one machine, or of one run, in the order of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.sentences import Sentence
from models.tables.columns import Kind
from models.tables.dates import DayOrder

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SeriesColumn:
    """An input column with the range of its values in training."""

    name: str
    unit: str | None
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Series:
    """One series.

    readings: [steps, columns], NaN where missing. times: [steps], ascending; steps from 0 without a
    time column, seconds since 1970 of dates. rows: positions of the steps in the file's table.
    """

    machine: str
    readings: Floats
    times: Floats
    rows: Indices

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.rows)


@dataclass(frozen=True)
class SeriesSet:
    """All series of a file.

    time_name, time_kind: the time column, None without one. notes: what was left out or assumed.
    day_order: of day and month in its dates, None if they leave no doubt.
    """

    columns: tuple[SeriesColumn, ...]
    series: tuple[Series, ...]
    time_name: str | None
    time_kind: Kind | None
    notes: tuple[Sentence, ...] = ()
    day_order: DayOrder | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the input columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def lengths(self) -> Indices:
        """The number of steps of each series."""
        return np.array([len(one) for one in self.series], dtype=np.intp)


def spread_over(ends: Sequence[int] | Indices, most: int) -> Indices:
    """Return at most so many of the positions, evenly spread, the last one among them."""
    positions = np.asarray(ends, dtype=np.intp)
    if len(positions) <= most:
        return positions
    return positions[np.unique(np.linspace(0, len(positions) - 1, most).round().astype(np.intp))]
