"""Metered quantities of a call and their cost at unit prices.

The meters are the fields of `Quantities` but reasoning_tokens, in that order. `rate` prices
reservations, quotes and running totals alike. Costs are unrounded; billing/money.py rounds once per
invoice line.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from operator import attrgetter

from infra.frozen import frozen_dataclass


@frozen_dataclass(frozen=True, slots=True)
class Quantities:
    """The metered units of a call. None means unknown, which is different from zero.

    cached_input_tokens are a part of input_tokens, as in OpenAI's `prompt_tokens_details`. `rows`
    and `images` are inputs of specialist models, `adaptation_seconds` is fine-tuning time,
    `readings` are stored readings of plant points. reasoning_tokens are a part of output_tokens and
    no meter: they are information, priced as output tokens and never by themselves.
    """

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    rows: int | None = None
    images: int | None = None
    adaptation_seconds: int | None = None
    readings: int | None = None
    reasoning_tokens: int | None = None

    def __post_init__(self) -> None:
        for units in _ALL_UNITS(self):
            if units is not None and units < 0:
                raise ValueError("a quantity cannot be negative")
        if (self.cached_input_tokens or 0) > (self.input_tokens or 0):
            raise ValueError("cached input tokens are a part of the input tokens")
        if not 0 <= (self.reasoning_tokens or 0) <= (self.output_tokens or 0):
            raise ValueError("reasoning tokens are a part of the output tokens")

    def __add__(self, other: "Quantities") -> "Quantities":
        """Add two quantities meter by meter; unknown counts as zero.

        Reasoning tokens stay unknown if both are unknown.
        """
        units = (self.get(meter) + other.get(meter) for meter in METERS)
        reasoning = sum_known((self.reasoning_tokens, other.reasoning_tokens))
        return replace(Quantities(*units), reasoning_tokens=reasoning)

    def with_output_tokens(self, output_tokens: int) -> "Quantities":
        """Return the quantities with fewer output tokens, and no more reasoning tokens than that.

        Thoughts come first, so they are kept before the answer.
        """
        known = self.reasoning_tokens
        reasoning = None if known is None else min(known, output_tokens)
        return replace(self, output_tokens=output_tokens, reasoning_tokens=reasoning)

    def get(self, meter: str) -> int:
        """Return the units of a meter; unknown counts as zero."""
        units: int | None = getattr(self, meter)
        return units or 0

    @property
    def tokens(self) -> int:
        """Input plus output tokens, as counted for rate limits; unknown counts as zero."""
        return (self.input_tokens or 0) + (self.output_tokens or 0)


# The column of a usage row beside those of the meters.
REASONING_TOKENS = "reasoning_tokens"
METERS = tuple(field.name for field in fields(Quantities) if field.name != REASONING_TOKENS)
# Meters that shortening the output does not reduce.
NON_TOKEN_METERS = tuple(meter for meter in METERS if not meter.endswith("_tokens"))
NO_UNITS: Mapping[str, int] = dict.fromkeys(METERS, 0)
_ALL_UNITS = attrgetter(*METERS)
NO_USAGE = Quantities()


def sum_known(values: Iterable[int | None]) -> int | None:
    """Return the sum of the known values; None if none is known."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def units_by_meter(quantities: Quantities, prices: Mapping[str, int]) -> dict[str, int]:
    """Return the units of each meter that calls are charged for under `prices`.

    Cached input tokens count as input tokens unless they have their own price.
    """
    units = {meter: units or 0 for meter, units in zip(METERS, _ALL_UNITS(quantities), strict=True)}
    if "cached_input_tokens" in prices:
        units["input_tokens"] -= units["cached_input_tokens"]
    else:
        units["cached_input_tokens"] = 0
    return units


def call_cost(
    quantities: Quantities, prices: Mapping[str, int], covered: Mapping[str, int] = NO_UNITS
) -> int:
    """Return the cost of a call in nano-units: quantities times unit prices, less covered units.

    The only function that computes the cost of a usage row, so the cost can be verified from the
    row's quantities, covered units and terms.
    """
    if covered is NO_UNITS:
        return rate(quantities, prices)
    return rate(quantities, prices) - sum(
        units * prices.get(meter, 0) for meter, units in covered.items()
    )


def rate(quantities: Quantities, prices: Mapping[str, int]) -> int:
    """Return quantities times unit prices, in nano-units.

    `prices` maps a meter to nano-units per unit. A meter without a price is free, except that
    cached input tokens without their own price are charged as input tokens.
    """
    cost = 0
    for meter, price in prices.items():
        cost += (getattr(quantities, meter) or 0) * price
    if "cached_input_tokens" in prices:
        # Input tokens include the cached ones, which were charged above at the input price.
        cost -= (quantities.cached_input_tokens or 0) * prices.get("input_tokens", 0)
    return cost
