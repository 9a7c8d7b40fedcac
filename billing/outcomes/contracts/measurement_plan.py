"""Agreed measures: a contract's terms in the words of the statistics.

Pure.
"""

from billing.dates import day_of, zone_of
from billing.outcomes.contracts.effect_definitions import Design, Direction, Gates, Measure
from billing.outcomes.contracts.parties import Side
from billing.outcomes.contracts.terms import OutcomeTerms
from billing.outcomes.measurement.agreed import (
    Adjustment,
    Agreed,
    Combine,
    Excluded,
    Limits,
    Machines,
    Method,
    Shape,
    Span,
    Swap,
    Variable,
    Weeks,
)

_MINUTE, _NANO = 60, 10**9
# Whatever is in a version's terms, both sides have agreed to.
_BOTH = (Side.CUSTOMER.value, Side.OPERATOR.value)
_METHODS = {
    Design.BASELINE: Method.BASELINE,
    Design.HOLDOUT: Method.MACHINES,
    Design.SWITCHBACK: Method.SWITCHBACK,
}


def agreed_of(
    terms: OutcomeTerms, measure: Measure, reporting: Span, before: Span | None
) -> Agreed:
    """What is agreed to measure of some days, against those before. Raises MeasureInvalid."""
    return Agreed(
        unit=measure.unit,
        zone=terms.time_zone,
        reporting=reporting,
        baseline=before,
        method=_METHODS[measure.design],
        variables=tuple(
            Variable(one.name, one.unit, Combine(one.combine), Shape(one.shape))
            for one in measure.variables
        ),
        weight=measure.per,
        combine=Combine(measure.combine),
        every=measure.every_minutes * _MINUTE,
        more_is_better=measure.direction is Direction.MORE,
        confidence=measure.confidence_ppm,
        looks=measure.looks,
        limits=_limits(measure.gates, measure.missing_ppm),
        adjustments=_adjustments(measure),
        excluded=tuple(
            Excluded(Span(one.first, one.until), one.reason) for one in measure.excluded
        ),
        swaps=_swaps(measure),
        weeks=_weeks(terms, measure),
        machines=_machines(measure),
    )


def _limits(gates: Gates, missing: int) -> Limits:
    return Limits(gates.cv_rmse_ppm, gates.nmbe_ppm, gates.missing_ppm, missing, gates.days)


def _adjustments(measure: Measure) -> tuple[Adjustment, ...]:
    return tuple(
        Adjustment(
            one.first,
            (-1 if one.less else 1) * one.per_day_nano / _NANO,
            one.reason,
            _BOTH,
            one.until,
        )
        for one in measure.adjustments
    )


def _swaps(measure: Measure) -> tuple[Swap, ...]:
    return tuple(
        Swap(one.at, one.old, one.new, _BOTH, one.factor_nano / _NANO, one.machine)
        for one in measure.swaps
    )


def _machines(measure: Measure) -> Machines | None:
    named = measure.machines
    return None if named is None else Machines(named.having, named.lacking)


def _weeks(terms: OutcomeTerms, measure: Measure) -> Weeks | None:
    """By turns from the contract's first day on."""
    if measure.turns is None:
        return None
    since = day_of(terms.starts_at, zone_of(terms.time_zone))
    return Weeks(measure.turns.days, measure.turns.washout, since)
