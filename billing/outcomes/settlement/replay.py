"""Recomputation of a settlement's quantity and amount from its evidence bundle alone.

No database, no clock: on another machine, years later, it gives the same amount or names the figure
that differs. Settlements, disputes, credits and checks use the same computation.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from billing.outcomes.contracts.attribution import (
    SettledOutcome,
    SupportingCall,
    is_attested_once,
    is_billable,
)
from billing.outcomes.contracts.pricing import (
    MonthPrice,
    PriceBounds,
    VersionQuantities,
    month_bounds,
    price_month,
)
from billing.outcomes.contracts.terms import MICRO, EventEffect, OutcomeTerms, parse_outcome_terms
from billing.outcomes.settlement.bundle import (
    MEASURED_EFFECT_ID,
    BundleOutcome,
    EffectMeasurement,
    EvidenceBundle,
    SettlementResult,
    VersionMeasurement,
    parse_bundle,
)
from billing.outcomes.settlement.bundle_verification import BundleDifference, verify_evidence
from billing.outcomes.settlement.prediction_assessment import assess_periods, is_predicted
from billing.rating.quantities import METERS, Quantities
from billing.rating.statement import ModelUsage, usage_lines
from billing.rating.terms import parse_terms

# From measurement inputs to their result; deterministic, so that a bundle can be replayed anywhere.
MeasureFunction = Callable[[str], EffectMeasurement]
Measurements = tuple[VersionMeasurement, ...]
NO_EFFECTS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The recomputed result of a bundle, and where the bundle states other figures."""

    settlement: str
    currency: str
    result: SettlementResult
    differences: tuple[BundleDifference, ...]


def replay_bundle(text: str, measure_function: MeasureFunction) -> ReplayResult:
    """Recompute a bundle and its measurements, verify its evidence; return all differences.

    Raises BundleInvalid.
    """
    bundle = parse_bundle(text)
    measured = tuple(
        replace(one, measured=measure_function(one.measured.inputs)) for one in bundle.measured
    )
    result = _result_with_measurements(bundle, measured, NO_EFFECTS)
    differences = [*verify_evidence(bundle), *_differences(bundle, measured, result)]
    return ReplayResult(bundle.settlement, bundle.currency, result, tuple(differences))


def compute_result(bundle: EvidenceBundle) -> SettlementResult:
    """Compute the result of a bundle with its stored measurements."""
    return _result_with_measurements(bundle, bundle.measured, NO_EFFECTS)


def price_without_effects(bundle: EvidenceBundle, removed: frozenset[str]) -> MonthPrice:
    """Return the price of a bundle's month without the effects whose ids are `removed`."""
    return price_month(
        bundle_price_bounds(bundle), _quantities_by_version(bundle, bundle.measured, removed)
    )


def bundle_price_bounds(bundle: EvidenceBundle) -> PriceBounds:
    """Return floor, cap and, if agreed, the covered usage's list price as bounds of the month."""
    terms = _terms_by_version(bundle)[bundle.version]
    return month_bounds(terms, Fraction(bundle.share), _usage_at_list_prices(bundle))


def _result_with_measurements(
    bundle: EvidenceBundle, measured: Measurements, removed: frozenset[str]
) -> SettlementResult:
    """Compute a bundle's result with other measurements, without the `removed` effects."""
    bounds = bundle_price_bounds(bundle)
    return SettlementResult.from_price(
        price_month(bounds, _quantities_by_version(bundle, measured, removed)), bounds.usage
    )


def _quantities_by_version(
    bundle: EvidenceBundle, measured: Measurements, removed: frozenset[str]
) -> list[VersionQuantities]:
    """Return billable quantities in the order of the versions, without the `removed` effects."""
    terms = _terms_by_version(bundle)
    micro_by_version: dict[str, dict[str, int]] = {version: {} for version in terms}
    for one in list_billable_outcomes(bundle, removed):
        if one.id not in removed:
            kinds = micro_by_version[one.version]
            kinds[one.attested_by] = kinds.get(one.attested_by, 0) + MICRO
    if MEASURED_EFFECT_ID not in removed:
        micro_by_version |= {one.version: one.measured.micro for one in measured}
    return [
        VersionQuantities(terms[version], kinds)
        for version, kinds in micro_by_version.items()
        if kinds
    ]


