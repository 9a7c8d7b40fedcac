"""Prices in writing: for programs as exact decimals, for people as a price list says them.

Pure.
"""

from collections.abc import Mapping
from typing import Any

from billing.invoice_documents.translations import say
from billing.money import nano_text
from billing.rating.prices import Graduated, Package, PerUnit, Price, Tier, Volume

# Tokens are listed by the million, what is rarer one by one, adaptation by the minute.
_LISTED_FOR: Mapping[str, int] = {"rows": 1, "images": 1, "outcomes": 1, "adaptation_seconds": 60}
_MILLION = 1_000_000


def price_decimals(price: Price) -> dict[str, Any]:
    """A price with its amounts as decimal text of the major unit, for one unit each."""
    match price:
        case PerUnit(unit):
            return {"kind": "per_unit", "unit": nano_text(unit)}
        case Package(size, amount):
            return {"kind": "package", "size": size, "amount": nano_text(amount)}
    return {"kind": _kind(price), "tiers": [_tier_decimals(tier) for tier in price.tiers]}


def price_words(price: Price, meter: str, locale: str) -> str:
    """The price as people read it: `0.50 / 1,000,000`, or `0.60 / 60 s`."""
    listed = _LISTED_FOR.get(meter, _MILLION)
    units = _units_words(listed, meter, locale)
    match price:
        case PerUnit(unit):
            return say(locale, "per_unit", price=short(unit * listed), units=units)
        case Package(size, amount):
            sold = _units_words(size, meter, locale)
            return say(locale, "package", price=short(amount), units=sold)
    tiers = "".join(_tier_words(tier, meter, listed, locale) for tier in price.tiers)
    return say(locale, _kind(price), tiers=tiers, units=units)


def short(nano: int) -> str:
    """An amount without the zeros that say nothing, but with two decimals: `0.50`."""
    whole, _, rest = nano_text(nano).partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"


def percent(ppm: int) -> str:
    """Parts per million as a percentage: 60,000 gives `6`."""
    whole, rest = divmod(ppm, 10_000)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")


def _kind(price: Graduated | Volume) -> str:
    return "graduated" if isinstance(price, Graduated) else "volume"


def _tier_decimals(tier: Tier) -> dict[str, Any]:
    return {"up_to": tier.up_to, "unit": nano_text(tier.unit), "flat": nano_text(tier.flat)}


def _tier_words(tier: Tier, meter: str, listed: int, locale: str) -> str:
    price = short(tier.unit * listed)
    if tier.flat:
        price += say(locale, "flat", flat=short(tier.flat))
    if tier.up_to is None:
        return say(locale, "last_tier", price=price)
    return say(locale, "tier", up_to=_units_words(tier.up_to, meter, locale), price=price)


def _units_words(units: int, meter: str, locale: str) -> str:
    """How many, and of what where a bare number could be taken for minutes."""
    told = f"{units:,}"
    return say(locale, "seconds", units=told) if meter == "adaptation_seconds" else told
