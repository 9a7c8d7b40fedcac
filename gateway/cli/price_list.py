"""List prices as a terminal shows them: per meter and unit, in one currency.

Pure.
"""

from collections.abc import Mapping
from typing import Any

from billing.invoice_documents.price_format import short
from billing.money import nano_text

# As price lists name them: how many units one price is for, and what they are called.
_UNITS: Mapping[str, tuple[int, str]] = {
    "input_tokens": (1_000_000, "1M input tokens"),
    "cached_input_tokens": (1_000_000, "1M cached input tokens"),
    "output_tokens": (1_000_000, "1M output tokens"),
    "rows": (1, "row"),
    "images": (1, "image"),
    "adaptation_seconds": (60, "minute of fine-tuning"),
}


def price_list(prices: Mapping[str, int], currency: str) -> list[dict[str, Any]]:
    """Each meter with its price, for programs; `prices` is in nano-units for one unit."""
    return [
        {
            "meter": meter,
            "per": _UNITS[meter][0],
            "price": nano_text(nano * _UNITS[meter][0]),
            "currency": currency,
        }
        for meter, nano in prices.items()
    ]


def price_text(prices: Mapping[str, int], currency: str) -> str:
    """The same for people, one price a line."""
    lines = [
        f"{currency} {short(nano * _UNITS[meter][0])} per {_UNITS[meter][1]}"
        for meter, nano in prices.items()
    ]
    return "\n".join(lines) or "not sold in " + currency
