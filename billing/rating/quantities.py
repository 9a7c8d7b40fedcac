"""Rating: quantities times unit prices, exactly.

Owns the one function that prices a hold, a quote, the running total and an invoice line. Pure:
no clock, no database, no rounding (billing/money.py rounds, once, per invoice line).
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quantities:
    """What a call consumed, by meter. None means unknown, which is not zero.

    cached_input_tokens are a part of input_tokens, as in OpenAI's `prompt_tokens_details`.
    """

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    rows: int | None = None

    def __post_init__(self) -> None:
        inputs, cached = self.input_tokens or 0, self.cached_input_tokens or 0
        if inputs < 0 or cached < 0 or (self.output_tokens or 0) < 0 or (self.rows or 0) < 0:
            raise ValueError("a quantity cannot be negative")
        if cached > inputs:
            raise ValueError("cached input tokens are a part of the input tokens")

    def __add__(self, other: "Quantities") -> "Quantities":
        """Both together; what is unknown adds nothing."""
        return Quantities(
            (self.input_tokens or 0) + (other.input_tokens or 0),
            (self.cached_input_tokens or 0) + (other.cached_input_tokens or 0),
            (self.output_tokens or 0) + (other.output_tokens or 0),
            (self.rows or 0) + (other.rows or 0),
        )

    @property
    def tokens(self) -> int:
        """All tokens, as rates count them; what is unknown counts nothing."""
        return (self.input_tokens or 0) + (self.output_tokens or 0)


NOTHING = Quantities()


def units_by_meter(quantities: Quantities, prices: Mapping[str, int]) -> dict[str, int]:
    """The units of each meter as `rate` counts them: cached input tokens are input tokens, unless
    they have a price of their own."""
    cached = (quantities.cached_input_tokens or 0) if "cached_input_tokens" in prices else 0
    return {
        "input_tokens": (quantities.input_tokens or 0) - cached,
        "cached_input_tokens": cached,
        "output_tokens": quantities.output_tokens or 0,
        "rows": quantities.rows or 0,
    }


def rate(quantities: Quantities, prices: Mapping[str, int]) -> int:
    """The cost in nano-units of the prices' currency.

    `prices` maps a meter's name to nano-units for one unit. A meter without a price costs
    nothing, but cached input tokens without a price of their own cost as other input tokens.
    """
    input_price = prices.get("input_tokens", 0)
    cached = quantities.cached_input_tokens or 0
    fresh = (quantities.input_tokens or 0) - cached
    return (
        fresh * input_price
        + cached * prices.get("cached_input_tokens", input_price)
        + (quantities.output_tokens or 0) * prices.get("output_tokens", 0)
        + (quantities.rows or 0) * prices.get("rows", 0)
    )
