"""Parser for prices in TOML and JSON files of plans and outcome contracts.

Amounts are decimal strings for `per` units. The price kinds are defined in
billing/rating/prices.py.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from billing.money import PPM, nano_from_text
from billing.rating.prices import Graduated, Package, PerUnit, Price, Tier, Volume

# The fields of each price kind. Fields of other kinds are rejected, as they would be ignored.
_FIELDS_BY_KIND = {
    "per_unit": {"price", "per"},
    "package": {"price", "size"},
    "graduated": {"tiers", "per"},
    "volume": {"tiers", "per"},
}
_OPTIONAL_FIELDS = {"per"}
_FIELD_DEFAULTS: Mapping[str, object] = {"price": None, "per": 1, "size": None, "tiers": []}


class TierFields(msgspec.Struct, forbid_unknown_fields=True):
    """A tier of a graduated or volume price, as written in a file."""

    price: str
    up_to: int | None = None
    flat: str = "0"


class PriceFields(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A price of any kind, as written in a file. `kind` decides which fields are required."""

    kind: str = "per_unit"
    per: int = 1
    price: str | None = None
    size: int | None = None
    tiers: list[TierFields] = []


def price_from_fields(file: PriceFields) -> Price:
    """Convert a price's file fields into a price. Raises ValueError, PriceInvalid."""
    _require_fields(file)
    match file.kind:
        case "per_unit":
            return PerUnit(_parse_unit_price(file.price, file.per))
        case "package":
            return Package(file.size or 0, nano_from_text(file.price or ""))
        case "graduated":
            return Graduated(_parse_tiers(file))
    return Volume(_parse_tiers(file))


def ppm_from_percent(percent: str) -> int:
    """Convert a percentage such as `12.5` to parts per million. Raises ValueError."""
    ppm = Decimal(nano_from_text(percent)) * PPM / 100 / 10**9
    if ppm != int(ppm):
        raise ValueError("a percentage can have at most 4 decimal places")
    return int(ppm)


def _require_fields(file: PriceFields) -> None:
    if file.kind not in _FIELDS_BY_KIND:
        raise ValueError("`kind` must be per_unit, package, graduated or volume")
    for name, default in _FIELD_DEFAULTS.items():
        is_set, is_required = getattr(file, name) != default, name in _FIELDS_BY_KIND[file.kind]
        if is_set and not is_required:
            raise ValueError(f"a price of kind {file.kind} does not have the field `{name}`")
        if is_required and not is_set and name not in _OPTIONAL_FIELDS:
            raise ValueError(f"a price of kind {file.kind} needs the field `{name}`")


def _parse_tiers(file: PriceFields) -> tuple[Tier, ...]:
    return tuple(
        Tier(tier.up_to, _parse_unit_price(tier.price, file.per), nano_from_text(tier.flat))
        for tier in file.tiers
    )


def _parse_unit_price(text: str | None, per: int) -> int:
    nano = nano_from_text(text or "")
    if per <= 0 or nano % per:
        raise ValueError(f"{text} for {per} units is not a whole number of nano-units per unit")
    return nano // per
