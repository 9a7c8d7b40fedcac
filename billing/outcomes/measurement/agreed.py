"""What both sides agreed to measure: one immutable value, in which nothing is left to choose.

The words are those of IPMVP and ASHRAE Guideline 14: a baseline period before, a reporting period
after, independent variables by which the baseline is adjusted, and non-routine adjustments for what
no variable tells. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from math import isfinite

from billing.dates import zone_of
from billing.outcomes.measurement.faults import MeasureInvalid
from billing.outcomes.measurement.units import require_known

PPM = 1_000_000
DAY = 86_400


class Combine(StrEnum):
    """How a day's readings become the day's: added up (energy, pieces) or averaged (degrees)."""

    SUM = "sum"
    MEAN = "mean"


class Shape(StrEnum):
    """How a variable acts: in proportion, or above and below balance points, as a temperature."""

    LINEAR = "linear"
    DEGREES = "degrees"


class Method(StrEnum):
    """By a baseline before, by weeks with and without, or by machines with and without."""

    BASELINE = "baseline"
    SWITCHBACK = "switchback"
    MACHINES = "machines"


@dataclass(frozen=True, slots=True)
class Variable:
    """An independent variable."""

    name: str
    unit: str
    combine: Combine = Combine.SUM
    shape: Shape = Shape.LINEAR


@dataclass(frozen=True, slots=True)
class Span:
    """Local days from `first` until the day before `until`. Raises MeasureInvalid."""

    first: date
    until: date

    def __post_init__(self) -> None:
        _require(self.first < self.until, "period", "ends before it begins")

    @property
    def days(self) -> int:
        return (self.until - self.first).days

    def holds(self, day: date) -> bool:
        return self.first <= day < self.until


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A non-routine adjustment: so much a day more (or less) would have been used without us.

    From `first` on, until the day before `until` or for good. Both sides sign.
    """

    first: date
    per_day: float
    reason: str
    agreed_by: tuple[str, str]
    until: date | None = None

    def __post_init__(self) -> None:
        _require(isfinite(self.per_day), "adjustments", "an amount is no finite number")
        _require(bool(self.reason), "adjustments", "one has no reason")
        _require_both(self.agreed_by, "adjustments")

    def holds(self, day: date) -> bool:
        return self.first <= day and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class Swap:
    """From `at` on the meter `new` tells instead of `old`; its readings count `factor` times."""

    at: datetime
    old: str
    new: str
    agreed_by: tuple[str, str]
    factor: float = 1.0
    machine: str = ""

    def __post_init__(self) -> None:
        _require(self.at.utcoffset() is not None, "swaps", "an instant has no time zone")
        _require(isfinite(self.factor) and self.factor > 0, "swaps", "a factor is above zero")
        _require_both(self.agreed_by, "swaps")


@dataclass(frozen=True, slots=True)
class Excluded:
    """Days that both sides agreed to leave out, on both sides of the comparison, and why."""

    span: Span
    reason: str

    def __post_init__(self) -> None:
        _require(bool(self.reason), "excluded", "one has no reason")


@dataclass(frozen=True, slots=True)
class Limits:
    """The gates: what must hold before a contract starts, and of each settlement, in ppm.

    Where they come from is in docs/measurement.md. `most_missing` is of the baseline period,
    `most_lacking` of the reporting period.
    """

    most_cv: int = 250_000
    most_bias: int = 100_000
    most_missing: int = 100_000
    most_lacking: int = 100_000
    least_days: int = 270


@dataclass(frozen=True, slots=True)
class Weeks:
    """Alternating: `days` with, as many without, from `since` on; without that from the
    reporting period's first day on.

    The first `washout` days after each change count on neither side.
    """

    days: int = 7
    washout: int = 1
    since: date | None = None

    def __post_init__(self) -> None:
        _require(0 <= self.washout < self.days <= 92, "weeks", "leave no day, or are too long")


@dataclass(frozen=True, slots=True)
class Machines:
    """Machines that work with the effect in the reporting period, and machines without."""

    having: tuple[str, ...]
    lacking: tuple[str, ...]

    def __post_init__(self) -> None:
        both = self.all
        _require(bool(self.having) and bool(self.lacking), "machines", "need one of each")
        _require(len(set(both)) == len(both), "machines", "one is there twice")

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.having, *self.lacking)


