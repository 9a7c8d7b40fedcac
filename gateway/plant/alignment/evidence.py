"""Weigh evidence for one of several values; the weights are counts of confirmed cases.

A value's probability is its weight by the weight of all values and one case of an unknown value.
So a single kind of evidence of weight 19 gives 19/20, and values that contradict share it.
"""

from collections.abc import Hashable, Mapping
from typing import TypeVar

Value = TypeVar("Value", bound=Hashable)
# Confirmed cases of the account weigh as much as they are, up to this.
MAX_CASES = 19.0


def likeliest(weights: Mapping[Value, float]) -> tuple[Value, float] | None:
    """Return the value with the highest weight and its probability; None without any weight."""
    best = max(weights, key=lambda one: weights[one], default=None)
    if best is None or weights[best] <= 0:
        return None
    return best, weights[best] / (sum(weights.values()) + 1)


def scaled(counts: Mapping[Value, int], most: float = MAX_CASES) -> dict[Value, float]:
    """Return counts as weights whose sum is at most `most`."""
    total = sum(counts.values())
    factor = min(total, most) / total if total else 0.0
    return {value: count * factor for value, count in counts.items()}
