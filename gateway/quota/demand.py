"""The worst-case consumption of a call and the units it needs of each quota.

A demand is priced with the same function as the invoice; units that allowances cover cost nothing.
If a quota is short, the answer is shortened down to `min_output_tokens`; a call whose output is not
measured in tokens is admitted in full or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from billing.metering.quotas import QuotaRef
from billing.rating.quantities import METERS, NO_USAGE, Quantities, rate
from billing.tables import QuotaKind
from gateway.call.reservation import QuotaUnits
from gateway.quota.allowance import (
    NO_ALLOWANCE_USE,
    AllowanceUse,
    apply_allowances,
    covered_units_by_meter,
)
from infra.frozen import frozen_dataclass

# Cached: enum attribute access costs as much as the arithmetic here.
_CREDIT, _BUDGET = QuotaKind.CREDIT, QuotaKind.BUDGET
_REQUESTS, _TOKENS, _STREAMS = QuotaKind.REQUESTS, QuotaKind.TOKENS, QuotaKind.STREAMS


@frozen_dataclass(frozen=True, slots=True)
class Demand:
    """The worst-case consumption of a call.

    `output_tokens` and `min_output_tokens` are totals over all choices. `allowances` are the quotas
    of included units that the call may use, `allowance_use` the units that it uses.
    """

    input_tokens: int
    output_tokens: int
    min_output_tokens: int
    streams: int
    requests: int
    prices: Mapping[str, int]
    quotas: Sequence[QuotaRef]
    non_token_units: Quantities = NO_USAGE
    allowances: Sequence[QuotaRef] = ()
    allowance_use: AllowanceUse = NO_ALLOWANCE_USE

    @property
    def max_cost_nano(self) -> int:
        """Return the worst-case cost after allowances, in nano-units."""
        if self.allowance_use:
            return self._max_uncovered_cost()
        return worst_case_cost(self.max_quantities, self.prices)

    @property
    def max_quantities(self) -> Quantities:
        """Return the maximum quantities, with no input token read from a cache."""
        if self.non_token_units is NO_USAGE:
            return Quantities(input_tokens=self.input_tokens, output_tokens=self.output_tokens)
        return replace(
            self.non_token_units, input_tokens=self.input_tokens, output_tokens=self.output_tokens
        )

    @property
    def max_units_by_meter(self) -> dict[str, int]:
        """Return the maximum units that the call consumes of each meter (tokens, images, …).

        The prompt may be cached or not, so if cached tokens have their own price, it counts in both
        meters.
        """
        max_quantities = self.max_quantities
        units_by_meter = {meter: max_quantities.get(meter) for meter in METERS}
        if self._has_cached_price:
            units_by_meter["cached_input_tokens"] = self.input_tokens
        return units_by_meter

    def with_allowances(self, available: Mapping[str, int]) -> "Demand":
        """Return the demand with the `available` allowance units (by quota id) that it can use."""
        return replace(
            self,
            allowance_use=apply_allowances(self.max_units_by_meter, self.allowances, available),
        )

    @property
    def units_by_kind(self) -> dict[QuotaKind, int]:
        """Return the units needed of each kind of quota: money, requests, tokens and streams."""
        cost = self.max_cost_nano
        return {
            _CREDIT: cost,
            _BUDGET: cost,
            _REQUESTS: self.requests,
            _TOKENS: self.input_tokens + self.output_tokens,
            _STREAMS: self.streams,
        }

    @property
    def quota_units(self) -> list[QuotaUnits]:
        """Return the units to reserve of each quota and allowance."""
        units = self.units_by_kind
        quota_units = [(quota, units[quota.kind]) for quota in self.quotas if units[quota.kind]]
        if self.allowance_use:
            quota_units += self.allowance_use
        return quota_units

    @property
    def with_min_output(self) -> "Demand":
        """Return the demand with the shortest acceptable answer."""
        return replace(self, output_tokens=min(self.min_output_tokens, self.output_tokens))

    def shortened_to_fit(self, available: Mapping[str, int]) -> "Demand | None":
        """Return the demand with the longest answer that the available units allow.

        Uses available allowances first. Returns None if the minimum does not fit. A quota of which
        no units are needed may be exhausted.
        """
        covered = self.with_allowances(available) if self.allowances else self
        output_tokens, min_units = self.output_tokens, covered.with_min_output.units_by_kind
        for quota, _ in self.quota_units:
            remaining = max(0, available[quota.id]) - min_units[quota.kind]
            if remaining < 0:
                return None
            output_tokens = min(output_tokens, covered._max_output_tokens(quota.kind, remaining))
        shortened = replace(self, output_tokens=output_tokens)
        return shortened.with_allowances(available) if self.allowances else shortened

    def shortened_to_cost(self, max_cost: int) -> "Demand | None":
        """Return the demand with the longest answer within a cost in nano-units.

        Returns None if the minimum costs more.
        """
        if self.max_cost_nano <= max_cost:
            return self
        remaining = max_cost - self.with_min_output.max_cost_nano
        if remaining < 0 or not self.prices.get("output_tokens", 0):
            return None
        return replace(self, output_tokens=self._max_output_tokens(QuotaKind.CREDIT, remaining))

    def _max_output_tokens(self, kind: QuotaKind, remaining: int) -> int:
        """Return the output tokens that fit if `remaining` units are left above the minimum."""
        min_output_tokens = self.with_min_output.output_tokens
        if kind is QuotaKind.TOKENS:
            return min_output_tokens + remaining
        if not kind.money:
            return self.output_tokens
        price = self.prices.get("output_tokens", 0)
        if price == 0:
            return self.output_tokens
        covered = (
            covered_units_by_meter(self.allowance_use)["output_tokens"] if self.allowance_use else 0
        )
        return max(min_output_tokens, covered) + remaining // price

    @property
    def _has_cached_price(self) -> bool:
        """Return whether cached prompt tokens have their own price."""
        return "cached_input_tokens" in self.prices

    def _max_uncovered_cost(self) -> int:
        """Return the highest cost of units not covered by allowances, the prompt cached or not.

        Every mixture costs at most the more expensive of the two.
        """
        remaining, prices = self.max_units_by_meter, self.prices
        for meter, units in covered_units_by_meter(self.allowance_use).items():
            remaining[meter] = max(0, remaining[meter] - units)
        prompt_tokens = remaining.pop("cached_input_tokens")
        uncovered = Quantities(**remaining)
        cost = rate(uncovered, prices)
        if not self._has_cached_price:
            return cost
        cached = replace(uncovered, input_tokens=prompt_tokens, cached_input_tokens=prompt_tokens)
        return max(cost, rate(cached, prices))


def worst_case_cost(max_quantities: Quantities, prices: Mapping[str, int]) -> int:
    """Return the highest cost in nano-units of these quantities, with the prompt cached or not."""
    cache_is_dearer = prices.get("cached_input_tokens", 0) > prices.get("input_tokens", 0)
    if cache_is_dearer:
        max_quantities = replace(max_quantities, cached_input_tokens=max_quantities.input_tokens)
    return rate(max_quantities, prices)
