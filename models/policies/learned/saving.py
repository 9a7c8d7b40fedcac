"""What other actions would have saved on decisions with known outcomes, with an interval.

A bootstrap over periods says nothing of faults that did not happen by chance: a policy that looks
less often saves in each period without one. So the interval is widened by exact bounds (Clopper and
Pearson 1934) of how often faults come where the policies differ, apart for where one intervenes
less and where it intervenes more.
"""

from collections.abc import Callable
from math import exp, lgamma, log

import numpy as np

from models.observed.resampling import LEVEL, ScoreInterval
from models.policies.bandits.logged import Indices
from models.policies.intervals import Floats, interval_of_mean
from models.policies.learned.decisions import Flags, KnownDecisions

# The two directions share the error of each side of the interval.
_TAIL = (1 - LEVEL) / 4
_SEED = 23
_HALVINGS = 40


def saving_of(known: KnownDecisions, chosen: Indices) -> ScoreInterval:
    """Return what some actions saved per decision against the reference, by period."""
    savings = known.costs_of(known.references) - known.costs_of(chosen)
    drawn = interval_of_mean(known.means_by_period(savings), _SEED)
    low, high = _exact_bounds(known, chosen)
    return ScoreInterval(drawn.value, min(drawn.low, low), max(drawn.high, high))


def rate_bounds(hits: int, count: int, tail: float) -> tuple[float, float]:
    """Return the exact bounds of a rate of which `hits` of `count` were seen.

    tail: the probability that the rate is beyond a bound.
    """
    low = 0.0 if hits == 0 else _root(lambda rate: _at_least(hits, count, rate) - tail)
    high = 1.0 if hits == count else _root(
        lambda rate: tail - (1.0 - _at_least(hits + 1, count, rate))
    )  # fmt: skip
    return low, high


def _exact_bounds(known: KnownDecisions, chosen: Indices) -> tuple[float, float]:
    """Return the bounds of the saving per decision, from how often faults come."""
    low = high = 0.0
    for rows in (chosen < known.references, chosen > known.references):
        bounds = _bounds_of(known, chosen, rows) if rows.any() else (0.0, 0.0)
        low, high = low + bounds[0], high + bounds[1]
    return low, high


def _bounds_of(known: KnownDecisions, chosen: Indices, rows: Flags) -> tuple[float, float]:
    """Return what the decisions of one direction add to the bounds."""
    periods = np.unique(known.blocks[rows])
    faulty = np.unique(known.blocks[rows & known.faults])
    rates = rate_bounds(len(faulty), len(periods), _TAIL)
    share = float(rows.mean())
    without, with_fault = (
        float((table[known.references[rows]] - table[chosen[rows]]).mean())
        for table in known.outcome_costs
    )
    ends = [share * ((1 - rate) * without + rate * with_fault) for rate in rates]
    return min(ends), max(ends)


def _at_least(hits: int, count: int, rate: float) -> float:
    """Return the probability of at least `hits` of `count` at a rate strictly between 0 and 1."""
    terms: Floats = np.array(
        [
            lgamma(count + 1) - lgamma(k + 1) - lgamma(count - k + 1)
            + k * log(rate) + (count - k) * log(1 - rate)
            for k in range(hits, count + 1)
        ]
    )  # fmt: skip
    return min(1.0, sum(exp(term) for term in terms))


def _root(rising: Callable[[float], float]) -> float:
    """Return where a rising function of a rate is 0, by halving."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
