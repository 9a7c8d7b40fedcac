"""Price formatting: exact decimals for programs, and texts as in a price list for people."""

from collections.abc import Mapping
from typing import Any

from billing.invoice_documents.translations import translate
from billing.money import nano_text
from billing.rating.prices import Graduated, Package, PerUnit, Price, Tier, Volume

# Prices are listed per million tokens, per row, image or outcome, and per minute of training.
_DISPLAY_UNITS: Mapping[str, int] = {
    "rows": 1,
    "images": 1,
    "outcomes": 1,
    "adaptation_seconds": 60,
}
_MILLION = 1_000_000


def price_to_json(price: Price) -> dict[str, Any]:
    """Return a price as JSON, with amounts per unit as decimal text of the major unit."""
    match price:
        case PerUnit(unit):
            return {"kind": "per_unit", "unit": nano_text(unit)}
        case Package(size, amount):
            return {"kind": "package", "size": size, "amount": nano_text(amount)}
    return {"kind": _tier_mode(price), "tiers": [_tier_to_json(tier) for tier in price.tiers]}


def format_price(price: Price, meter: str, locale: str) -> str:
    """Format a price as in a price list: `0.50 / 1,000,000`, or `0.60 / 60 s`."""
    display_units = _DISPLAY_UNITS.get(meter, _MILLION)
    units = _format_units(display_units, meter, locale)
    match price:
        case PerUnit(unit):
            return translate(
                locale, "per_unit", price=format_short_amount(unit * display_units), units=units
            )
        case Package(size, amount):
            sold = _format_units(size, meter, locale)
            return translate(locale, "package", price=format_short_amount(amount), units=sold)
    tiers = "".join(_format_tier(tier, meter, display_units, locale) for tier in price.tiers)
    return translate(locale, _tier_mode(price), tiers=tiers, units=units)


def format_short_amount(nano: int) -> str:
    """Format nano-units without trailing zeros but with at least two decimals: `0.50`."""
    whole, _, rest = nano_text(nano).partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"


def format_percent(ppm: int) -> str:
    """Format parts per million as a percentage: 60,000 gives `6`."""
    whole, rest = divmod(ppm, 10_000)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")


def _tier_mode(price: Graduated | Volume) -> str:
    return "graduated" if isinstance(price, Graduated) else "volume"


def _tier_to_json(tier: Tier) -> dict[str, Any]:
    return {"up_to": tier.up_to, "unit": nano_text(tier.unit), "flat": nano_text(tier.flat)}


def _format_tier(tier: Tier, meter: str, display_units: int, locale: str) -> str:
    price = format_short_amount(tier.unit * display_units)
    if tier.flat:
        price += translate(locale, "flat", flat=format_short_amount(tier.flat))
    if tier.up_to is None:
        return translate(locale, "last_tier", price=price)
    return translate(locale, "tier", up_to=_format_units(tier.up_to, meter, locale), price=price)


def _format_units(units: int, meter: str, locale: str) -> str:
    """Format a number of units, with `s` for seconds, which could be taken for minutes."""
    text = f"{units:,}"
    return translate(locale, "seconds", units=text) if meter == "adaptation_seconds" else text
