"""Price kinds (per unit, package, graduated, volume) and the cost of a quantity under each.

Each price also has a linear upper bound, which is used to reserve credit for calls: for any
quantity c so far and any q more,

    amount_of(c + q) <= amount_of(c) + reserve_of(c) + q * max_unit_price

so the reservations of a period's calls plus the reserve are never less than the invoice.

Amounts are unrounded nano-units; billing/money.py rounds once per invoice line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.errors import AppError

_MAX_UNIT_PRICE = 10**15  # one million per unit; anything above is a typing error
_MAX_TIERS = 50


class PriceInvalid(AppError):
    """The price is negative, out of range or inconsistent."""

    status = 400
    type = "invalid_request_error"
    code = "price_invalid"


@dataclass(frozen=True, slots=True)
class PerUnit:
    """A price per unit: `unit` nano-units for each unit."""

    unit: int

    def __post_init__(self) -> None:
        _require_amount(self.unit)


@dataclass(frozen=True, slots=True)
class Package:
    """A price per package of `size` units, `amount` nano-units each. Partial packages are charged
    in full."""

    size: int
    amount: int

    def __post_init__(self) -> None:
        _require_amount(self.amount)
        if not 0 < self.size <= 10**12:
            raise PriceInvalid("A package must have 1 to 10^12 units.")


@dataclass(frozen=True, slots=True)
class Tier:
    """A price tier: units up to and including `up_to` (None: unlimited) cost `unit` nano-units.

    `flat` nano-units are charged once per period, with the first unit in the tier.
    """

    up_to: int | None
    unit: int
    flat: int = 0

    def __post_init__(self) -> None:
        _require_amount(self.unit)
        _require_amount(self.flat, 10**18)


@dataclass(frozen=True, slots=True)
class Graduated:
    """A graduated price: each unit is charged at the price of the tier it falls into."""

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        _require_tiers(self.tiers)


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume price: all units are charged at the price of the tier that the total reaches.

    Unit prices must not rise with the quantity and flat amounts are not allowed: otherwise units
    reserved at a lower price would cost more later, and a spend cap could be exceeded.
    """

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        _require_tiers(self.tiers)
        units = [tier.unit for tier in self.tiers]
        if units != sorted(units, reverse=True) or any(tier.flat for tier in self.tiers):
            raise PriceInvalid(
                "Volume tiers must become cheaper with more units and have no flat amounts."
            )


Price = PerUnit | Package | Graduated | Volume


def amount_of(price: Price, quantity: int) -> int:
    """Return the cost of a quantity in one billing period, in nano-units."""
    match price:
        case PerUnit(unit):
            return quantity * unit
        case Package(size, amount):
            return -(-quantity // size) * amount
        case Graduated(tiers):
            return _graduated_amount(tiers, quantity)
    return quantity * _volume_tier(price.tiers, quantity).unit


def max_unit_price(price: Price) -> int:
    """Return the highest price of one further unit, in nano-units, for reservations."""
    match price:
        case PerUnit(unit):
            return unit
        case Package(size, amount):
            return -(-amount // size)
    return max(tier.unit for tier in price.tiers)


def reserve_of(price: Price, quantity: int) -> int:
    """Return the nano-units to reserve for package or flat amounts due with the next unit."""
    match price:
        case Package(_, amount):
            return amount
        case PerUnit() | Volume():
            return 0
    return sum(tier.flat for tier in price.tiers) - _flat_amounts(price.tiers, quantity)


def _graduated_amount(tiers: Sequence[Tier], quantity: int) -> int:
    total, below = _flat_amounts(tiers, quantity), 0
    for tier in tiers:
        top = quantity if tier.up_to is None else min(quantity, tier.up_to)
        total += max(0, top - below) * tier.unit
        below = top
    return total


def _flat_amounts(tiers: Sequence[Tier], quantity: int) -> int:
    """Return the sum of the flat amounts of the tiers that a quantity reaches."""
    starts = [0, *(tier.up_to or 0 for tier in tiers[:-1])]
    pairs = zip(tiers, starts, strict=True)
    return sum(tier.flat for tier, start in pairs if quantity > start)


def _volume_tier(tiers: Sequence[Tier], quantity: int) -> Tier:
    return next(tier for tier in tiers if tier.up_to is None or quantity <= tier.up_to)


def _require_amount(nano: int, limit: int = _MAX_UNIT_PRICE) -> None:
    if type(nano) is not int or not 0 <= nano <= limit:
        raise PriceInvalid(
            "A price must be a whole number of nano-units, not negative and not above the maximum."
        )


def _require_tiers(tiers: Sequence[Tier]) -> None:
    bounds = [tier.up_to for tier in tiers]
    if not 0 < len(tiers) <= _MAX_TIERS or bounds[-1] is not None or None in bounds[:-1]:
        raise PriceInvalid(
            f"There must be 1 to {_MAX_TIERS} tiers, and only the last tier has no `up_to`."
        )
    ends = [bound for bound in bounds if bound is not None]
    if any(end <= start for start, end in zip([0, *ends], ends, strict=False)):
        raise PriceInvalid("Each tier's `up_to` must be greater than that of the previous tier.")
