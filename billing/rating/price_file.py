"""Price files: a price as people write it in TOML or JSON, read into a price kind.

Amounts are decimal texts, for `per` units. Owns a price's fields and their checks, for plans and
outcome contracts alike; what the kinds mean is in billing/rating/prices.py. Pure.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from billing.money import PPM, nano_from_text
from billing.rating.prices import Graduated, Package, PerUnit, Price, Tier, Volume

# What a price of each kind is made of; a field of another kind would be ignored.
_FIELDS = {
    "per_unit": {"price", "per"},
    "package": {"price", "size"},
    "graduated": {"tiers", "per"},
    "volume": {"tiers", "per"},
}
_MAY_BE_LEFT_OUT = {"per"}
_NOT_GIVEN: Mapping[str, object] = {"price": None, "per": 1, "size": None, "tiers": []}


class TierFields(msgspec.Struct, forbid_unknown_fields=True):
    """A tier of a graduated or volume price."""

    price: str
    up_to: int | None = None
    flat: str = "0"


class PriceFields(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A price of any kind; which fields it has depends on that."""

    kind: str = "per_unit"
    per: int = 1
    price: str | None = None
    size: int | None = None
    tiers: list[TierFields] = []


def price_of(file: PriceFields) -> Price:
    """Raises ValueError, PriceInvalid."""
    _require_fields(file)
    match file.kind:
        case "per_unit":
            return PerUnit(_unit(file.price, file.per))
        case "package":
            return Package(file.size or 0, nano_from_text(file.price or ""))
        case "graduated":
            return Graduated(_tiers(file))
    return Volume(_tiers(file))


def ppm_from_text(percent: str) -> int:
    """Parts per million of `12.5`. Raises ValueError."""
    ppm = Decimal(nano_from_text(percent)) * PPM / 100 / 10**9
    if ppm != int(ppm):
        raise ValueError("a percentage has at most 4 decimal places")
    return int(ppm)


def _require_fields(file: PriceFields) -> None:
    if file.kind not in _FIELDS:
        raise ValueError("`kind` is per_unit, package, graduated or volume")
    for name, default in _NOT_GIVEN.items():
        given, wanted = getattr(file, name) != default, name in _FIELDS[file.kind]
        if given and not wanted:
            raise ValueError(f"a price of kind {file.kind} has no `{name}`")
        if wanted and not given and name not in _MAY_BE_LEFT_OUT:
            raise ValueError(f"a price of kind {file.kind} needs `{name}`")


def _tiers(file: PriceFields) -> tuple[Tier, ...]:
    return tuple(
        Tier(one.up_to, _unit(one.price, file.per), nano_from_text(one.flat)) for one in file.tiers
    )


def _unit(text: str | None, per: int) -> int:
    nano = nano_from_text(text or "")
    if per <= 0 or nano % per:
        raise ValueError(f"{text} for {per} units is no whole number of nano-units for one")
    return nano // per
