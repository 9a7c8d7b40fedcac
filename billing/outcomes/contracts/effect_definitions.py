"""Definitions of billable effects in outcome contracts, with their validation.

    event      a discrete outcome after an eligible call (supporting_calls.py)
    measure    a daily quantity, compared with a baseline period, control machines or control weeks

The field names are part of the canonical JSON that is hashed and agreed to: they must not change.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from billing.money import PPM
from billing.outcomes.contracts.field_rules import OutcomeTermsInvalid, is_line, is_tag, require
from billing.outcomes.contracts.nonroutine import (
    AdjustmentTerms,
    ExclusionTerms,
    MeterReplacementTerms,
    validate_non_routine_events,
)
from billing.outcomes.measurement.errors import ReadingsInvalid
from billing.outcomes.measurement.plan import DailyAggregation, VariableForm
from billing.outcomes.measurement.units import require_known_unit

_MAX_HOURS = 24 * 730
_MAX_VARIABLES, _MAX_MACHINES = 10, 100
_MAX_NAME_LENGTH = 100
_MINUTES_PER_DAY = 24 * 60
# Columns of a readings file that cannot be names of variables.
RESERVED_COLUMNS = ("at", "value", "unit", "machine", "meter")


@dataclass(frozen=True, slots=True)
class EventEffect:
    """A discrete outcome, `lead_hours` to `window_hours` after an eligible call on its subject.

    Outcomes of one subject within `apart_hours` count once.
    """

    lead_hours: int
    window_hours: int
    apart_hours: int


class MeasurementDesign(StrEnum):
    """What a measured effect is compared with."""

    BASELINE = "baseline"  # a baseline period, adjusted to the conditions of the reporting period
    HOLDOUT = "holdout"  # control machines without the effect
    SWITCHBACK = "switchback"  # alternating weeks with and without the effect


class ImprovementDirection(StrEnum):
    """Whether lower or higher values of the quantity are an improvement."""

    LESS = "less"
    MORE = "more"


@dataclass(frozen=True, slots=True)
class VariableTerms:
    """An independent variable: a column of the readings, in this unit."""

    name: str
    unit: str
    combine: DailyAggregation = DailyAggregation.SUM
    shape: VariableForm = VariableForm.LINEAR


@dataclass(frozen=True, slots=True)
class BaselinePeriodTerms:
    """The baseline period: local days from `first` up to, but not including, `until`."""

    first: date
    until: date


@dataclass(frozen=True, slots=True)
class SwitchbackTerms:
    """A switchback: `days` with the effect, then as many without, from the contract's first day.

    The first `washout` days after each switch are ignored.
    """

    days: int
    washout: int


@dataclass(frozen=True, slots=True)
class MachineGroupTerms:
    """Treated machines (`having` the effect) and control machines (`lacking` it)."""

    having: tuple[str, ...]
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BaselineGateTerms:
    """Quality limits of a baseline before a contract may start (ASHRAE Guideline 14)."""

    cv_rmse_ppm: int
    nmbe_ppm: int
    missing_ppm: int
    days: int


@dataclass(frozen=True, slots=True)
class MeasuredEffect:
    """A measured effect: a quantity in `unit`, read `every_minutes` and aggregated by day.

    A rate names the variable in its denominator as `per`. The confidence holds for `looks`
    settlements together. A day without data has no savings; a month with more than `missing_ppm`
    missing days has no billable savings. `before` (the baseline period) may be left to the fitted
    baseline, which is agreed to as well. The last three fields are the non-routine events.
    """

    unit: str
    direction: ImprovementDirection
    design: MeasurementDesign
    variables: tuple[VariableTerms, ...]
    confidence_ppm: int
    gates: BaselineGateTerms
    missing_ppm: int = 100_000
    combine: DailyAggregation = DailyAggregation.SUM
    every_minutes: int = _MINUTES_PER_DAY
    per: str | None = None
    looks: int = 1
    before: BaselinePeriodTerms | None = None
    turns: SwitchbackTerms | None = None
    machines: MachineGroupTerms | None = None
    adjustments: tuple[AdjustmentTerms, ...] = ()
    excluded: tuple[ExclusionTerms, ...] = ()
    swaps: tuple[MeterReplacementTerms, ...] = ()

    @property
    def variable_names(self) -> tuple[str, ...]:
        """Return the names of the variables, in order."""
        return tuple(one.name for one in self.variables)

    @property
    def saved_unit(self) -> str:
        """Return the savings' unit: the quantity's, or for a rate (`per`) its numerator."""
        per = [one.unit for one in self.variables if one.name == self.per]
        if not per:
            return self.unit
        return per[0] if self.unit == "1" else self.unit.partition("/")[0]


def validate_event(event: EventEffect) -> None:
    """Check the hours that relate calls to an event and set events apart.

    Raises OutcomeTermsInvalid.
    """
    lead, window = event.lead_hours, event.window_hours
    require(
        0 <= lead < window <= _MAX_HOURS,
        "event.window_hours",
        "must be greater than event.lead_hours",
    )
    require(0 <= event.apart_hours <= _MAX_HOURS, "event.apart_hours", "is out of range")


def validate_measured_effect(effect: MeasuredEffect) -> None:
    """Check the definition of a measured effect. Raises OutcomeTermsInvalid."""
    _validate_unit("measure.unit", effect.unit)
    _validate_variables(effect)
    valid_confidence = PPM // 2 < effect.confidence_ppm < PPM
    require(valid_confidence, "measure.confidence", "must be above 50 and below 100 percent")
    require(0 < effect.looks <= 1200, "measure.looks", "must be 1 to 1200")
    require(0 <= effect.missing_ppm < PPM, "measure.missing", "must be less than 100 percent")
    every = effect.every_minutes
    divides_day = 0 < every <= _MINUTES_PER_DAY and _MINUTES_PER_DAY % every == 0
    require(divides_day, "measure.every_minutes", "must divide a day evenly")
    _validate_gates(effect.gates)
    _validate_design(effect)
    validate_non_routine_events(effect.adjustments, effect.excluded, effect.swaps)
    adjustable = effect.design is MeasurementDesign.BASELINE or not effect.adjustments
    require(adjustable, "measure.adjustments", "are only allowed for the baseline design")


def _validate_unit(field: str, unit: str) -> None:
    """Raise OutcomeTermsInvalid for the field if the unit is unknown."""
    try:
        require_known_unit(unit)
    except ReadingsInvalid as error:
        raise OutcomeTermsInvalid(f"{field}: {error.message}", param=field) from None


def _validate_variables(effect: MeasuredEffect) -> None:
    """Check number, names and units of the variables, and that `per` names one of them."""
    names = effect.variable_names
    require(
        len(names) <= _MAX_VARIABLES,
        "measure.variables",
        f"can have at most {_MAX_VARIABLES} entries",
    )
    require(len(set(names)) == len(names), "measure.variables", "must not contain an entry twice")
    valid_names = all(is_tag(name) and name not in RESERVED_COLUMNS for name in names)
    require(valid_names, "measure.variables", "must be short column names")
    for at, one in enumerate(effect.variables):
        _validate_unit(f"measure.variables[{at}].unit", one.unit)
    per = [one.unit for one in effect.variables if one.name == effect.per]
    require(
        effect.per is None or bool(per), "measure.per", "must be the name of one of the variables"
    )
    is_rate = all(effect.unit == "1" or effect.unit.endswith(f"/{unit}") for unit in per)
    require(
        is_rate, "measure.per", "needs measure.unit to be 1 or a rate per the unit of this variable"
    )


def _validate_gates(gates: BaselineGateTerms) -> None:
    """Check that the limits of baseline quality are in range. Raises OutcomeTermsInvalid."""
    for name in ("cv_rmse", "nmbe"):
        valid = 0 < getattr(gates, f"{name}_ppm") <= PPM
        require(valid, f"measure.gates.{name}", "must be more than 0 and at most 100 percent")
    require(0 <= gates.missing_ppm < PPM, "measure.gates.missing", "must be less than 100 percent")
    require(14 <= gates.days <= 3660, "measure.gates.days", "must be 14 to 3660")


def _validate_design(effect: MeasuredEffect) -> None:
    """Require the fields of the measurement design, and none that belong to another design."""
    design, before = effect.design, effect.before
    turns, machines = effect.turns, effect.machines
    allowed = before is None or design is not MeasurementDesign.SWITCHBACK
    require(allowed, "measure.before", "is not allowed for the switchback design")
    require(
        before is None or before.first < before.until,
        "measure.before",
        "must not end before it begins",
    )
    is_switchback, is_holdout = (
        design is MeasurementDesign.SWITCHBACK,
        design is MeasurementDesign.HOLDOUT,
    )
    require(
        (turns is not None) == is_switchback,
        "measure.turns",
        "is required for, and only allowed for, the switchback design",
    )
    require(
        (machines is not None) == is_holdout,
        "measure.machines",
        "is required for, and only allowed for, the holdout design",
    )
    if turns is not None:
        valid = 0 <= turns.washout < turns.days <= 92
        require(
            valid,
            "measure.turns",
            "must leave at least one day after the washout and be at most 92 days long",
        )
    if machines is not None:
        _validate_machines(machines)


def _validate_machines(machines: MachineGroupTerms) -> None:
    """Require unique names of at least one treated and one control machine."""
    names = (*machines.having, *machines.lacking)
    valid_size = bool(machines.having) and bool(machines.lacking) and len(names) <= _MAX_MACHINES
    require(
        valid_size,
        "measure.machines",
        "must name at least one treated and one control machine, and not more than the maximum",
    )
    valid_names = all(is_line(name, _MAX_NAME_LENGTH) for name in names) and len(set(names)) == len(
        names
    )
    require(valid_names, "measure.machines", "must have names, each name once")
