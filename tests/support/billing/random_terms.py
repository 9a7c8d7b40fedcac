"""Random terms and calls, so small that limits of tiers and allowances are reached often."""

from collections.abc import Mapping
from dataclasses import fields
from fractions import Fraction
from functools import cache, partial
from typing import Any

from hypothesis import strategies as st

from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.package import Package
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price import Price
from billing.rating.price_kinds.tiers import Tier
from billing.rating.price_kinds.volume import Volume
from billing.rating.quantities import METERS, NO_USAGE, Quantities, rate, units_by_meter
from billing.rating.statement import ModelUsage, prorated_units, unit_prices
from billing.rating.terms import (
    ANY_MODEL,
    PPM,
    Alignment,
    Allowance,
    Discount,
    Interval,
    ModelPrice,
    PlanTerms,
)

MODELS = ("a", "b", "c")
COUNTS = st.integers(0, 25)
# Up to ten fen a unit, and often so little that lines are rounded.
AMOUNTS = st.one_of(st.integers(0, 10**8), st.sampled_from((0, 1, 3 * 10**6, 10**7)))
# Terms, the share of a period that they were in force, and its calls as they came.
Case = tuple[PlanTerms, Fraction, list[ModelUsage]]
# Made once: a strategy that is made in a draw is checked in each, which takes longer than drawing.
_UP_TO = cache(partial(st.integers, 0))
_ORDERED = cache(st.permutations)
_SAMPLED = cache(st.sampled_from)
_TIER_ENDS = st.sets(st.integers(1, 30), max_size=3)
_QUANTITY = st.integers(1, 40)
_PARTS = st.integers(1, PPM) | st.sampled_from((100_000, 500_000, PPM))
SHARES = st.just(Fraction(1)) | st.integers(0, 31).map(lambda days: Fraction(days, 31))


@st.composite
def tiers(draw: st.DrawFn, falling: bool = False) -> tuple[Tier, ...]:
    ends = [*sorted(draw(_TIER_ENDS)), None]
    units = [draw(AMOUNTS) for _ in ends]
    if falling:
        return tuple(map(Tier, ends, sorted(units, reverse=True)))
    return tuple(Tier(*pair, draw(AMOUNTS)) for pair in zip(ends, units, strict=True))


# What never costs less with more usage; a volume price does, where a tier begins.
PER_UNIT: st.SearchStrategy[Price] = AMOUNTS.map(PerUnit)
RISING: st.SearchStrategy[Price] = st.one_of(
    PER_UNIT,
    st.builds(Package, st.integers(1, 12), AMOUNTS),
    tiers().map(Graduated),
)
PRICES: st.SearchStrategy[Price] = st.one_of(RISING, tiers(falling=True).map(Volume))


@st.composite
def plan_terms(draw: st.DrawFn, prices: st.SearchStrategy[Price] = PRICES) -> PlanTerms:
    """Terms without a commitment, which is due only at the end of the period."""
    # Whole models, as plans have it: allowances of all models find several to choose from.
    models = draw(_ORDERED(MODELS))[: draw(_SAMPLED((3, 2, 1)))]
    meters = draw(_ORDERED(METERS))[: draw(_SAMPLED((1, 2, 3)))]
    places = [(model, meter) for meter in meters for model in models]
    own_and_shared = (*places, *((ANY_MODEL, meter) for meter in meters))
    allowed = draw(_ORDERED(own_and_shared))[: draw(_SAMPLED((2, 3, 8, 0)))]
    discounted = draw(_ORDERED((ANY_MODEL, *models)))[: draw(_SAMPLED((1, 2, 4, 0)))]
    return PlanTerms(
        plan="random",
        names={"en": "Random", "zh": "随机"},
        currency=draw(_SAMPLED(("CNY", "JPY", "KWD"))),
        prices=tuple(ModelPrice(*place, draw(prices)) for place in places),
        allowances=tuple(Allowance(*place, draw(_QUANTITY)) for place in allowed),
        discounts=tuple(Discount(model, draw(_PARTS)) for model in discounted),
    )


