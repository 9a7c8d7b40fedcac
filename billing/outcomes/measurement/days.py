"""Days: one machine's points become a table of the plant's local days, whole ones only.

A day begins at midnight in the plant's time zone, so it has 23 or 25 hours when the clocks change.
A point stands for the interval that begins at its time. A day counts if all its intervals are there
with all the variables; otherwise it is missing, on both sides of the comparison, and is said to be.
Pure.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from billing.dates import day_of, midnight
from billing.outcomes.measurement.agreed import DAY, Agreed, Combine, Span
from billing.outcomes.measurement.faults import ReadingsInvalid
from billing.outcomes.measurement.noise import Days, Floats
from billing.outcomes.measurement.readings import Cleaned, Point

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Table:
    """Whole days in their order: ordinals, the quantity, and each variable."""

    days: Days
    values: Floats
    variables: Mapping[str, Floats]

    def is_within(self, span: Span) -> Mask:
        """Which days are of a period."""
        return (self.days >= span.first.toordinal()) & (self.days < span.until.toordinal())

    def within(self, span: Span) -> "Table":
        """The days of a period."""
        return self.where(self.is_within(span))

    def where(self, keep: Mask) -> "Table":
        """The days that are kept."""
        variables = {name: values[keep] for name, values in self.variables.items()}
        return Table(self.days[keep], self.values[keep], variables)

    def followed_by(self, other: "Table") -> "Table":
        """Both, the other's days being later."""
        variables = {
            name: np.concatenate([values, other.variables[name]])
            for name, values in self.variables.items()
        }
        days = np.concatenate([self.days, other.days])
        return Table(days, np.concatenate([self.values, other.values]), variables)

    def weights(self, name: str | None) -> Floats:
        """What each day's value is times of in the saving: 1, or the variable of that name."""
        return np.ones(len(self.days)) if name is None else self.variables[name]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Days without any point, and those that came only in part, by what was lacking."""

    part: tuple[date, ...]
    lacking: tuple[date, ...]
    swapped: tuple[date, ...]


def daily(cleaned: Cleaned, agreed: Agreed, machine: str = "") -> tuple[Table, LeftOut]:
    """The whole days of a machine. Raises ReadingsInvalid."""
    zone = ZoneInfo(agreed.zone)
    by_day: dict[date, list[Point]] = defaultdict(list)
    for point in cleaned.points:
        by_day[day_of(point.at, zone)].append(point)
    part = {day for day, points in by_day.items() if not _is_whole(day, points, agreed, zone)}
    names = {one.name for one in agreed.variables}
    lacking = {day for day, points in by_day.items() if any(names - {*p.variables} for p in points)}
    swapped = {
        day_of(swap.at, zone)
        for swap in agreed.swaps
        if swap.machine == machine and midnight(day_of(swap.at, zone), zone) != swap.at
    } & {*by_day}
    kept = {day: by_day[day] for day in sorted({*by_day} - part - lacking - swapped)}
    left = (tuple(sorted(days)) for days in (part, lacking - part, swapped - part - lacking))
    return _table(kept, agreed), LeftOut(*left)


def _is_whole(day: date, points: Sequence[Point], agreed: Agreed, zone: ZoneInfo) -> bool:
    """Whether each interval of the day is there; raises where one is there twice."""
    start = midnight(day, zone)
    long = (midnight(day + timedelta(days=1), zone) - start).total_seconds()
    due = 1 if agreed.every == DAY else round(long / agreed.every)
    places = Counter(
        0 if due == 1 else int((point.at - start).total_seconds() // agreed.every)
        for point in points
    )
    if max(places.values()) > 1:
        raise ReadingsInvalid(f"Two readings are of one interval of {day}.", param="readings")
    return len(places) == due


def _table(by_day: Mapping[date, Sequence[Point]], agreed: Agreed) -> Table:
    days = np.array([day.toordinal() for day in by_day], dtype=np.int64)
    values = [_of_day([p.value for p in points], agreed.combine) for points in by_day.values()]
    variables = {
        one.name: np.array(
            [
                _of_day([p.variables[one.name] for p in points], one.combine)
                for points in by_day.values()
            ],
            dtype=np.float64,
        )
        for one in agreed.variables
    }
    return Table(days, np.array(values, dtype=np.float64), variables)


def _of_day(values: Sequence[float], combine: Combine) -> float:
    # Not numpy's sum, which adds in an order that depends on the processor.
    total = sum(values)
    return total if combine == Combine.SUM else total / len(values)
