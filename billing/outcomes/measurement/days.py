"""Aggregation of a machine's readings into complete local days of the plant.

A day begins at midnight in the plant's time zone, so it has 23 or 25 hours when daylight saving
time changes. A reading covers the interval that begins at its timestamp. A day is complete if all
its intervals have a reading with all variables; incomplete days are omitted and reported. Nothing
is imputed.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from billing.dates import local_day, local_midnight
from billing.outcomes.measurement.errors import ReadingsInvalid
from billing.outcomes.measurement.noise import DayArray, FloatArray
from billing.outcomes.measurement.plan import (
    SECONDS_PER_DAY,
    DailyAggregation,
    DateRange,
    MeasurementPlan,
)
from billing.outcomes.measurement.readings import CleanedReadings, NormalizedReading

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DailyTable:
    """Complete days in ascending order: day ordinals, the quantity, and each variable."""

    days: DayArray
    values: FloatArray
    variables: Mapping[str, FloatArray]

    def mask_within(self, period: DateRange) -> Mask:
        """Return a mask of the days within a period."""
        return (self.days >= period.first.toordinal()) & (self.days < period.until.toordinal())

    def within(self, period: DateRange) -> "DailyTable":
        """Return a table of the days within a period."""
        return self.filter(self.mask_within(period))

    def filter(self, mask: Mask) -> "DailyTable":
        """Return a table of the days for which the mask is true."""
        variables = {name: values[mask] for name, values in self.variables.items()}
        return DailyTable(self.days[mask], self.values[mask], variables)

    def concat(self, later: "DailyTable") -> "DailyTable":
        """Return a table of these days followed by those of a later table."""
        variables = {
            name: np.concatenate([values, later.variables[name]])
            for name, values in self.variables.items()
        }
        days = np.concatenate([self.days, later.days])
        return DailyTable(days, np.concatenate([self.values, later.values]), variables)

    def weights(self, variable: str | None) -> FloatArray:
        """Return each day's weight in the savings: 1, or the value of the named variable."""
        return np.ones(len(self.days)) if variable is None else self.variables[variable]


@dataclass(frozen=True, slots=True)
class OmittedDays:
    """Days with readings that were omitted, by reason."""

    incomplete: tuple[date, ...]
    missing_variable: tuple[date, ...]
    meter_replaced: tuple[date, ...]


def aggregate_by_day(
    cleaned: CleanedReadings, plan: MeasurementPlan, machine: str = ""
) -> tuple[DailyTable, OmittedDays]:
    """Return the table of a machine's complete days, and the omitted days by reason.

    Raises ReadingsInvalid if two readings cover the same interval.
    """
    zone = ZoneInfo(plan.zone)
    by_day: dict[date, list[NormalizedReading]] = defaultdict(list)
    for point in cleaned.readings:
        by_day[local_day(point.at, zone)].append(point)
    incomplete = {
        day for day, points in by_day.items() if not _is_complete_day(day, points, plan, zone)
    }
    names = {one.name for one in plan.variables}
    missing_variable = {
        day for day, points in by_day.items() if any(names - {*p.variables} for p in points)
    }
    meter_replaced = {
        local_day(swap.at, zone)
        for swap in plan.swaps
        if swap.machine == machine and local_midnight(local_day(swap.at, zone), zone) != swap.at
    } & {*by_day}
    complete = {
        day: by_day[day]
        for day in sorted({*by_day} - incomplete - missing_variable - meter_replaced)
    }
    omitted = (
        tuple(sorted(days))
        for days in (
            incomplete,
            missing_variable - incomplete,
            meter_replaced - incomplete - missing_variable,
        )
    )
    return _build_table(complete, plan), OmittedDays(*omitted)


def _is_complete_day(
    day: date, points: Sequence[NormalizedReading], plan: MeasurementPlan, zone: ZoneInfo
) -> bool:
    """Return whether each interval of the day has a reading. Raises ReadingsInvalid on overlap."""
    start = local_midnight(day, zone)
    day_seconds = (local_midnight(day + timedelta(days=1), zone) - start).total_seconds()
    expected = 1 if plan.every == SECONDS_PER_DAY else round(day_seconds / plan.every)
    counts = Counter(
        0 if expected == 1 else int((point.at - start).total_seconds() // plan.every)
        for point in points
    )
    if max(counts.values()) > 1:
        raise ReadingsInvalid(
            f"There are two readings for one interval of {day}.", param="readings"
        )
    return len(counts) == expected


def _build_table(
    by_day: Mapping[date, Sequence[NormalizedReading]], plan: MeasurementPlan
) -> DailyTable:
    """Aggregate the readings of each day to the table of daily values and variables."""
    days = np.array([day.toordinal() for day in by_day], dtype=np.int64)
    values = [
        _aggregate_values([p.value for p in points], plan.combine) for points in by_day.values()
    ]
    variables = {
        one.name: np.array(
            [
                _aggregate_values([p.variables[one.name] for p in points], one.combine)
                for points in by_day.values()
            ],
            dtype=np.float64,
        )
        for one in plan.variables
    }
    return DailyTable(days, np.array(values, dtype=np.float64), variables)


def _aggregate_values(values: Sequence[float], aggregation: DailyAggregation) -> float:
    """Return the sum or the mean of one day's values."""
    # Not numpy's sum: its order of addition, and so its rounding, depends on the processor.
    total = sum(values)
    return total if aggregation == DailyAggregation.SUM else total / len(values)
