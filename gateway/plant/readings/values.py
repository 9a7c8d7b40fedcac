"""Readings of one point as arrays, ordered by time.

Times are whole microseconds since 1970 in UTC, values are numbers, NaN where a reading has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Values = NDArray[np.float64]
Statuses = NDArray[np.uint32]
Flags = NDArray[np.bool_]

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True)
class Series:
    """Readings of one point, n of each: `times` in microseconds, `values`, OPC UA `statuses`.

    `revised` is true for a reading that replaced one of the same time with another value. Raises
    ValueError if the lengths differ.
    """

    times: Times
    values: Values
    statuses: Statuses
    revised: Flags

    def __post_init__(self) -> None:
        lengths = {len(self.times), len(self.values), len(self.statuses), len(self.revised)}
        if len(lengths) > 1:
            raise ValueError("the arrays of a series must have one length")

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, selected: "slice | Flags | NDArray[np.int64]") -> "Series":
        """Return the selected readings: a slice, a mask or positions."""
        return Series(
            self.times[selected],
            self.values[selected],
            self.statuses[selected],
            self.revised[selected],
        )

    @classmethod
    def of(
        cls,
        times: Sequence[int] | Times,
        values: Sequence[float] | Values,
        statuses: Sequence[int] | Statuses | None = None,
        revised: Sequence[bool] | Flags | None = None,
    ) -> Self:
        """Return a series of sequences; statuses are good and nothing is revised by default."""
        count = len(times)
        return cls(
            np.asarray(times, np.int64),
            np.asarray(values, np.float64),
            np.zeros(count, np.uint32) if statuses is None else np.asarray(statuses, np.uint32),
            np.zeros(count, np.bool_) if revised is None else np.asarray(revised, np.bool_),
        )

    @classmethod
    def empty(cls) -> Self:
        """Return a series without readings."""
        return cls.of([], [])

    def between(self, start_us: int, end_us: int) -> "Series":
        """Return the readings from `start_us` to before `end_us`."""
        first, last = np.searchsorted(self.times, (start_us, end_us), side="left")
        return self[int(first) : int(last)]


def concatenate(parts: Sequence[Series]) -> Series:
    """Return all readings of the parts, in their order."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Series.empty()
    return Series(
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.statuses for part in parts]),
        np.concatenate([part.revised for part in parts]),
    )


def hour_of(time_us: int) -> int:
    """Return the number of the hour since 1970 that contains a time."""
    return time_us // HOUR_US
