"""Statistics of an evaluation: shares with intervals, paired comparison, percentiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, comb, sqrt

SIGNIFICANCE_LEVEL = 0.05
# The two-sided 95 % quantile of the normal distribution.
_Z_95 = 1.959963984540054


class Verdict(StrEnum):
    """How a model compares with another one on the same questions."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE_SHOWN = "no_difference_shown"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same questions: how often both, one or none of them was correct.

    `p_value` is that of the exact two-sided McNemar test.
    """

    both_correct: int
    only_first: int
    only_second: int
    neither: int
    p_value: float
    verdict: Verdict


def wilson_interval(successes: int, total: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share; (0, 1) without any trial.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if total == 0:
        return 0.0, 1.0
    share, z2 = successes / total, _Z_95**2
    centre = share + z2 / (2 * total)
    margin = _Z_95 * sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    low, high = (centre - margin) / (1 + z2 / total), (centre + margin) / (1 + z2 / total)
    return max(0.0, low), min(1.0, high)


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Return the p-value of the exact two-sided McNemar test, from the discordant pairs."""
    total, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(comb(total, count) for count in range(fewer + 1))
    return min(1.0, 2 * tail / (1 << total))


def compare_pairs(pairs: Sequence[tuple[bool, bool]]) -> Comparison:
    """Compare two models by pairs of whether the first and the second were correct."""
    only_first = sum(first and not second for first, second in pairs)
    only_second = sum(second and not first for first, second in pairs)
    both = sum(first and second for first, second in pairs)
    p_value = mcnemar_p_value(only_first, only_second)
    verdict = Verdict.NO_DIFFERENCE_SHOWN
    if p_value < SIGNIFICANCE_LEVEL:
        verdict = Verdict.BETTER if only_first > only_second else Verdict.WORSE
    neither = len(pairs) - both - only_first - only_second
    return Comparison(both, only_first, only_second, neither, p_value, verdict)


def percentile(values: Sequence[int], percent: int) -> int | None:
    """Return the nearest-rank percentile, None without values."""
    if not values:
        return None
    return sorted(values)[max(0, ceil(len(values) * percent / 100) - 1)]