def list_billable_outcomes(
    bundle: EvidenceBundle, removed: frozenset[str] = NO_EFFECTS
) -> list[BundleOutcome]:
    """Return the outcomes that are billable under the terms; of two duplicates, neither.

    Under prediction rules, an outcome is billable if its record supports it and its period shows
    skill, where the events of the effects in `removed` did not happen.
    """
    terms, versions = _terms_by_version(bundle), {one.id: one for one in bundle.versions}
    by_subject: dict[str, list[tuple[str, SettledOutcome]]] = {}
    for one in bundle.outcomes:
        by_subject.setdefault(one.subject, []).append((one.id, _settled_outcome(one)))
    periods = assess_periods(bundle, removed)
    cited = Counter(one.prediction for one in bundle.outcomes if one.prediction is not None)
    outcomes: list[BundleOutcome] = []
    for one in bundle.outcomes:
        effect = terms[one.version].kind
        if not isinstance(effect, EventEffect) or not versions[one.version].is_in_force(
            one.happened_at
        ):
            continue
        nearby = [other for name, other in by_subject[one.subject] if name != one.id]
        settled = (terms[one.version], effect, _settled_outcome(one), nearby)
        predicted = terms[one.version].predictions is not None
        if (
            is_attested_once(*settled) and is_predicted(periods, one, cited)
            if predicted
            else is_billable(*settled)
        ):
            outcomes.append(one)
    return outcomes


def _settled_outcome(outcome: BundleOutcome) -> SettledOutcome:
    """Convert an outcome of a bundle to the form that `is_billable` checks."""
    return SettledOutcome(
        outcome.happened_at,
        outcome.claimed_at,
        outcome.attested_by,
        outcome.confirmed_at,
        tuple(
            SupportingCall(call.started_at, call.model, call.operation) for call in outcome.calls
        ),
    )


def _terms_by_version(bundle: EvidenceBundle) -> dict[str, OutcomeTerms]:
    """Parse the terms of each version of a bundle, by version id."""
    return {one.id: parse_outcome_terms(one.terms.encode()) for one in bundle.versions}


def _usage_at_list_prices(bundle: EvidenceBundle) -> int | None:
    """Return the covered units' list price (minor units), None if it does not limit the price.

    Units beyond the covered ones are charged separately.
    """
    if bundle.list_terms is None:
        return None
    consumed = [
        ModelUsage(one.model, Quantities(**{meter: getattr(one, meter) for meter in METERS}))
        for one in bundle.use
    ]
    listed = parse_terms(bundle.list_terms.encode())
    covering = replace(listed, allowances=_terms_by_version(bundle)[bundle.version].covered)
    total_lines = usage_lines(listed, Fraction(1), consumed)
    lines_beyond = usage_lines(covering, Fraction(bundle.share), consumed)
    return sum(line.minor for line in total_lines) - sum(line.minor for line in lines_beyond)


def _differences(
    bundle: EvidenceBundle, measured: Measurements, result: SettlementResult
) -> Iterator[BundleDifference]:
    """Yield each figure whose stated value differs from the recomputed one."""
    for one, recomputed in zip(bundle.measured, measured, strict=True):
        if one.measured.micro != recomputed.measured.micro:
            yield BundleDifference("measured", one.measured.micro, recomputed.measured.micro)
    stated = bundle.result or SettlementResult(0, 0, None, ())
    for figure in SettlementResult.__slots__:
        stated_value, computed = getattr(stated, figure), getattr(result, figure)
        if stated_value != computed:
            yield BundleDifference(figure, stated_value, computed)
