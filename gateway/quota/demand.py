"""Demand: the most that a call can consume, and what that is of each quota it is under.

Prices with the same function as the bill; units that the plan includes cost nothing. Where a quota
cannot give the whole, the answer is made shorter, down to `floor` tokens; a call whose output is no
matter of tokens is taken whole or not.

Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from billing.metering.quotas import QuotaRef
from billing.rating.quantities import METERS, NOTHING, Quantities, rate
from billing.tables import QuotaKind
from gateway.call.reservation import Part
from gateway.quota.allowance import NO_COVER, Cover, cover, covered

# Looked up once: an enumeration's members cost as much as the sums here.
_CREDIT, _BUDGET = QuotaKind.CREDIT, QuotaKind.BUDGET
_REQUESTS, _TOKENS, _STREAMS = QuotaKind.REQUESTS, QuotaKind.TOKENS, QuotaKind.STREAMS


@dataclass(frozen=True, slots=True)
class Demand:
    """`output_tokens` at most, over all choices; `floor` is the least that is worth having, and
    `whole` what is no matter of tokens.

    `included` are the allowances that it may take from, and `cover` what it takes.
    """

    input_tokens: int
    output_tokens: int
    floor: int
    streams: int
    requests: int
    prices: Mapping[str, int]
    quotas: Sequence[QuotaRef]
    whole: Quantities = NOTHING
    included: Sequence[QuotaRef] = ()
    cover: Cover = NO_COVER

    @property
    def cost(self) -> int:
        """The worst case in nano-units."""
        if self.cover:
            return self._uncovered_cost()
        return worst_cost(self.most, self.prices)

    @property
    def most(self) -> Quantities:
        """All that it can consume, where no token comes from a cache."""
        return replace(self.whole, input_tokens=self.input_tokens, output_tokens=self.output_tokens)

    @property
    def needs(self) -> dict[str, int]:
        """The most units of each meter. The prompt may come from a cache or not, so where that has
        a price of its own it is needed of both."""
        most = self.most
        needs = {meter: most.of(meter) for meter in METERS}
        if self._cache_is_apart:
            needs["cached_input_tokens"] = self.input_tokens
        return needs

    def covered(self, free: Mapping[str, int]) -> "Demand":
        """The same call with as much of what is free of its allowances as it can use."""
        return replace(self, cover=cover(self.needs, self.included, free))

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
        parts = [(quota, units[quota.kind]) for quota in self.quotas if units[quota.kind]]
        if self.cover:
            parts += self.cover
        return parts

    @property
    def least(self) -> "Demand":
        """The same call with the shortest answer."""
        return replace(self, output_tokens=min(self.floor, self.output_tokens))

    def within(self, free: Mapping[str, int]) -> "Demand | None":
        """The longest answer that what is free allows, covered as far as that goes; None where not
        even the floor is. Of a quota of which nothing is needed nothing must be there."""
        whole = self.covered(free) if self.included else self
        output, least = self.output_tokens, whole.least.units
        for quota, _ in self.parts:
            left = max(0, free[quota.id]) - least[quota.kind]
            if left < 0:
                return None
            output = min(output, whole._affordable(quota.kind, left))
        fitting = replace(self, output_tokens=output)
        return fitting.covered(free) if self.included else fitting

    def costing(self, most: int) -> "Demand | None":
        """The longest answer that costs no more; None where not even the floor does."""
        if self.cost <= most:
            return self
        left = most - self.least.cost
        if left < 0 or not self.prices.get("output_tokens", 0):
            return None
        return replace(self, output_tokens=self._affordable(QuotaKind.CREDIT, left))

    def _affordable(self, kind: QuotaKind, left: int) -> int:
        """Output tokens, beyond the floor's units, that `left` more units of a quota allow."""
        least = self.least.output_tokens
        if kind is QuotaKind.TOKENS:
            return least + left
        if not kind.money:
            return self.output_tokens
        price = self.prices.get("output_tokens", 0)
        free = covered(self.cover)["output_tokens"] if self.cover else 0
        return self.output_tokens if price == 0 else max(least, free) + left // price

    @property
    def _cache_is_apart(self) -> bool:
        return "cached_input_tokens" in self.prices

    def _uncovered_cost(self) -> int:
        """What is not covered, as if all of the prompt came from the cache or as if none did:
        anything between the two costs no more than the dearer."""
        left, prices = self.needs, self.prices
        for meter, units in covered(self.cover).items():
            left[meter] = max(0, left[meter] - units)
        read = left.pop("cached_input_tokens")
        rest = Quantities(**left)
        cost = rate(rest, prices)
        if not self._cache_is_apart:
            return cost
        return max(cost, rate(replace(rest, input_tokens=read, cached_input_tokens=read), prices))


def worst_cost(most: Quantities, prices: Mapping[str, int]) -> int:
    """What so much costs at most; whether tokens will come from a cache is not known before."""
    dear = prices.get("cached_input_tokens", 0) > prices.get("input_tokens", 0)
    return rate(replace(most, cached_input_tokens=most.input_tokens) if dear else most, prices)
