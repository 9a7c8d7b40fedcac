"""The measurement and verification plan of a contract, as immutable values.

The terms are those of IPMVP and ASHRAE Guideline 14: baseline period, reporting period, independent
variables that adjust the baseline, and non-routine adjustments for changes that no independent
variable explains. The field names are part of the canonical JSON that is hashed
(`MeasurementStudy.canonical_json`): they must not change.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from math import isfinite

from billing.dates import parse_time_zone
from billing.outcomes.measurement.errors import MeasurementPlanInvalid
from billing.outcomes.measurement.units import require_known_unit

PPM = 1_000_000
SECONDS_PER_DAY = 86_400


class DailyAggregation(StrEnum):
    """How the readings of a day are aggregated: sum (energy, pieces) or mean (temperature)."""

    SUM = "sum"
    MEAN = "mean"


class VariableForm(StrEnum):
    """How an independent variable enters the regression: linear, or as degree days.

    DEGREES is a temperature with heating and cooling balance points (change-point model).
    """

    LINEAR = "linear"
    DEGREES = "degrees"


class MeasurementMethod(StrEnum):
    """What the reporting period is compared with.

    BASELINE: an earlier period. SWITCHBACK: alternating blocks of days without the effect.
    MACHINES: a control group of machines without the effect.
    """

    BASELINE = "baseline"
    SWITCHBACK = "switchback"
    MACHINES = "machines"


@dataclass(frozen=True, slots=True)
class IndependentVariable:
    """An independent variable (IPMVP), such as production or outdoor temperature."""

    name: str
    unit: str
    combine: DailyAggregation = DailyAggregation.SUM
    shape: VariableForm = VariableForm.LINEAR


@dataclass(frozen=True, slots=True)
class DateRange:
    """Local days from `first` up to, but not including, `until`.

    Raises MeasurementPlanInvalid if the range is empty.
    """

    first: date
    until: date

    def __post_init__(self) -> None:
        _require(self.first < self.until, "period", "must not end before it begins")

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.until - self.first).days

    def contains(self, day: date) -> bool:
        """Return whether the day is in the range; `until` itself is not."""
        return self.first <= day < self.until


@dataclass(frozen=True, slots=True)
class NonRoutineAdjustment:
    """A non-routine adjustment (IPMVP) of the adjusted baseline by `per_day` units per day.

    Applies from `first` up to, but not including, `until`; without `until` it is permanent. Both
    parties must have agreed to it.
    """

    first: date
    per_day: float
    reason: str
    agreed_by: tuple[str, str]
    until: date | None = None

    def __post_init__(self) -> None:
        _require(isfinite(self.per_day), "adjustments", "an amount is not a finite number")
        _require(bool(self.reason), "adjustments", "each entry needs a reason")
        _require_both_parties(self.agreed_by, "adjustments")

    def applies_on(self, day: date) -> bool:
        """Return whether the adjustment applies on a day; `until` is exclusive."""
        return self.first <= day and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class MeterReplacement:
    """A meter replacement: from `at` on, readings of meter `new` times `factor` replace `old`."""

    at: datetime
    old: str
    new: str
    agreed_by: tuple[str, str]
    factor: float = 1.0
    machine: str = ""

    def __post_init__(self) -> None:
        _require(self.at.utcoffset() is not None, "swaps", "each time needs a time zone")
        _require(
            isfinite(self.factor) and self.factor > 0, "swaps", "a factor must be greater than 0"
        )
        _require_both_parties(self.agreed_by, "swaps")


@dataclass(frozen=True, slots=True)
class ExcludedPeriod:
    """Days that both parties agreed to exclude from all periods, and the reason."""

    span: DateRange
    reason: str

    def __post_init__(self) -> None:
        _require(bool(self.reason), "excluded", "each entry needs a reason")


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Limits of baseline quality (CV(RMSE), NMBE, missing days) in ppm, and the minimum days.

    They must be met before a contract starts and at each settlement; docs/measurement.md derives
    the defaults. `most_cv` limits CV(RMSE), `most_bias` NMBE, `most_missing` the missing days of
    the baseline period, `most_lacking` those of the reporting period.
    """

    most_cv: int = 250_000
    most_bias: int = 100_000
    most_missing: int = 100_000
    most_lacking: int = 100_000
    least_days: int = 270


@dataclass(frozen=True, slots=True)
class SwitchbackSchedule:
    """A switchback schedule: blocks of `days` with the effect alternate with equal blocks without.

    It starts at `since`, by default on the first day of the reporting period. The first `washout`
    days after each switch are ignored.
    """

    days: int = 7
    washout: int = 1
    since: date | None = None

    def __post_init__(self) -> None:
        _require(
            0 <= self.washout < self.days <= 92,
            "weeks",
            "must leave at least one day after the washout and be at most 92 days long",
        )


@dataclass(frozen=True, slots=True)
class MachineGroups:
    """Treated machines (`having` the effect) and control machines (`lacking` it)."""

    having: tuple[str, ...]
    lacking: tuple[str, ...]

    def __post_init__(self) -> None:
        machines = self.all
        _require(
            bool(self.having) and bool(self.lacking),
            "machines",
            "at least one treated and one control machine are required",
        )
        _require(len(set(machines)) == len(machines), "machines", "each entry must occur once")

    @property
    def all(self) -> tuple[str, ...]:
        """Return the treated machines, then the control machines."""
        return (*self.having, *self.lacking)


