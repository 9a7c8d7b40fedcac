"""Usage and remaining units of a plan's allowances (included units) in a billing period."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from billing.rating.statement import (
    NO_EXTRA_UNITS,
    AllowanceUsage,
    ExtraUnits,
    ModelUsage,
    allowance_usage,
    unit_prices,
)
from billing.rating.terms import Allowance, PlanTerms


@dataclass(frozen=True, slots=True)
class AllowanceBalance:
    """An allowance with its prorated quantity and the units used so far, by unit price.

    `by_price` maps the unit price in nano-units to used units. Units of free meters are left out.
    """

    allowance: Allowance
    quantity: int
    by_price: Mapping[int, int]

    @property
    def remaining(self) -> int:
        """Unused units of the prorated quantity; further calls may use them in any order."""
        return self.quantity - sum(self.by_price.values())

    def displacement_cost(self, units: int) -> int:
        """Return the cost (nano-units) of `units` covered units if other calls take the coverage.

        As on the invoice, the units with the lowest unit price lose their coverage first.
        """
        total = 0
        for price, used in sorted(self.by_price.items()):
            moved = min(units, used)
            total, units = total + moved * price, units - moved
        return total


def allowance_balances(
    terms: PlanTerms,
    share: Fraction,
    consumed: Iterable[ModelUsage],
    extra: ExtraUnits = NO_EXTRA_UNITS,
) -> list[AllowanceBalance]:
    """Return the balance of each allowance of the terms after the usage so far.

    `share` is the part of the billing period in which the terms are in force; add-ons include
    `extra` units.
    """
    if not terms.allowances:
        return []
    models = {usage.model for usage in terms.prices}
    prices = {model: unit_prices(terms, model) for model in models}
    usages = allowance_usage(terms, share, consumed, extra)
    return [_allowance_balance(usage, prices) for usage in usages]


def _allowance_balance(
    usage: AllowanceUsage, prices: Mapping[str, Mapping[str, int]]
) -> AllowanceBalance:
    """Return an allowance's balance, with its used units grouped by unit price."""
    by_price: Counter[int] = Counter()
    for (model, meter), units in usage.units.items():
        if prices[model][meter]:
            by_price[prices[model][meter]] += units
    return AllowanceBalance(usage.allowance, usage.quantity, by_price)