@dataclass(frozen=True, slots=True)
class Agreed:
    """What is measured, in `unit` a day, less being better unless `more_is_better`.

    Readings come `every` so many seconds. A rate (scrap, energy per part) names as `weight` the
    variable that it is per; the saving is then in the rate's unit times the weight's. The lower
    bound holds with `confidence` ppm for all of `looks` settlements together. Raises
    MeasureInvalid.
    """

    unit: str
    zone: str
    reporting: Span
    baseline: Span | None = None
    method: Method = Method.BASELINE
    variables: tuple[Variable, ...] = ()
    weight: str | None = None
    combine: Combine = Combine.SUM
    every: int = DAY
    more_is_better: bool = False
    confidence: int = 950_000
    looks: int = 1
    resolution: Decimal = Decimal("0.001")
    limits: Limits = field(default_factory=Limits)
    adjustments: tuple[Adjustment, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    swaps: tuple[Swap, ...] = ()
    weeks: Weeks | None = None
    machines: Machines | None = None

    def __post_init__(self) -> None:
        zone_of(self.zone)
        self._require_quantity()
        self._require_periods()
        swaps = [(swap.machine, swap.at) for swap in self.swaps]
        _require(swaps == sorted(swaps), "swaps", "are not in the order of time")

    @property
    def told_of(self) -> Span:
        """The days that are compared with no day before them: the reporting period, and of
        alternating weeks all that went before it."""
        if self.weeks is None or self.weeks.since is None:
            return self.reporting
        return Span(self.weeks.since, self.reporting.until)

    def due(self, span: Span) -> int:
        """The days of a period that are not excluded."""
        days = (span.first + timedelta(days=at) for at in range(span.days))
        return sum(not self.excludes(day) for day in days)

    def excludes(self, day: date) -> bool:
        return any(one.span.holds(day) for one in self.excluded)

    @property
    def saved_unit(self) -> str:
        """The unit of a saving: the quantity's, or a rate's times its weight's."""
        per = next((one.unit for one in self.variables if one.name == self.weight), None)
        if per is None:
            return self.unit
        if self.unit == "1":
            return per
        whole, _, part = self.unit.partition("/")
        return whole if part == per else f"{self.unit}*{per}"

    def _require_quantity(self) -> None:
        names = [one.name for one in self.variables]
        for unit in (self.unit, *(one.unit for one in self.variables)):
            require_known(unit)
        _require(len(set(names)) == len(names), "variables", "one is there twice")
        _require(self.weight is None or self.weight in names, "weight", "is no variable")
        _require(0 < self.every <= DAY and DAY % self.every == 0, "every", "divides no day")
        _require(PPM // 2 < self.confidence < PPM, "confidence", "is above 50 and below 100 %")
        _require(0 < self.looks <= 1200, "looks", "are 1 to 1200")
        finite = self.resolution.is_finite() and self.resolution > 0
        _require(finite and self.resolution.as_tuple().digits == (1,), "resolution", "is no 10^k")

    def _require_periods(self) -> None:
        before = self.baseline
        if before is not None:
            apart = before.until <= self.reporting.first
            _require(apart, "reporting", "begins before the baseline ends")
        began = self.told_of.first <= self.reporting.first
        _require(began, "weeks", "begin after the reporting period")
        needs = {
            Method.BASELINE: (True, False, False),
            Method.SWITCHBACK: (False, True, False),
            Method.MACHINES: (True, False, True),
        }
        given = (before is not None, self.weeks is not None, self.machines is not None)
        _require(given == needs[self.method], "method", "does not go with the rest")
        holdout = self.method != Method.BASELINE
        _require(not (holdout and self.adjustments), "adjustments", "are of a baseline only")


def _require_both(parties: Iterable[str], param: str) -> None:
    _require(len({name for name in parties if name}) == 2, param, "two sides agree, not one")


def _require(holds: bool, param: str, otherwise: str) -> None:
    if not holds:
        raise MeasureInvalid(f"{param}: {otherwise}.", param=param)
