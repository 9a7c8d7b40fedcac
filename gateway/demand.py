"""Demand: the most that a call can consume, and what that is of each quota it is under.

Prices with the same function as the bill. Where a quota cannot give the whole, the answer is made
shorter, down to `floor` tokens; a call whose output is no matter of tokens is taken whole or not.

Pure. Does not own counting prompts (gateway/tokens.py) nor holding (gateway/holds.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from billing.quotas import QuotaRef
from billing.rating import Quantities, rate
from billing.tables import QuotaKind
from gateway.holds import Part

# Looked up once: an enumeration's members cost as much as the sums here.
_CREDIT, _BUDGET = QuotaKind.CREDIT, QuotaKind.BUDGET
_REQUESTS, _TOKENS, _STREAMS = QuotaKind.REQUESTS, QuotaKind.TOKENS, QuotaKind.STREAMS


@dataclass(frozen=True, slots=True)
class Demand:
    """`output_tokens` at most, over all choices; `floor` is the least that is worth having."""

    input_tokens: int
    output_tokens: int
    floor: int
    rows: int
    streams: int
    requests: int
    prices: Mapping[str, int]
    quotas: Sequence[QuotaRef]

    @property
    def cost(self) -> int:
        """The worst case in nano-units."""
        return worst_cost(self.input_tokens, self.output_tokens, self.rows, self.prices)

    @property
    def units(self) -> dict[QuotaKind, int]:
        """What it takes of a quota of each kind."""
        cost = self.cost
        return {
            _CREDIT: cost,
            _BUDGET: cost,
            _REQUESTS: self.requests,
            _TOKENS: self.input_tokens + self.output_tokens,
            _STREAMS: self.streams,
        }

    @property
    def parts(self) -> list[Part]:
        """The units to hold of each quota."""
        units = self.units
        return [(quota, units[quota.kind]) for quota in self.quotas if units[quota.kind]]

    @property
    def least(self) -> "Demand":
        """The same call with the shortest answer."""
        return replace(self, output_tokens=min(self.floor, self.output_tokens))

    def within(self, free: Mapping[str, int]) -> "Demand | None":
        """The longest answer that what is free allows; None where not even the floor is."""
        output, least = self.output_tokens, self.least.units
        for quota, _ in self.parts:
            left = free[quota.id] - least[quota.kind]
            if left < 0:
                return None
            output = min(output, self._affordable(quota.kind, left))
        return replace(self, output_tokens=output)

    def _affordable(self, kind: QuotaKind, left: int) -> int:
        """Output tokens, beyond the floor's units, that `left` more units of a quota allow."""
        least = self.least.output_tokens
        if kind is QuotaKind.TOKENS:
            return least + left
        if not kind.money:
            return self.output_tokens
        price = self.prices.get("output_tokens", 0)
        return self.output_tokens if price == 0 else least + left // price


def worst_cost(input_tokens: int, output_tokens: int, rows: int, prices: Mapping[str, int]) -> int:
    """What so much costs at most; whether tokens will come from a cache is not known before."""
    fresh = Quantities(input_tokens=input_tokens, output_tokens=output_tokens, rows=rows)
    dear = prices.get("cached_input_tokens", 0) > prices.get("input_tokens", 0)
    return rate(replace(fresh, cached_input_tokens=input_tokens) if dear else fresh, prices)