_OTHERS: Mapping[str, st.SearchStrategy[Any]] = {
    "names": st.dictionaries(st.sampled_from(("fr", "de")), st.text(max_size=5)).map(
        lambda more: {"en": "Any", "zh": "任何", **more}
    ),
    "fixed_fee": st.integers(0, 10**13),
    "interval": st.sampled_from(Interval),
    "alignment": st.sampled_from(Alignment),
    "trial_days": st.integers(0, 730),
    "minimum": st.integers(0, 10**13),
    "spend_cap": st.none() | st.integers(0, 10**18),
    "tax_inclusive": st.booleans(),
}


@st.composite
def any_terms(draw: st.DrawFn) -> PlanTerms:
    """Terms with every field drawn."""
    drawn = draw(plan_terms())
    same = {one.name: getattr(drawn, one.name) for one in fields(drawn) if one.init}
    return PlanTerms(**{**same, **{name: draw(other) for name, other in _OTHERS.items()}})


@st.composite
def quantities(draw: st.DrawFn) -> Quantities:
    units = {meter: draw(COUNTS) for meter in METERS}
    cached = draw(_UP_TO(units["input_tokens"]))
    return Quantities(**{**units, "cached_input_tokens": cached})


@st.composite
def cases(draw: st.DrawFn, prices: st.SearchStrategy[Price] = PRICES) -> Case:
    """Terms and calls, with at least one call per model, and some late ones."""
    terms = draw(plan_terms(prices))
    models = sorted({price.model for price in terms.prices})
    calls = [draw(_calls(model)) for model in models]
    calls += draw(_few_calls(*models, "unpriced"))
    return terms, draw(SHARES), draw(st.permutations(calls))


@cache
def _calls(*models: str) -> st.SearchStrategy[ModelUsage]:
    model = _SAMPLED(models)
    on_time = st.builds(ModelUsage, model, quantities())
    return on_time | on_time | st.builds(ModelUsage, model, st.just(NO_USAGE), quantities())


@cache
def _few_calls(*models: str) -> st.SearchStrategy[list[ModelUsage]]:
    return st.lists(_calls(*models), max_size=5)


class FirstCome:
    """Allowances as calls use them: the remainder covers the call that comes first.

    A model's own allowance is used before the shared one, as in rating.
    """

    def __init__(self, terms: PlanTerms, share: Fraction) -> None:
        self._terms = terms
        self._left = {
            (one.model, one.meter): prorated_units(one.quantity, share) for one in terms.allowances
        }

    def cost(self, call: ModelUsage) -> int:
        """The running cost of the uncovered units of a call."""
        of = call.quantities if call.late == NO_USAGE else call.late
        prices = unit_prices(self._terms, call.model)
        left = {
            meter: self._uncovered(call.model, meter, units)
            for meter, units in units_by_meter(of, prices).items()
        }
        left["input_tokens"] += left["cached_input_tokens"]
        return rate(Quantities(**left), prices)

    def _uncovered(self, model: str, meter: str, units: int) -> int:
        if self._terms.price(model, meter) is None:
            return units
        for place in self._order((model, meter), (ANY_MODEL, meter)):
            taken = self._some(min(units, self._left.get(place, 0)))
            self._left[place] = self._left.get(place, 0) - taken
            units -= taken
        return units

    def _order(self, own: tuple[str, str], shared: tuple[str, str]) -> list[tuple[str, str]]:
        return [own, shared]

    def _some(self, units: int) -> int:
        return units


class AnyOrder(FirstCome):
    """As FirstCome, with a random share and a random order of the allowances."""

    def __init__(
        self, terms: PlanTerms, left: Mapping[tuple[str, str], int], data: st.DataObject
    ) -> None:
        super().__init__(terms, Fraction(0))
        self._left = dict(left)
        self._data = data

    def _order(self, own: tuple[str, str], shared: tuple[str, str]) -> list[tuple[str, str]]:
        return self._data.draw(_ORDERED((own, shared)))

    def _some(self, units: int) -> int:
        return self._data.draw(_UP_TO(units)) if units else 0
