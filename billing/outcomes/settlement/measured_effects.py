"""Measured effects: from a month's inputs to the saving that is billed, and from readings to the
baseline that a version is agreed with.

The one place where contracts meet the statistics (billing/outcomes/measurement/): terms become what
is agreed to measure, readings that stand become a study. A month that cannot be measured saves
nothing, and says why. Pure: the same text gives the same figures, anywhere.
"""

from collections.abc import Sequence
from datetime import date

import msgspec

from billing.dates import day_of, zone_of
from billing.money import allocate
from billing.outcomes.contracts.effect_definitions import Design, Measure
from billing.outcomes.contracts.measurement_plan import agreed_of
from billing.outcomes.contracts.terms import MICRO, AttesterKind, OutcomeTerms, read_outcome_terms
from billing.outcomes.evidence.series import Series, Sourced, Told, series_of
from billing.outcomes.measurement.agreed import Span
from billing.outcomes.measurement.evidence import Study
from billing.outcomes.measurement.faults import BaselineUnfit, MeasureInvalid, ReadingsInvalid
from billing.outcomes.measurement.kept import read_kept
from billing.outcomes.measurement.measuring import fit, measure
from billing.outcomes.measurement.readings import Amount, Reading
from billing.outcomes.settlement.bundle import Measured
from billing.outcomes.settlement.measurement_inputs import read_inputs


def measure_effect(inputs: str) -> Measured:
    """What a month's inputs come to."""
    said = read_inputs(inputs)
    terms, days = read_outcome_terms(said.terms.encode()), Span(said.first, said.until)
    series = series_of(said.readings, terms)
    told = {"contested": series.contested, "left_out": msgspec.to_builtins(series.left_out)}
    try:
        kept = None if said.baseline is None else read_kept(said.baseline)
        agreed = agreed_of(terms, _kind(terms), days, None if kept is None else kept.period)
        found = measure(Study(agreed, _readings(series, terms), kept))
    except (ReadingsInvalid, MeasureInvalid, BaselineUnfit) as error:
        return Measured(inputs, {}, {**told, "refused": error.code, "why": error.message})
    within = [one for one in series.rows if days.holds(_day(one, terms))]
    report = {**told, **msgspec.to_builtins(found)}
    return Measured(inputs, _attested(int(found.billable * MICRO), within), report)


def fit_baseline(terms: OutcomeTerms, evidence: Sequence[Told]) -> str:
    """The baseline of the time before a contract starts, as it is kept with the version.

    Without an agreed time it is that from the first reading until the start. Raises MeasureInvalid,
    ReadingsInvalid, BaselineUnfit.
    """
    kind, series, zone = _kind(terms), series_of(evidence, terms), zone_of(terms.time_zone)
    if kind.design is Design.SWITCHBACK:
        raise MeasureInvalid("measure.design: weeks without are the baseline.", param="measure")
    start = day_of(terms.starts_at, zone)
    days = [day for day in (_day(one, terms) for one in series.rows) if day < start]
    if not days:
        raise BaselineUnfit("There are no readings of the time before the start.")
    before = Span(min(days), start)
    if kind.before is not None:
        before = Span(kind.before.first, kind.before.until)
    after = Span(start, date.max)
    return fit(Study(agreed_of(terms, kind, after, before), _readings(series, terms))).text()


def _kind(terms: OutcomeTerms) -> Measure:
    if not isinstance(terms.kind, Measure):
        raise MeasureInvalid("measure: the contract is about events.", param="measure")
    return terms.kind


def _readings(series: Series, terms: OutcomeTerms) -> tuple[Reading, ...]:
    units = {one.name: one.unit for one in _kind(terms).variables}
    return tuple(
        Reading(
            one.reading.at,
            Amount(float(one.reading.value), one.reading.unit),
            {name: Amount(float(of), units[name]) for name, of in one.reading.variables.items()},
            one.reading.machine,
            one.reading.meter,
        )
        for one in series.rows
    )


def _attested(micro: int, rows: Sequence[Sourced]) -> dict[str, int]:
    """A saving divided by how many of the readings that it was measured by each kind attested."""
    told = [one.told.attester_kind for one in rows]
    kinds = [kind.value for kind in AttesterKind if kind.value in told]
    if not micro:
        return {}
    return dict(zip(kinds, allocate(micro, [told.count(kind) for kind in kinds]), strict=True))


def _day(one: Sourced, terms: OutcomeTerms) -> date:
    return day_of(one.reading.at, zone_of(terms.time_zone))
