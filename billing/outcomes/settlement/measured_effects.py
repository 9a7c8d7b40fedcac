"""Measurement of a month's savings and fitting of a contract's baseline, from signed readings.

Connects contract terms to the statistics in billing/outcomes/measurement: terms become a plan, the
merged readings a study. A month that cannot be measured has no savings; its report gives the
reason. No database, no clock: the same text gives the same result everywhere.
"""

from collections.abc import Sequence
from datetime import date

import msgspec

from billing.dates import local_day, parse_time_zone
from billing.money import allocate
from billing.outcomes.contracts.effect_definitions import MeasuredEffect, MeasurementDesign
from billing.outcomes.contracts.measurement_plan import build_measurement_plan
from billing.outcomes.contracts.terms import MICRO, AttesterKind, OutcomeTerms, parse_outcome_terms
from billing.outcomes.evidence.series import (
    ReadingSeries,
    ReadingsEvidence,
    SourcedReading,
    build_series,
)
from billing.outcomes.measurement.errors import (
    BaselineFitFailed,
    MeasurementPlanInvalid,
    ReadingsInvalid,
)
from billing.outcomes.measurement.evidence import MeasurementStudy
from billing.outcomes.measurement.plan import DateRange
from billing.outcomes.measurement.readings import MeterReading, Quantity
from billing.outcomes.measurement.savings_measurement import fit_baseline_of_study, measure_savings
from billing.outcomes.measurement.stored_baseline import parse_stored_baseline
from billing.outcomes.settlement.bundle import EffectMeasurement
from billing.outcomes.settlement.measurement_inputs import parse_measurement_inputs


def measure_effect(inputs: str) -> EffectMeasurement:
    """Measure the billable savings of a month from its measurement inputs (canonical JSON).

    If it cannot be measured, the savings are empty and the report has the reason.
    """
    parsed = parse_measurement_inputs(inputs)
    terms, days = parse_outcome_terms(parsed.terms.encode()), DateRange(parsed.first, parsed.until)
    series = build_series(parsed.readings, terms)
    report_base = {
        "contested": series.contested,
        "left_out": msgspec.to_builtins(series.unreadable),
    }
    try:
        stored = None if parsed.baseline is None else parse_stored_baseline(parsed.baseline)
        plan = build_measurement_plan(
            terms, _measured_effect(terms), days, None if stored is None else stored.period
        )
        result = measure_savings(MeasurementStudy(plan, _meter_readings(series, terms), stored))
    except (ReadingsInvalid, MeasurementPlanInvalid, BaselineFitFailed) as error:
        return EffectMeasurement(
            inputs, {}, {**report_base, "refused": error.code, "why": error.message}
        )
    in_month = [one for one in series.readings if days.contains(_local_day(one, terms))]
    report = {**report_base, **msgspec.to_builtins(result)}
    return EffectMeasurement(
        inputs, _divide_by_attester(int(result.billable * MICRO), in_month), report
    )


def fit_contract_baseline(terms: OutcomeTerms, evidence: Sequence[ReadingsEvidence]) -> str:
    """Fit the baseline of a contract; returns the stored form (canonical JSON).

    Without an agreed baseline period, it is from the first reading until the contract's start.
    Raises MeasurementPlanInvalid, ReadingsInvalid, BaselineFitFailed.
    """
    effect, series, zone = (
        _measured_effect(terms),
        build_series(evidence, terms),
        parse_time_zone(terms.time_zone),
    )
    if effect.design is MeasurementDesign.SWITCHBACK:
        raise MeasurementPlanInvalid(
            "measure.design: a switchback design has no separate baseline; the blocks "
            "without the effect are the baseline.",
            param="measure",
        )
    start = local_day(terms.starts_at, zone)
    days = [day for day in (_local_day(one, terms) for one in series.readings) if day < start]
    if not days:
        raise BaselineFitFailed("There are no readings of the baseline period.")
    baseline = DateRange(min(days), start)
    if effect.before is not None:
        baseline = DateRange(effect.before.first, effect.before.until)
    reporting = DateRange(start, date.max)
    return fit_baseline_of_study(
        MeasurementStudy(
            build_measurement_plan(terms, effect, reporting, baseline),
            _meter_readings(series, terms),
        )
    ).canonical_json()


def _measured_effect(terms: OutcomeTerms) -> MeasuredEffect:
    """Return the terms' measured effect. Raises MeasurementPlanInvalid for an event."""
    if not isinstance(terms.kind, MeasuredEffect):
        raise MeasurementPlanInvalid(
            "measure: the contract is about events and has no measurement.", param="measure"
        )
    return terms.kind


def _meter_readings(series: ReadingSeries, terms: OutcomeTerms) -> tuple[MeterReading, ...]:
    """Convert the series to meter readings with units."""
    units = {one.name: one.unit for one in _measured_effect(terms).variables}
    return tuple(
        MeterReading(
            one.reading.at,
            Quantity(float(one.reading.value), one.reading.unit),
            {name: Quantity(float(of), units[name]) for name, of in one.reading.variables.items()},
            one.reading.machine,
            one.reading.meter,
        )
        for one in series.readings
    )


def _divide_by_attester(micro: int, rows: Sequence[SourcedReading]) -> dict[str, int]:
    """Divide savings (millionths) by attester kind, in proportion to the readings."""
    kinds_of_readings = [one.evidence.attester_kind for one in rows]
    kinds = [kind.value for kind in AttesterKind if kind.value in kinds_of_readings]
    if not micro:
        return {}
    return dict(
        zip(kinds, allocate(micro, [kinds_of_readings.count(kind) for kind in kinds]), strict=True)
    )


def _local_day(sourced: SourcedReading, terms: OutcomeTerms) -> date:
    """Return the day of a reading in the contract's time zone."""
    return local_day(sourced.reading.at, parse_time_zone(terms.time_zone))
