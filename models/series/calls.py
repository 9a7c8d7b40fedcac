"""Calls with series: the inputs of a signature, the checks across them, and their readings."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.series.series import Floats, SeriesColumn, SeriesSet
from models.signature import BYTES, Columns, InputField, InputInvalid, TimeField
from models.tables.columns import Kind
from models.tables.dates import DayOrder, parse_dates, zone_hint

# Steps of a series in one call.
MAX_STEPS = 10_000


class ColumnRange(msgspec.Struct, frozen=True):
    """An input column of a variant, with the range of its values in training."""

    name: str
    unit: str | None
    minimum: float
    maximum: float

    @classmethod
    def of(cls, column: SeriesColumn) -> "ColumnRange":
        """Return the range of a column of the training file."""
        return cls(column.name, column.unit, column.minimum, column.maximum)


class TimeColumn(msgspec.Struct, frozen=True):
    """The time column of the training file: numbers, or dates as texts.

    day_order: of day and month in its dates; None in artefacts of earlier releases.
    """

    name: str
    is_date: bool
    day_order: DayOrder | None = None

    @classmethod
    def of(cls, series: SeriesSet) -> "TimeColumn | None":
        """Return the time column of a training file, None if it has none."""
        if series.time_name is None:
            return None
        return cls(series.time_name, series.time_kind is Kind.TIME, series.day_order)


def input_fields(
    columns: Sequence[ColumnRange],
    time: TimeColumn | None,
    min_steps: int,
    use_of_times: str = "by which only their order is checked",
) -> tuple[InputField, ...]:
    """Return the inputs of a variant: the last steps of each column, oldest first."""
    length = (min_steps, MAX_STEPS)
    readings = tuple(
        InputField(
            column.name,
            "FP32",
            column.unit,
            "The last values, oldest first; null where missing",
            trained=(column.minimum, column.maximum),
            length=length,
            optional=True,
            nullable=True,
        )
        for column in columns
    )
    if time is None:
        return readings
    description = f"The times of the values, {use_of_times}"
    kind = BYTES if time.is_date else "FP64"
    of_time = TimeField(
        time.name,
        kind,
        description=description,
        length=length,
        optional=True,
        nullable=not time.is_date,
        day_order=time.day_order,
    )
    return (*readings, of_time)


def check_series(
    columns: Columns, inputs: Sequence[ColumnRange], time: TimeColumn | None, span: int
) -> None:
    """Raise InputInvalid for series of other lengths, without values or in another order."""
    lengths = {name: column.shape[1] for name, column in columns.items() if column.ndim == 2}
    leader = next(iter(lengths))
    for name, length in lengths.items():
        if length != lengths[leader]:
            message = (
                f"{name!r} has {length} values in each row, but {leader!r} has {lengths[leader]}."
            )
            raise InputInvalid(message, param=name)
    readings = stack_readings(columns, inputs, span)
    empty = np.flatnonzero(~np.isfinite(readings).any(axis=(1, 2)))
    if len(empty):
        message = f"Row {empty[0]} has no value in its last {readings.shape[1]} steps."
        raise InputInvalid(message, param="inputs", index=(int(empty[0]),))
    if time is not None:
        _check_order(time, columns[time.name])


def stack_readings(columns: Columns, inputs: Sequence[ColumnRange], span: int) -> Floats:
    """Return the last steps of all columns, [rows, steps, columns], NaN where missing."""
    parts = [np.asarray(columns[column.name])[:, -span:] for column in inputs]
    return np.stack(parts, axis=2).astype(np.float64)


def outside_flags(means: Floats, inputs: Sequence[ColumnRange]) -> NDArray[np.bool_]:
    """Return which recent means lie outside the trained ranges, [rows, columns], NaN never."""
    low = np.array([column.minimum for column in inputs])
    high = np.array([column.maximum for column in inputs])
    margin = 1e-6 * np.maximum(np.abs(low), np.abs(high))
    with np.errstate(invalid="ignore"):
        return np.asarray((means < low - margin) | (means > high + margin), dtype=np.bool_)


def _check_order(time: TimeColumn, values: NDArray[np.generic]) -> None:
    """Raise InputInvalid if times go back."""
    seconds = _date_seconds(time, values) if time.is_date else values.astype(np.float64)
    with np.errstate(invalid="ignore"):
        steps_back = np.argwhere(np.diff(seconds, axis=1) < 0)
    if len(steps_back):
        row, step = (int(position) for position in steps_back[0])
        message = (
            f"{time.name!r} in row {row}, value {step + 1} is earlier than the value before it. "
            "Send the steps in the order of their times."
        )
        raise InputInvalid(message, param=time.name, index=(row, step + 1))


def _date_seconds(time: TimeColumn, values: NDArray[np.generic]) -> Floats:
    """Return dates as seconds, NaN where empty. Raises InputInvalid for texts that are no dates."""
    flat = values.reshape(-1).astype(object)
    parsed = parse_dates(flat, time.day_order)
    if parsed.invalid:
        row, step = divmod(parsed.invalid[0], values.shape[1])
        text = str(flat[parsed.invalid[0]])[:40]
        message = f"{time.name!r} in row {row}, value {step} ({text!r}) is not a date."
        message = f"{message} {zone_hint(text) or ''}".rstrip()
        raise InputInvalid(message, param=time.name, index=(row, step))
    return parsed.seconds.reshape(values.shape)
