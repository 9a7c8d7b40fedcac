"""Service tiers in plan files: a percentage of the default prices, or prices of their own.

    [[tier]]
    name = "priority"
    percent = 150

Owns the percentage and its one rounding rule: there is none. A tier whose price would not be a
whole number of nano-units is refused when the plan is published, so that a unit price is an integer
wherever it is used. Pure.
"""

from collections.abc import Iterable, Sequence

import msgspec

from billing.rating.prices import Graduated, Package, PerUnit, Price, Tier, Volume
from billing.rating.products import TIERS, model_of, product, tier_of
from billing.rating.terms import ModelPrice, TermsInvalid

_MOST_PERCENT = 1_000


class TierFile(msgspec.Struct, forbid_unknown_fields=True):
    """A tier at so many percent of the default prices; of these models, or of all that generate
    text."""

    name: str
    percent: int
    models: list[str] = []


def with_tiers(prices: Sequence[ModelPrice], tiers: Sequence[TierFile]) -> tuple[ModelPrice, ...]:
    """The prices, and those of each tier. A price that the file gives a tier itself stays.

    Raises TermsInvalid.
    """
    _require_models(prices)
    own = {(one.model, one.meter) for one in prices}
    added: dict[tuple[str, str], ModelPrice] = {}
    for at, tier in enumerate(tiers):
        _require(tier, f"tier[{at}]")
        for one in _sold_at(prices, tier, f"tier[{at}]"):
            place = (product(one.model, tier.name), one.meter)
            if place in added:
                raise TermsInvalid(f"tier[{at}]: {place[0]} is there twice.", param=f"tier[{at}]")
            if place not in own:
                scaled = _scaled(one.price, tier.percent, f"tier[{at}]: {one.model} {one.meter}")
                added[place] = ModelPrice(*place, scaled)
    return (*prices, *added.values())


def _require(tier: TierFile, place: str) -> None:
    if tier.name not in TIERS:
        raise TermsInvalid(f"{place}: name is {' or '.join(TIERS)}.", param=place)
    if not 0 < tier.percent <= _MOST_PERCENT:
        raise TermsInvalid(f"{place}: percent is 1 to {_MOST_PERCENT}.", param=place)


def _require_models(prices: Iterable[ModelPrice]) -> None:
    """A tier is one of a model that is sold at the default tier as well."""
    default = {one.model for one in prices if tier_of(one.model) is None}
    for one in prices:
        if tier_of(one.model) is not None and model_of(one.model) not in default:
            raise TermsInvalid(
                f"price: {model_of(one.model)} has no price of the default tier.", param="price"
            )


def _sold_at(prices: Sequence[ModelPrice], tier: TierFile, place: str) -> list[ModelPrice]:
    generating = {one.model for one in prices if one.meter == "output_tokens"}
    for model in tier.models:
        if model not in generating:
            raise TermsInvalid(f"{place}: {model} has no price of output tokens.", param=place)
    models = set(tier.models) or {one for one in generating if tier_of(one) is None}
    return [one for one in prices if one.model in models]


def _scaled(price: Price, percent: int, what: str) -> Price:
    def part(nano: int) -> int:
        if nano * percent % 100:
            raise TermsInvalid(
                f"{what}: {percent} % of {nano} nano-units is no whole number of them. Give the "
                "tier a price of its own.",
                param=what.partition(":")[0],
            )
        return nano * percent // 100

    match price:
        case PerUnit(unit):
            return PerUnit(part(unit))
        case Package(size, amount):
            return Package(size, part(amount))
    tiers = tuple(Tier(one.up_to, part(one.unit), part(one.flat)) for one in price.tiers)
    return Graduated(tiers) if isinstance(price, Graduated) else Volume(tiers)
