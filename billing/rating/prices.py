"""Price kinds: what a quantity of one meter costs within one billing period.

One small function a kind. Each price also has a linear envelope, by which calls are held: for any
quantity c so far and any q more,

    amount(c + q) <= amount(c) + reserve(c) + q * slope

so that what the calls of a period were held for, together with the reserve, is never less than
what the bill will say.

Amounts are nano-units, unrounded (billing/money.py rounds, once, per invoice line). Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.errors import AppError

_DEAREST = 10**15  # a million for one unit: anything above is a slip of the pen
_MOST_TIERS = 50


class PriceInvalid(AppError):
    """A price that is negative, absurd or contradicts itself."""

    status = 400
    type = "invalid_request_error"
    code = "price_invalid"


@dataclass(frozen=True, slots=True)
class PerUnit:
    """Every unit costs the same; `unit` in nano-units."""

    unit: int

    def __post_init__(self) -> None:
        _require_amount(self.unit)


@dataclass(frozen=True, slots=True)
class Package:
    """Sold in packages of `size` units at `amount` nano-units; a begun package is paid whole."""

    size: int
    amount: int

    def __post_init__(self) -> None:
        _require_amount(self.amount)
        if not 0 < self.size <= 10**12:
            raise PriceInvalid("A package holds 1 to 10^12 units.")


@dataclass(frozen=True, slots=True)
class Tier:
    """Units up to and including `up_to` (None: all further ones) at `unit` nano-units each.

    `flat` nano-units are paid once in a period, with the first unit within the tier.
    """

    up_to: int | None
    unit: int
    flat: int = 0

    def __post_init__(self) -> None:
        _require_amount(self.unit)
        _require_amount(self.flat, 10**18)


@dataclass(frozen=True, slots=True)
class Graduated:
    """Each unit costs what the tier says that it falls into."""

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        _require_tiers(self.tiers)


@dataclass(frozen=True, slots=True)
class Volume:
    """All units cost what the tier says that the whole quantity reaches.

    Never dearer with more, or units that were held at the lower price would rise afterwards and
    no cap could hold; and without flat amounts, for the same reason.
    """

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        _require_tiers(self.tiers)
        units = [tier.unit for tier in self.tiers]
        if units != sorted(units, reverse=True) or any(tier.flat for tier in self.tiers):
            raise PriceInvalid("Volume tiers become cheaper with more, and have no flat amounts.")


Price = PerUnit | Package | Graduated | Volume


def amount_of(price: Price, quantity: int) -> int:
    """What so many units cost in one period, in nano-units."""
    match price:
        case PerUnit(unit):
            return quantity * unit
        case Package(size, amount):
            return -(-quantity // size) * amount
        case Graduated(tiers):
            return _graduated(tiers, quantity)
    return quantity * _reached(price.tiers, quantity).unit


def slope_of(price: Price) -> int:
    """The most that a further unit is held for, in nano-units."""
    match price:
        case PerUnit(unit):
            return unit
        case Package(size, amount):
            return -(-amount // size)
    return max(tier.unit for tier in price.tiers)


def reserve_of(price: Price, quantity: int) -> int:
    """What is held beside the units: amounts that may fall due with the next unit."""
    match price:
        case Package(_, amount):
            return amount
        case PerUnit() | Volume():
            return 0
    return sum(tier.flat for tier in price.tiers) - _flats(price.tiers, quantity)


def _graduated(tiers: Sequence[Tier], quantity: int) -> int:
    total, below = _flats(tiers, quantity), 0
    for tier in tiers:
        top = quantity if tier.up_to is None else min(quantity, tier.up_to)
        total += max(0, top - below) * tier.unit
        below = top
    return total


def _flats(tiers: Sequence[Tier], quantity: int) -> int:
    """The flat amounts of the tiers that so many units reach into."""
    starts = [0, *(tier.up_to or 0 for tier in tiers[:-1])]
    pairs = zip(tiers, starts, strict=True)
    return sum(tier.flat for tier, start in pairs if quantity > start)


def _reached(tiers: Sequence[Tier], quantity: int) -> Tier:
    return next(tier for tier in tiers if tier.up_to is None or quantity <= tier.up_to)


def _require_amount(nano: int, most: int = _DEAREST) -> None:
    if type(nano) is not int or not 0 <= nano <= most:
        raise PriceInvalid("A price is a whole number of nano-units, not negative and not absurd.")


def _require_tiers(tiers: Sequence[Tier]) -> None:
    bounds = [tier.up_to for tier in tiers]
    if not 0 < len(tiers) <= _MOST_TIERS or bounds[-1] is not None or None in bounds[:-1]:
        raise PriceInvalid(f"Tiers are 1 to {_MOST_TIERS}, and only the last has no `up_to`.")
    ends = [bound for bound in bounds if bound is not None]
    if any(end <= start for start, end in zip([0, *ends], ends, strict=False)):
        raise PriceInvalid("Each tier ends above the one before.")
