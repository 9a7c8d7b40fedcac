"""Formatting of list prices per meter and unit, in one currency."""

from collections.abc import Mapping
from typing import Any

from billing.invoice_documents.price_format import format_short_amount
from billing.money import nano_text

# How many units a listed price is for, and the name of that quantity.
_PRICE_UNITS: Mapping[str, tuple[int, str]] = {
    "input_tokens": (1_000_000, "1M input tokens"),
    "cached_input_tokens": (1_000_000, "1M cached input tokens"),
    "output_tokens": (1_000_000, "1M output tokens"),
    "rows": (1, "row"),
    "images": (1, "image"),
    "adaptation_seconds": (60, "minute of fine-tuning"),
    "readings": (1_000_000, "1M readings"),
}


def price_list(prices: Mapping[str, int], currency: str) -> list[dict[str, Any]]:
    """Return the price of each meter as JSON fields; `prices` are nano-units per unit."""
    return [
        {
            "meter": meter,
            "per": _PRICE_UNITS[meter][0],
            "price": nano_text(nano * _PRICE_UNITS[meter][0]),
            "currency": currency,
        }
        for meter, nano in prices.items()
    ]


def format_prices(prices: Mapping[str, int], currency: str) -> str:
    """Format the prices for terminal output, one per line."""
    lines = [
        f"{currency} {format_short_amount(nano * count)} per {quantity_name}"
        for meter, nano in prices.items()
        for count, quantity_name in (_PRICE_UNITS[meter],)
    ]
    return "\n".join(lines) or f"not available in {currency}"
