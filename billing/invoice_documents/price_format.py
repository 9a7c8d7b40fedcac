"""Price formatting: exact decimals for programs, and texts as in a price list for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billing.invoice_documents.translations import translate
from billing.money import nano_text
from billing.rating.price_kinds.price import Price

# Prices are listed per million tokens, per row, image or outcome, and per minute of training.
_LISTED_UNITS: Mapping[str, int] = {
    "rows": 1,
    "images": 1,
    "outcomes": 1,
    "adaptation_seconds": 60,
}
_MILLION = 1_000_000


def price_to_json(price: Price) -> dict[str, Any]:
    """Return a price as JSON, with amounts per unit as decimal text of the major unit."""
    return price.to_json(nano_text)


def format_price(price: Price, meter: str, locale: str) -> str:
    """Format a price as in a price list: `0.50 / 1,000,000`, or `0.60 / 60 s`."""
    return price.as_text(MeterPriceFormatter(meter, locale))


@dataclass(frozen=True, slots=True)
class MeterPriceFormatter:
    """Formats prices of one meter in one locale (implements PriceFormatter)."""

    meter: str
    locale: str

    @property
    def listed_units(self) -> str:
        return self.units(self._listed_quantity)

    def listed_amount(self, unit: int) -> str:
        return self.amount(unit * self._listed_quantity)

    def amount(self, nano: int) -> str:
        return format_short_amount(nano)

    def units(self, quantity: int) -> str:
        """Format a number of units, with `s` for seconds, which could be taken for minutes."""
        text = f"{quantity:,}"
        return self.phrase("seconds", units=text) if self.meter == "adaptation_seconds" else text

    def phrase(self, key: str, **values: str) -> str:
        return translate(self.locale, key, **values)

    @property
    def _listed_quantity(self) -> int:
        return _LISTED_UNITS.get(self.meter, _MILLION)


def format_short_amount(nano: int) -> str:
    """Format nano-units without trailing zeros but with at least two decimals: `0.50`."""
    whole, _, rest = nano_text(nano).partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"


def format_percent(ppm: int) -> str:
    """Format parts per million as a percentage: 60,000 gives `6`."""
    whole, rest = divmod(ppm, 10_000)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")
