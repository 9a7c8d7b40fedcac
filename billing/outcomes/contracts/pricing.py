"""Pricing: what the effects of one month come to, and which part of it each kind of attester stands
for.

    effects by version -> price -> rounded -> at least the floor -> at most the cap
                       -> at most what usage would have cost -> divided by who attested

An effect costs what the version says that was in force when it was there; floor, cap and the bound
by usage are of the version in force last. Unit prices are those of billing/rating/prices.py. Pure:
no clock, no database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from billing.money import PPM, allocate, nano_per_minor, rounded
from billing.outcomes.contracts.terms import MICRO, OutcomeTerms, Share
from billing.rating.prices import amount_of

# Beside the kinds of attesters: nobody objected in time, and what no effect stands for.
SILENCE = "silence"
FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Counted:
    """Effects under one version of terms: millionths of an outcome or unit, by who attested."""

    terms: OutcomeTerms
    micro: Mapping[str, int]

    def __post_init__(self) -> None:
        if any(units < 0 for units in self.micro.values()):
            raise ValueError("an effect is not less than nothing")

    @property
    def total(self) -> int:
        return sum(self.micro.values())

    @property
    def nano(self) -> Fraction:
        """The price in nano-units, not rounded."""
        price = self.terms.price
        if isinstance(price, Share):
            return Fraction(self.total * price.unit_value * price.ppm, MICRO * PPM)
        return Fraction(amount_of(price, self.total // MICRO))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a month is held to, in minor units: a cap of None bounds nothing, nor does `usage`."""

    currency: str
    floor: int
    cap: int | None
    usage: int | None

    def held(self, price: int) -> int:
        """The price within the bounds; the floor is the weakest of them."""
        amount = max(price, self.floor)
        for most in (self.cap, self.usage):
            amount = amount if most is None else min(amount, most)
        return amount


@dataclass(frozen=True, slots=True)
class Part:
    """What one kind of attester stands for."""

    attested_by: str
    micro: int
    minor: int


@dataclass(frozen=True, slots=True)
class Priced:
    """What a month comes to; the parts add up to `minor`."""

    micro: int
    minor: int
    parts: tuple[Part, ...]


def bounds_of(terms: OutcomeTerms, share: Fraction, usage: int | None) -> Bounds:
    """The bounds of a month in which the contract was in force for a `share` of its days.

    The floor is that part of the whole, as a plan's minimum is; the cap is whole, as a spend cap.
    """
    floor = rounded(terms.floor * share)
    return Bounds(terms.currency, floor, terms.cap, usage if terms.lower_of_usage else None)


def price_month(bounds: Bounds, counted: Sequence[Counted]) -> Priced:
    """What the effects of a month come to, rounded once."""
    nano = sum((one.nano for one in counted), Fraction(0))
    price = rounded(nano / nano_per_minor(bounds.currency))
    amount = bounds.held(price)
    earned = min(price, amount)
    parts = _parts(earned, counted)
    if amount > earned:
        parts.append(Part(FLOOR, 0, amount - earned))
    return Priced(sum(one.total for one in counted), amount, tuple(parts))


def divided(priced: Priced, minor: int) -> list[Part]:
    """Another amount for the same effects, divided as their price is."""
    if not priced.parts:
        return [Part(FLOOR, 0, minor)] if minor else []
    minors = allocate(minor, [part.minor for part in priced.parts])
    return [
        Part(part.attested_by, part.micro, given)
        for part, given in zip(priced.parts, minors, strict=True)
        if given
    ]


def _parts(minor: int, counted: Sequence[Counted]) -> list[Part]:
    """By the names of the kinds, so that the order of effects makes no difference."""
    kinds = sorted({kind for one in counted for kind, units in one.micro.items() if units})
    if not kinds:
        return []
    weights = [sum(_weight(one, kind) for one in counted) for kind in kinds]
    units = [sum(one.micro.get(kind, 0) for one in counted) for kind in kinds]
    given = allocate(minor, weights)
    return [Part(*part) for part in zip(kinds, units, given, strict=True)]


def _weight(counted: Counted, kind: str) -> int:
    """What a kind's effects cost, were all effects of these terms equally dear, in nano-units."""
    units = counted.micro.get(kind, 0)
    return int(counted.nano * units / counted.total) if units else 0