@dataclass(frozen=True, slots=True)
class MeasurementPlan:
    """The measurement plan: a quantity in `unit` per day, its periods, variables and adjustments.

    Lower values are better unless `more_is_better`. `every` is the reading interval in seconds. A
    rate (scrap, energy per part) names the variable in its denominator as `weight`; the savings are
    then in the rate's unit times the unit of `weight`. The lower confidence bound holds with
    `confidence` ppm for all `looks` settlements together (Bonferroni). Raises
    MeasurementPlanInvalid.
    """

    unit: str
    zone: str
    reporting: DateRange
    baseline: DateRange | None = None
    method: MeasurementMethod = MeasurementMethod.BASELINE
    variables: tuple[IndependentVariable, ...] = ()
    weight: str | None = None
    combine: DailyAggregation = DailyAggregation.SUM
    every: int = SECONDS_PER_DAY
    more_is_better: bool = False
    confidence: int = 950_000
    looks: int = 1
    resolution: Decimal = Decimal("0.001")
    limits: GateLimits = field(default_factory=GateLimits)
    adjustments: tuple[NonRoutineAdjustment, ...] = ()
    excluded: tuple[ExcludedPeriod, ...] = ()
    swaps: tuple[MeterReplacement, ...] = ()
    weeks: SwitchbackSchedule | None = None
    machines: MachineGroups | None = None

    def __post_init__(self) -> None:
        parse_time_zone(self.zone)
        self._require_quantity()
        self._require_method_inputs()
        swaps = [(swap.machine, swap.at) for swap in self.swaps]
        _require(swaps == sorted(swaps), "swaps", "must be sorted by time")

    @property
    def comparison_period(self) -> DateRange:
        """Return the reporting period; for a switchback, from the first day of the schedule on."""
        if self.weeks is None or self.weeks.since is None:
            return self.reporting
        return DateRange(self.weeks.since, self.reporting.until)

    def count_included_days(self, period: DateRange) -> int:
        """Return the number of days of a period that are not excluded."""
        days = (period.first + timedelta(days=at) for at in range(period.days))
        return sum(not self.is_excluded(day) for day in days)

    def is_excluded(self, day: date) -> bool:
        """Return whether an agreed exclusion covers the day."""
        return any(one.span.contains(day) for one in self.excluded)

    @property
    def savings_unit(self) -> str:
        """Return the unit of the savings: of the quantity, or of a rate times its weight."""
        weight_unit = next((one.unit for one in self.variables if one.name == self.weight), None)
        if weight_unit is None:
            return self.unit
        if self.unit == "1":
            return weight_unit
        numerator, _, denominator = self.unit.partition("/")
        return numerator if denominator == weight_unit else f"{self.unit}*{weight_unit}"

    def _require_quantity(self) -> None:
        """Check units, variables, interval, confidence, looks and resolution."""
        names = [one.name for one in self.variables]
        for unit in (self.unit, *(one.unit for one in self.variables)):
            require_known_unit(unit)
        _require(len(set(names)) == len(names), "variables", "each entry must occur once")
        _require(
            self.weight is None or self.weight in names, "weight", "must be the name of a variable"
        )
        _require(
            0 < self.every <= SECONDS_PER_DAY and SECONDS_PER_DAY % self.every == 0,
            "every",
            "must divide a day evenly",
        )
        _require(PPM // 2 < self.confidence < PPM, "confidence", "must be above 50 and below 100 %")
        _require(0 < self.looks <= 1200, "looks", "must be 1 to 1200")
        finite = self.resolution.is_finite() and self.resolution > 0
        _require(
            finite and self.resolution.as_tuple().digits == (1,),
            "resolution",
            "must be a power of 10",
        )

    def _require_method_inputs(self) -> None:
        """Check that periods, switchback schedule, machines and adjustments fit the method."""
        baseline = self.baseline
        if baseline is not None:
            ordered = baseline.until <= self.reporting.first
            _require(ordered, "reporting", "must not begin before the baseline ends")
        starts_in_time = self.comparison_period.first <= self.reporting.first
        _require(starts_in_time, "weeks", "must not begin after the reporting period")
        required = {
            MeasurementMethod.BASELINE: (True, False, False),
            MeasurementMethod.SWITCHBACK: (False, True, False),
            MeasurementMethod.MACHINES: (True, False, True),
        }
        present = (baseline is not None, self.weeks is not None, self.machines is not None)
        _require(
            present == required[self.method],
            "method",
            "does not match the given periods, schedule and machines",
        )
        holdout = self.method != MeasurementMethod.BASELINE
        _require(
            not (holdout and self.adjustments),
            "adjustments",
            "are only allowed for the baseline method",
        )


def _require_both_parties(parties: Iterable[str], param: str) -> None:
    """Raise MeasurementPlanInvalid unless two different parties agreed."""
    _require(len({name for name in parties if name}) == 2, param, "both sides must agree")


def _require(condition: bool, param: str, message: str) -> None:
    """Raise MeasurementPlanInvalid for the field if the condition is false."""
    if not condition:
        raise MeasurementPlanInvalid(f"{param}: {message}.", param=param)
