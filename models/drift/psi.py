"""The population stability index (PSI) of two lists of counts, its chance bound and its levels.

PSI = Σ (a - e) · ln(a / e) over bins, with the shares e in training and a while serving. Customary
levels in credit scoring, where it comes from: below 0.1 none, to 0.25 moderate, above significant.
By chance alone it is about χ² with bins - 1 degrees of freedom times 1/n + 1/m (Yurdakul and
Naranjo 2020), so small windows pass 0.1 without any drift. A level therefore also needs more than
chance explains.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from statistics import NormalDist

MODERATE_PSI, SIGNIFICANT_PSI = 0.1, 0.25
# Counted into each bin, so that an empty one has no infinite index.
_PRIOR = 0.5
# The share of checks without drift in which any variable exceeds its bound by chance.
_FALSE_ALARMS = 0.01
# A level falls back below this share of its bound.
_FALL_BACK = 0.8


class DriftLevel(StrEnum):
    """How far a distribution has moved. The order is that of severity."""

    NONE = "none"
    MODERATE = "moderate"
    SIGNIFICANT = "significant"

    @property
    def rank(self) -> int:
        """The position in the order of severity, from 0."""
        return list(DriftLevel).index(self)


def population_stability(expected: Sequence[int], actual: Sequence[int]) -> float:
    """Return the PSI of counts of the same bins. Bins that are empty in both are left out."""
    pairs = _used_bins(expected, actual)
    total_expected = sum(one for one, _ in pairs) + _PRIOR * len(pairs)
    total_actual = sum(one for _, one in pairs) + _PRIOR * len(pairs)
    index = 0.0
    for of_expected, of_actual in pairs:
        before = (of_expected + _PRIOR) / total_expected
        after = (of_actual + _PRIOR) / total_actual
        index += (after - before) * math.log(after / before)
    return index


def chance_bound(expected: Sequence[int], actual: Sequence[int], variables: int) -> float:
    """Return the PSI that chance alone exceeds rarely, for one of so many variables.

    Rows are taken as independent; neighbouring rows of one machine are not, so that drift of a
    single machine may exceed it.
    """
    rows = (sum(expected), sum(actual))
    freedom = len(_used_bins(expected, actual)) - 1
    if freedom < 1 or not all(rows):
        return math.inf
    quantile = _chi_square(1 - _FALSE_ALARMS / max(1, variables), freedom)
    return (1 / rows[0] + 1 / rows[1]) * quantile


def level_of(index: float, bound: float) -> DriftLevel:
    """Return the level of a PSI with its chance bound."""
    if index < MODERATE_PSI or index <= bound:
        return DriftLevel.NONE
    return DriftLevel.SIGNIFICANT if index > SIGNIFICANT_PSI else DriftLevel.MODERATE


def settled_level(before: DriftLevel, found: DriftLevel, index: float) -> DriftLevel:
    """Return the level after one was found: it rises at once, and falls with a margin.

    index: the largest PSI. Without the margin, an index around a bound would alert again and again.
    """
    if found.rank >= before.rank:
        return found
    bound = SIGNIFICANT_PSI if before is DriftLevel.SIGNIFICANT else MODERATE_PSI
    return before if index > _FALL_BACK * bound else found


def _used_bins(expected: Sequence[int], actual: Sequence[int]) -> list[tuple[int, int]]:
    """Return the counts of the bins that have any."""
    return [pair for pair in zip(expected, actual, strict=True) if any(pair)]


def _chi_square(probability: float, freedom: int) -> float:
    """Return a quantile of the χ² distribution (Wilson and Hilferty 1931, within 1 % here)."""
    spread = 2 / (9 * freedom)
    normal = NormalDist().inv_cdf(probability)
    return float(freedom * (1 - spread + normal * math.sqrt(spread)) ** 3)
