"""Replay: a settlement's quantity and amount, computed again from its evidence bundle alone.

With no database and no clock: on another machine, years later, it comes to the same cent or says
which figure differs. What is settled, disputed, credited and checked is computed here too. Pure.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from billing.outcomes.contracts.attribution import Settled, Supporting, holds
from billing.outcomes.contracts.pricing import Bounds, Counted, Priced, bounds_of, price_month
from billing.outcomes.contracts.terms import MICRO, Event, OutcomeTerms, read_outcome_terms
from billing.outcomes.settlement.bundle import (
    EFFECT,
    Bundle,
    Measured,
    MeasuredBy,
    OutcomeShown,
    Result,
    read_bundle,
)
from billing.outcomes.settlement.bundle_verification import Difference, unproven
from billing.rating.quantities import METERS, Quantities
from billing.rating.statement import Consumed, usage_lines
from billing.rating.terms import read_terms

# From a measurement's inputs to what they give: pure, so that a bundle can be replayed anywhere.
Measure = Callable[[str], Measured]
Measurements = tuple[MeasuredBy, ...]
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a bundle computes to, and where it states anything else."""

    settlement: str
    currency: str
    result: Result
    differences: tuple[Difference, ...]


def replay(text: str, measure: Measure) -> Replayed:
    """Compute a bundle again, measurement and all. Raises BundleInvalid."""
    bundle = read_bundle(text)
    measured = tuple(replace(one, measured=measure(one.measured.inputs)) for one in bundle.measured)
    result = _result(bundle, measured, NONE)
    found = [*unproven(bundle), *_differences(bundle, measured, result)]
    return Replayed(bundle.settlement, bundle.currency, result, tuple(found))


def result_of(bundle: Bundle) -> Result:
    """What a bundle comes to, with the measurement that it holds."""
    return _result(bundle, bundle.measured, NONE)


def priced_without(bundle: Bundle, removed: frozenset[str]) -> Priced:
    """What it comes to without some of its effects."""
    return price_month(bounds_in(bundle), _counted(bundle, bundle.measured, removed))


def bounds_in(bundle: Bundle) -> Bounds:
    """What the month is held to."""
    terms = _terms(bundle)[bundle.version]
    return bounds_of(terms, Fraction(bundle.share), _usage(bundle))


def _result(bundle: Bundle, measured: Measurements, removed: frozenset[str]) -> Result:
    bounds = bounds_in(bundle)
    return Result.of(price_month(bounds, _counted(bundle, measured, removed)), bounds.usage)


def _counted(bundle: Bundle, measured: Measurements, removed: frozenset[str]) -> list[Counted]:
    """The effects by version, in the order of the versions."""
    terms = _terms(bundle)
    by: dict[str, dict[str, int]] = {version: {} for version in terms}
    for one in billable(bundle):
        if one.id not in removed:
            kinds = by[one.version]
            kinds[one.attested_by] = kinds.get(one.attested_by, 0) + MICRO
    if EFFECT not in removed:
        by |= {one.version: one.measured.micro for one in measured}
    return [Counted(terms[version], kinds) for version, kinds in by.items() if kinds]


def billable(bundle: Bundle) -> list[OutcomeShown]:
    """The outcomes that hold by the terms, judged again; of two that are too near, neither."""
    terms, versions = _terms(bundle), {one.id: one for one in bundle.versions}
    by_subject: dict[str, list[tuple[str, Settled]]] = {}
    for one in bundle.outcomes:
        by_subject.setdefault(one.subject, []).append((one.id, _settled(one)))
    found: list[OutcomeShown] = []
    for one in bundle.outcomes:
        kind = terms[one.version].kind
        nearby = [other for name, other in by_subject[one.subject] if name != one.id]
        if (
            isinstance(kind, Event)
            and versions[one.version].holds(one.happened_at)
            and holds(terms[one.version], kind, _settled(one), nearby)
        ):
            found.append(one)
    return found


def _settled(one: OutcomeShown) -> Settled:
    return Settled(
        one.happened_at,
        one.claimed_at,
        one.attested_by,
        one.confirmed_at,
        tuple(Supporting(call.started_at, call.model, call.operation) for call in one.calls),
    )


def _terms(bundle: Bundle) -> dict[str, OutcomeTerms]:
    return {one.id: read_outcome_terms(one.terms.encode()) for one in bundle.versions}


def _usage(bundle: Bundle) -> int | None:
    """What the units that are covered would have cost at list prices, in minor units: beyond them
    calls cost beside the effect."""
    if bundle.list_terms is None:
        return None
    consumed = [
        Consumed(one.model, Quantities(**{meter: getattr(one, meter) for meter in METERS}))
        for one in bundle.use
    ]
    listed = read_terms(bundle.list_terms.encode())
    covering = replace(listed, allowances=_terms(bundle)[bundle.version].covered)
    whole = usage_lines(listed, Fraction(1), consumed)
    beyond = usage_lines(covering, Fraction(bundle.share), consumed)
    return sum(line.minor for line in whole) - sum(line.minor for line in beyond)


def _differences(bundle: Bundle, measured: Measurements, result: Result) -> Iterator[Difference]:
    """Stated against computed, figure by figure."""
    for one, again in zip(bundle.measured, measured, strict=True):
        if one.measured.micro != again.measured.micro:
            yield Difference("measured", one.measured.micro, again.measured.micro)
    stated = bundle.result or Result(0, 0, None, ())
    for figure in Result.__slots__:
        said, computed = getattr(stated, figure), getattr(result, figure)
        if said != computed:
            yield Difference(figure, said, computed)
