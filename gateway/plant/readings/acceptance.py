"""Accept readings of a request for known points: times within the window, values of the type.

Values are converted to the point's unit. What cannot be accepted is refused reading by reading.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from gateway.plant.assets.values import DataType
from gateway.plant.readings.formats.batch import PointKey, ReadingBatch, ReadingGroup
from gateway.plant.readings.merging import in_order
from gateway.plant.readings.quality import BAD
from gateway.plant.readings.values import Series, concatenate
from models.units import UnitMismatch, UnitUnknown, unit_conversion

# Units of these are counted, so numbers of other types are refused rather than rounded.
_NUMBERS = frozenset({int, float})
_TRUTH_NUMBERS = (0, 1)


@dataclass(frozen=True, slots=True)
class ReadingPoint:
    """A point that can have readings: id, tag, unit and type of its values."""

    id: UUID
    tag: str
    unit: str
    data_type: DataType


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The first and last accepted time, in microseconds."""

    earliest_us: int
    latest_us: int


@dataclass(frozen=True, slots=True)
class AcceptedReadings:
    """Accepted readings by point, ordered by time, and duplicates within the request."""

    series: Mapping[UUID, Series]
    duplicates: int

    @property
    def count(self) -> int:
        """The number of readings, without duplicates."""
        return sum(map(len, self.series.values()))

    @property
    def newest_us(self) -> int | None:
        """The latest time of all readings; None without any."""
        return max((int(one.times[-1]) for one in self.series.values()), default=None)


def accept(
    batch: ReadingBatch, points: Mapping[PointKey, ReadingPoint], window: TimeWindow
) -> AcceptedReadings:
    """Return the readings of a batch that can be stored; adds errors to the batch for the others.

    Readings of points that are not in `points` must have been refused before.
    """
    parts: dict[UUID, list[Series]] = {}
    for key, group in batch.items():
        point = points[key]
        if point.data_type is DataType.TEXT:
            text = "The point has texts as values; only numbers and truth values are stored."
            batch.refuse_group(key, "data_type_unsupported", text)
            continue
        try:
            series = _accept_group(batch, group, point, window)
            series = _converted(series, key.unit, point)
        except (UnitUnknown, UnitMismatch):
            text = f"The unit {key.unit[:40]!r} cannot be converted to the point's {point.unit!r}."
            batch.refuse_group(key, "unit_inconvertible", text)
            continue
        if len(series):
            parts.setdefault(point.id, []).append(series)
    joined = {point_id: concatenate(series) for point_id, series in parts.items()}
    ordered = {point_id: in_order(series) for point_id, series in joined.items()}
    given = sum(map(len, joined.values()))
    return AcceptedReadings(ordered, given - sum(map(len, ordered.values())))


def _accept_group(
    batch: ReadingBatch, group: ReadingGroup, point: ReadingPoint, window: TimeWindow
) -> Series:
    """Return the readings of a point that are accepted, in the order of the request."""
    times = np.asarray(group.times, np.int64)
    statuses = np.asarray(group.statuses, np.uint32)
    values = _numbers(group.values, point.data_type)
    refuse = partial(_refuse, batch, group)
    is_absent = np.isnan(values) & np.fromiter((one is None for one in group.values), np.bool_)
    wrong = ~np.isfinite(values) & ~is_absent
    empty = is_absent & (statuses < BAD)
    early, late = times < window.earliest_us, times > window.latest_us
    if not (wrong | is_absent | early | late).any():
        return Series.of(times, values, statuses)
    refuse(
        wrong, "value_invalid", f"`value` must be a {_type_name(point)}; NaN and infinity are not."
    )
    refuse(empty & ~wrong, "value_missing", "A reading without a value must have bad quality.")
    refuse(early & ~wrong & ~empty, "time_too_old", "`time` is before the accepted window.")
    refuse(late & ~wrong & ~empty, "time_in_future", "`time` is in the future.")
    return Series.of(times, values, statuses)[~(wrong | empty | early | late)]


def _type_name(point: ReadingPoint) -> str:
    """Return the name of a point's type of values."""
    return "finite number" if point.data_type is DataType.NUMBER else "truth value"


def _refuse(
    batch: ReadingBatch, group: ReadingGroup, mask: NDArray[np.bool_], code: str, message: str
) -> None:
    """Refuse the readings of a mask."""
    for position in np.flatnonzero(mask):
        batch.refuse(group.indexes[position], code, message)


def _numbers(values: Sequence[object], data_type: DataType) -> NDArray[np.float64]:
    """Return values as numbers, NaN for those of another type or without a value."""
    kinds = set(map(type, values))
    is_plain = kinds <= _NUMBERS if data_type is DataType.NUMBER else kinds <= {bool}
    if is_plain:
        try:
            return np.asarray(values, np.float64)
        except OverflowError:  # a whole number beyond the largest double
            pass
    parse = _number if data_type is DataType.NUMBER else _truth_value
    return np.fromiter((parse(value) for value in values), np.float64, len(values))


def _number(value: object) -> float:
    """Return a number, or NaN for another type."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.nan


def _truth_value(value: object) -> float:
    """Return 0 or 1, or NaN for anything else."""
    return float(value) if isinstance(value, int | float) and value in _TRUTH_NUMBERS else np.nan


def _converted(series: Series, unit: str, point: ReadingPoint) -> Series:
    """Return the readings in the point's unit. Raises UnitUnknown, UnitMismatch."""
    if not unit or unit == point.unit:
        return series
    conversion = unit_conversion(unit, point.unit)
    return Series(series.times, conversion(series.values), series.statuses, series.revised)
