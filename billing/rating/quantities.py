"""Rating: quantities times unit prices, exactly.

Owns the meters, which are the fields of Quantities in their order, and the one function that prices
a hold, a quote, the running total and an invoice line. Pure: no clock, no database, no rounding
(billing/money.py rounds, once, per invoice line).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import attrgetter


@dataclass(frozen=True, slots=True)
class Quantities:
    """What a call consumed, by meter. None means unknown, which is not zero.

    cached_input_tokens are a part of input_tokens, as in OpenAI's `prompt_tokens_details`. `images`
    are pictures that a specialist judged, `adaptation_seconds` the time that adapting one took.
    """

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    rows: int | None = None
    images: int | None = None
    adaptation_seconds: int | None = None

    def __post_init__(self) -> None:
        for units in _EACH(self):
            if units is not None and units < 0:
                raise ValueError("a quantity cannot be negative")
        if (self.cached_input_tokens or 0) > (self.input_tokens or 0):
            raise ValueError("cached input tokens are a part of the input tokens")

    def __add__(self, other: "Quantities") -> "Quantities":
        """Both together; what is unknown adds nothing."""
        return Quantities(*(self.of(meter) + other.of(meter) for meter in METERS))

    def of(self, meter: str) -> int:
        """The units of a meter; what is unknown counts nothing."""
        units: int | None = getattr(self, meter)
        return units or 0

    @property
    def tokens(self) -> int:
        """All tokens, as rates count them; what is unknown counts nothing."""
        return (self.input_tokens or 0) + (self.output_tokens or 0)


METERS = tuple(field.name for field in fields(Quantities))
# No matter of tokens: an answer cannot be made shorter by them.
WHOLE = tuple(meter for meter in METERS if not meter.endswith("_tokens"))
NO_UNITS: Mapping[str, int] = dict.fromkeys(METERS, 0)
_EACH = attrgetter(*METERS)
NOTHING = Quantities()


def units_by_meter(quantities: Quantities, prices: Mapping[str, int]) -> dict[str, int]:
    """The units of each meter as `rate` counts them: cached input tokens are input tokens, unless
    they have a price of their own."""
    units = {meter: units or 0 for meter, units in zip(METERS, _EACH(quantities), strict=True)}
    if "cached_input_tokens" in prices:
        units["input_tokens"] -= units["cached_input_tokens"]
    else:
        units["cached_input_tokens"] = 0
    return units


def call_cost(
    quantities: Quantities, prices: Mapping[str, int], covered: Mapping[str, int] = NO_UNITS
) -> int:
    """What a call costs: its quantities at their unit prices, less the covered units by meter.

    The only function that gives a usage row its cost: what it says can be computed again from the
    row's quantities, its covered units and the terms it names.
    """
    return rate(quantities, prices) - sum(
        units * prices.get(meter, 0) for meter, units in covered.items()
    )


def rate(quantities: Quantities, prices: Mapping[str, int]) -> int:
    """The cost in nano-units of the prices' currency.

    `prices` maps a meter's name to nano-units for one unit. A meter without a price costs
    nothing, but cached input tokens without a price of their own cost as other input tokens.
    """
    cost = 0
    for meter, price in prices.items():
        cost += (getattr(quantities, meter) or 0) * price
    if "cached_input_tokens" in prices:
        # They were counted among the input tokens too, whose price they do not have.
        cost -= (quantities.cached_input_tokens or 0) * prices.get("input_tokens", 0)
    return cost
