"""Conversion of contract terms into the measurement plan of billing/outcomes/measurement."""

from billing.dates import local_day, parse_time_zone
from billing.outcomes.contracts.effect_definitions import (
    BaselineGateTerms,
    ImprovementDirection,
    MeasuredEffect,
    MeasurementDesign,
)
from billing.outcomes.contracts.parties import Side
from billing.outcomes.contracts.terms import OutcomeTerms
from billing.outcomes.measurement.plan import (
    DateRange,
    ExcludedPeriod,
    GateLimits,
    IndependentVariable,
    MachineGroups,
    MeasurementMethod,
    MeasurementPlan,
    MeterReplacement,
    NonRoutineAdjustment,
    SwitchbackSchedule,
)

_SECONDS_PER_MINUTE, _NANO_PER_UNIT = 60, 10**9
# Both parties have agreed to everything in a version's terms.
_BOTH_SIDES = (Side.CUSTOMER.value, Side.OPERATOR.value)
_METHODS = {
    MeasurementDesign.BASELINE: MeasurementMethod.BASELINE,
    MeasurementDesign.HOLDOUT: MeasurementMethod.MACHINES,
    MeasurementDesign.SWITCHBACK: MeasurementMethod.SWITCHBACK,
}


def build_measurement_plan(
    terms: OutcomeTerms, effect: MeasuredEffect, reporting: DateRange, baseline: DateRange | None
) -> MeasurementPlan:
    """Build the measurement plan for a reporting period and a baseline period.

    Raises MeasurementPlanInvalid.
    """
    return MeasurementPlan(
        unit=effect.unit,
        zone=terms.time_zone,
        reporting=reporting,
        baseline=baseline,
        method=_METHODS[effect.design],
        variables=tuple(
            IndependentVariable(one.name, one.unit, one.combine, one.shape)
            for one in effect.variables
        ),
        weight=effect.per,
        combine=effect.combine,
        every=effect.every_minutes * _SECONDS_PER_MINUTE,
        more_is_better=effect.direction is ImprovementDirection.MORE,
        confidence=effect.confidence_ppm,
        looks=effect.looks,
        limits=_gate_limits(effect.gates, effect.missing_ppm),
        adjustments=_adjustments(effect),
        excluded=tuple(
            ExcludedPeriod(DateRange(one.first, one.until), one.reason) for one in effect.excluded
        ),
        swaps=_meter_replacements(effect),
        weeks=_switchback_schedule(terms, effect),
        machines=_machine_groups(effect),
    )


def _gate_limits(gates: BaselineGateTerms, missing_ppm: int) -> GateLimits:
    """Convert baseline quality limits; `missing_ppm` limits the reporting period's missing days."""
    return GateLimits(gates.cv_rmse_ppm, gates.nmbe_ppm, gates.missing_ppm, missing_ppm, gates.days)


def _adjustments(effect: MeasuredEffect) -> tuple[NonRoutineAdjustment, ...]:
    """Convert the non-routine adjustments to units per day, negative with `less`."""
    return tuple(
        NonRoutineAdjustment(
            one.first,
            (-1 if one.less else 1) * one.per_day_nano / _NANO_PER_UNIT,
            one.reason,
            _BOTH_SIDES,
            one.until,
        )
        for one in effect.adjustments
    )


def _meter_replacements(effect: MeasuredEffect) -> tuple[MeterReplacement, ...]:
    """Convert the meter replacements to those of the plan, with factors as floats."""
    return tuple(
        MeterReplacement(
            one.at, one.old, one.new, _BOTH_SIDES, one.factor_nano / _NANO_PER_UNIT, one.machine
        )
        for one in effect.swaps
    )


def _machine_groups(effect: MeasuredEffect) -> MachineGroups | None:
    """Return the treated and control machines, or None unless the design is a holdout."""
    groups = effect.machines
    return None if groups is None else MachineGroups(groups.having, groups.lacking)


def _switchback_schedule(terms: OutcomeTerms, effect: MeasuredEffect) -> SwitchbackSchedule | None:
    """Return the schedule from the contract's first day on; None without a switchback."""
    if effect.turns is None:
        return None
    since = local_day(terms.starts_at, parse_time_zone(terms.time_zone))
    return SwitchbackSchedule(effect.turns.days, effect.turns.washout, since)
