"""Included: what of each allowance the bill so far gives to calls, and at which prices.

Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from billing.rating.statement import AllowanceTaken, Consumed, allowances_taken, held_prices
from billing.rating.terms import Allowance, PlanTerms


@dataclass(frozen=True, slots=True)
class Given:
    """An allowance: how many units it has for the time it holds, and those that are given, by the
    price that they are held at. Units that cost nothing anyway are given none."""

    allowance: Allowance
    quantity: int
    by_price: Mapping[int, int]

    @property
    def left(self) -> int:
        """Units for further calls: whatever order these take them in, the bill can give them."""
        return self.quantity - sum(self.by_price.values())

    def worth(self, units: int) -> int:
        """What calls come to, in nano-units, that have to leave so many of their units to others:
        the bill lets those do it that it costs least."""
        total = 0
        for price, given in sorted(self.by_price.items()):
            moved = min(units, given)
            total, units = total + moved * price, units - moved
        return total


def given(terms: PlanTerms, share: Fraction, consumed: Iterable[Consumed]) -> list[Given]:
    """Each allowance as the usage so far has it."""
    if not terms.allowances:
        return []
    models = {one.model for one in terms.prices}
    prices = {model: held_prices(terms, model) for model in models}
    return [_given(one, prices) for one in allowances_taken(terms, share, consumed)]


def _given(one: AllowanceTaken, prices: Mapping[str, Mapping[str, int]]) -> Given:
    by_price: Counter[int] = Counter()
    for (model, meter), units in one.units.items():
        if prices[model][meter]:
            by_price[prices[model][meter]] += units
    return Given(one.allowance, one.quantity, by_price)
