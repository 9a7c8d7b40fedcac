"""The price of one month's effects, divided by the attesters that confirmed them.

    effects by version -> price -> rounded -> at least the floor -> at most the cap
                       -> at most the list price of the usage -> divided by attester kind

An effect is priced by the version in force when it happened; floor, cap and the usage bound are
those of the version in force last. No clock, no database: a settlement must be reproducible.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from billing.money import PPM, allocate, nano_per_minor, rounded
from billing.outcomes.contracts.terms import MICRO, OutcomeTerms, SavingsShare

# Parts that no attester kind stands for: confirmed by silence, and the top-up to the floor.
SILENCE = "silence"
FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class VersionQuantities:
    """Effects under one version of terms: millionths of an outcome or unit, by attester kind."""

    terms: OutcomeTerms
    micro: Mapping[str, int]

    def __post_init__(self) -> None:
        if any(units < 0 for units in self.micro.values()):
            raise ValueError("an effect must not be negative")

    @property
    def total(self) -> int:
        """Return the total of all attester kinds, in millionths of an outcome or unit."""
        return sum(self.micro.values())

    @property
    def price_nano(self) -> Fraction:
        """Return the unrounded price of the effects under this version, in nano-units."""
        price = self.terms.price
        if isinstance(price, SavingsShare):
            return Fraction(self.total * price.unit_value * price.ppm, MICRO * PPM)
        return Fraction(price.amount(self.total // MICRO))


@dataclass(frozen=True, slots=True)
class PriceBounds:
    """The price bounds of a month, in minor units; a `cap` or `usage` of None does not limit."""

    currency: str
    floor: int
    cap: int | None
    usage: int | None

    def clamp(self, price: int) -> int:
        """Return minor units raised to the floor, then limited by cap and usage at list prices."""
        amount = max(price, self.floor)
        for limit in (self.cap, self.usage):
            amount = amount if limit is None else min(amount, limit)
        return amount


@dataclass(frozen=True, slots=True)
class AttesterPart:
    """The part of a month's quantity (millionths) and price that one attester kind confirmed."""

    attested_by: str
    micro: int
    minor: int


@dataclass(frozen=True, slots=True)
class MonthPrice:
    """The quantity and price of a month; the parts add up to `minor`."""

    micro: int
    minor: int
    parts: tuple[AttesterPart, ...]


def month_bounds(terms: OutcomeTerms, share_in_force: Fraction, usage: int | None) -> PriceBounds:
    """Return a month's price bounds: prorated floor, cap, and `usage` (at list prices) if agreed.

    The floor is prorated, like a plan's minimum; the cap is not, like a spend cap. With prediction
    rules, a settlement pays a period of several months, and the cap is that of its months.
    """
    floor, cap = rounded(terms.floor * share_in_force), terms.cap
    if cap is not None and terms.predictions is not None:
        cap *= terms.predictions.settle_months
    return PriceBounds(terms.currency, floor, cap, usage if terms.lower_of_usage else None)


def price_month(bounds: PriceBounds, quantities: Sequence[VersionQuantities]) -> MonthPrice:
    """Return quantity and price of a month's effects, rounded once and within the bounds."""
    nano = sum((one.price_nano for one in quantities), Fraction(0))
    price = rounded(nano / nano_per_minor(bounds.currency))
    amount = bounds.clamp(price)
    earned = min(price, amount)
    parts = _divide_by_attester(earned, quantities)
    if amount > earned:
        parts.append(AttesterPart(FLOOR, 0, amount - earned))
    return MonthPrice(sum(one.total for one in quantities), amount, tuple(parts))


def divide_amount(price: MonthPrice, minor: int) -> list[AttesterPart]:
    """Divide `minor` minor units by attester kind, in proportion to the parts of a price."""
    if not price.parts:
        return [AttesterPart(FLOOR, 0, minor)] if minor else []
    amounts = allocate(minor, [part.minor for part in price.parts])
    return [
        AttesterPart(part.attested_by, part.micro, amount)
        for part, amount in zip(price.parts, amounts, strict=True)
        if amount
    ]


def _divide_by_attester(minor: int, quantities: Sequence[VersionQuantities]) -> list[AttesterPart]:
    """Divide a price by attester kind, sorted by name to be independent of the effects' order."""
    kinds = sorted(
        {
            kind
            for version_quantities in quantities
            for kind, units in version_quantities.micro.items()
            if units
        }
    )
    if not kinds:
        return []
    weights = [
        sum(_price_weight(version_quantities, kind) for version_quantities in quantities)
        for kind in kinds
    ]
    units = [
        sum(version_quantities.micro.get(kind, 0) for version_quantities in quantities)
        for kind in kinds
    ]
    amounts = allocate(minor, weights)
    return [AttesterPart(*part) for part in zip(kinds, units, amounts, strict=True)]


def _price_weight(quantities: VersionQuantities, kind: str) -> int:
    """Return an attester kind's share of the price at the average unit price, in nano-units."""
    units = quantities.micro.get(kind, 0)
    return int(quantities.price_nano * units / quantities.total) if units else 0
