"""Price formatting: exact decimals for programs, and texts as in a price list for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from babel.numbers import format_currency

from billing.invoice_documents.translations import translate
from billing.money import nano_text
from billing.rating.price_kinds.price import Price
from infra.translations import BABEL_LOCALES

# Prices are listed per million tokens or readings, per row, image or outcome, and per minute of
# training.
# By meter: how many units, and the translation keys of that quantity and of a number of units.
_LISTED_UNITS: Mapping[str, tuple[int, str, str]] = {
    "rows": (1, "per_row", "row_count"),
    "images": (1, "per_image", "image_count"),
    "outcomes": (1, "per_outcome", "outcome_count"),
    "adaptation_seconds": (60, "per_minute", "second_count"),
    "readings": (1_000_000, "per_million_readings", "reading_count"),
}
_TOKENS = (1_000_000, "per_million_tokens", "token_count")


def price_to_json(price: Price) -> dict[str, Any]:
    """Return a price as JSON, with amounts per unit as decimal text of the major unit."""
    return price.to_json(nano_text)


def format_price(price: Price, meter: str, currency: str, locale: str) -> str:
    """Format a price as in a price list: `CN¥0.50 per 1M tokens`, or `CN¥0.60 per minute`."""
    return price.as_text(MeterPriceFormatter(meter, currency, locale))


@dataclass(frozen=True, slots=True)
class MeterPriceFormatter:
    """Formats prices of one meter in one currency and locale (implements PriceFormatter)."""

    meter: str
    currency: str
    locale: str

    @property
    def listed_units(self) -> str:
        """The quantity that a listed price is for: `row`, `1M tokens`, `minute`."""
        return self.phrase(_LISTED_UNITS.get(self.meter, _TOKENS)[1])

    def listed_amount(self, unit: int) -> str:
        """Format the listed price of `unit` nano-units per unit of the meter."""
        return self.amount(unit * _LISTED_UNITS.get(self.meter, _TOKENS)[0])

    def amount(self, nano: int) -> str:
        """Format nano-units with the currency: two decimals, more only if they are not zero."""
        return format_currency(
            Decimal(nano_text(nano)),
            self.currency,
            "¤#,##0.00#######",
            locale=BABEL_LOCALES[self.locale],
            currency_digits=False,
        )

    def units(self, quantity: int) -> str:
        """Format a number of units: `1,000 rows`, `60 s`."""
        return self.phrase(_LISTED_UNITS.get(self.meter, _TOKENS)[2], units=f"{quantity:,}")

    def phrase(self, key: str, **values: str) -> str:
        """Return the text of a translation key."""
        return translate(self.locale, key, **values)


def format_short_amount(nano: int) -> str:
    """Format nano-units without trailing zeros but with at least two decimals: `0.50`."""
    whole, _, rest = nano_text(nano).partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"


def format_percent(ppm: int) -> str:
    """Format parts per million as a percentage: 60,000 gives `6`."""
    whole, rest = divmod(ppm, 10_000)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")
