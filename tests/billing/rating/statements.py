"""Helpers for statement tests: plans, and the amounts of their lines in minor units."""

from fractions import Fraction
from typing import Any

from billing.rating.price_kinds.price import Price
from billing.rating.price_kinds.tiers import Tier
from billing.rating.statement import ModelUsage, usage_lines
from billing.rating.terms import ModelPrice, PlanTerms

FEN = 10_000_000
WHOLE, TEN_DAYS = Fraction(1), Fraction(10, 31)
# In fen: 1 to 10 at 5 each, 11 and more at 3; the volume price says so of all units.
TIERS = (Tier(10, 5 * FEN), Tier(None, 3 * FEN))


def plan(prices: dict[str, Price], **others: Any) -> PlanTerms:
    """Build terms from prices by model (meter: rows) or by `model:meter`."""
    made = []
    for place, price in prices.items():
        model, _, meter = place.partition(":")
        made.append(ModelPrice(model, meter or "rows", price))
    values = {"plan": "p", "names": {"en": "P", "zh": "P"}, "currency": "CNY", **others}
    return PlanTerms(prices=tuple(made), **values)


def minors(terms: PlanTerms, *consumed: ModelUsage, share: Fraction = WHOLE) -> list[int]:
    return [line.minor for line in usage_lines(terms, share, consumed)]
