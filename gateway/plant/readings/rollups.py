"""Rollups: minimum, maximum, mean, number and last value of the readings of each interval.

Readings of bad quality and readings without a value do not count.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gateway.plant.readings.quality import BAD
from gateway.plant.readings.values import Series

_RECORD = np.dtype(
    [
        ("start", "<i8"),
        ("minimum", "<f8"),
        ("maximum", "<f8"),
        ("total", "<f8"),
        ("count", "<i8"),
        ("last", "<f8"),
    ]
)


@dataclass(frozen=True, slots=True)
class Rollup:
    """Aggregates of n intervals with readings, ordered by `starts` (microseconds)."""

    starts: NDArray[np.int64]
    minimums: NDArray[np.float64]
    maximums: NDArray[np.float64]
    totals: NDArray[np.float64]
    counts: NDArray[np.int64]
    lasts: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, selected: NDArray[np.bool_]) -> "Rollup":
        """Return the intervals of a mask."""
        return Rollup(
            self.starts[selected],
            self.minimums[selected],
            self.maximums[selected],
            self.totals[selected],
            self.counts[selected],
            self.lasts[selected],
        )

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean value of each interval."""
        return self.totals / self.counts

    def to_bytes(self) -> bytes:
        """Return the aggregates as records of 48 bytes."""
        records = np.empty(len(self), _RECORD)
        columns = (self.starts, self.minimums, self.maximums, self.totals, self.counts, self.lasts)
        for name, column in zip(_RECORD.names or (), columns, strict=True):
            records[name] = column
        return records.tobytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return the aggregates of `to_bytes`. Raises ValueError."""
        records = np.frombuffer(content, _RECORD)
        return cls(*(records[name] for name in _RECORD.names or ()))


def roll_up(series: Series, interval_us: int) -> Rollup:
    """Return the aggregates of ordered readings by interval; intervals begin at multiples."""
    counted = series[(series.statuses < BAD) & ~np.isnan(series.values)]
    starts = counted.times // interval_us * interval_us
    values, firsts = counted.values, _firsts(starts)
    if not len(values):
        return _EMPTY
    ends = np.append(firsts[1:], len(values))
    return Rollup(
        starts[firsts],
        np.minimum.reduceat(values, firsts),
        np.maximum.reduceat(values, firsts),
        np.add.reduceat(values, firsts),
        ends - firsts,
        values[ends - 1],
    )


def combine(rollup: Rollup, interval_us: int) -> Rollup:
    """Return the aggregates of larger intervals; `rollup` is ordered."""
    if not len(rollup):
        return rollup
    starts = rollup.starts // interval_us * interval_us
    firsts = _firsts(starts)
    return Rollup(
        starts[firsts],
        np.minimum.reduceat(rollup.minimums, firsts),
        np.maximum.reduceat(rollup.maximums, firsts),
        np.add.reduceat(rollup.totals, firsts),
        np.add.reduceat(rollup.counts, firsts),
        rollup.lasts[np.append(firsts[1:], len(starts)) - 1],
    )


def concatenate_rollups(parts: list[Rollup]) -> Rollup:
    """Return the aggregates of all parts, in their order."""
    if not parts:
        return _EMPTY
    return Rollup(
        np.concatenate([part.starts for part in parts]),
        np.concatenate([part.minimums for part in parts]),
        np.concatenate([part.maximums for part in parts]),
        np.concatenate([part.totals for part in parts]),
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.lasts for part in parts]),
    )


def _firsts(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of the first reading of each interval."""
    if not len(starts):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.append(True, np.diff(starts) != 0))


_EMPTY = Rollup.from_bytes(b"")
