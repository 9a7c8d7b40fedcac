"""Graduated price: each unit is charged at the price of the tier it falls into."""

from dataclasses import dataclass
from typing import ClassVar

from billing.rating.price_kinds.tiers import TieredPrice
from infra.translations import gettext_noop


@dataclass(frozen=True, slots=True)
class Graduated(TieredPrice):
    """A graduated price. The flat amount of a tier is charged with the first unit in it."""

    kind: ClassVar[str] = "graduated"
    text: ClassVar[str] = gettext_noop("Per {units}, each unit at the price of its tier: {tiers}")

    def amount(self, quantity: int) -> int:
        """Return the cost of the units, each at its tier, and of flat amounts, in nano-units."""
        total, below = self._flat_amounts(quantity), 0
        for tier in self.tiers:
            top = quantity if tier.up_to is None else min(quantity, tier.up_to)
            total += max(0, top - below) * tier.unit
            below = top
        return total

    def reserve(self, quantity: int) -> int:
        """Return the flat amounts of the tiers that are not reached yet, in nano-units."""
        return sum(tier.flat for tier in self.tiers) - self._flat_amounts(quantity)

    def _flat_amounts(self, quantity: int) -> int:
        """Return the sum of the flat amounts of the tiers that a quantity reaches."""
        starts = [0, *(tier.up_to or 0 for tier in self.tiers[:-1])]
        pairs = zip(self.tiers, starts, strict=True)
        return sum(tier.flat for tier, start in pairs if quantity > start)
