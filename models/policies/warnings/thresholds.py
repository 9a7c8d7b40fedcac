"""The threshold of a score with the lowest cost on histories."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from models.policies.warnings.history import Floats, MachineHistory, WarningTerms
from models.policies.warnings.replay import replay_warnings

_CANDIDATES, _EVEN = 50, 20
_KERNEL = np.array([1.0, 2.0, 3.0, 2.0, 1.0])


@dataclass(frozen=True, slots=True)
class Threshold:
    """Warn if the score is above `value`. cost: on the histories that it was chosen on."""

    value: float
    cost: float


def cheapest_threshold(
    scores: Sequence[Floats], histories: Sequence[MachineHistory], terms: WarningTerms
) -> Threshold:
    """Return the threshold with the lowest cost; of equal ones the middle one.

    scores: [ticks] of each history. Candidates are quantiles, dense where scores are high, and
    evenly spaced values. The cost is averaged over neighbours: a threshold that is good by the
    chance of one event has bad ones.
    """
    pooled = np.concatenate(
        [score[history.normal :] for score, history in zip(scores, histories, strict=True)]
    )
    shares = 1.0 - np.concatenate([[0.0], np.geomspace(1 / len(pooled), 1.0, _CANDIDATES - 1)])
    even = np.linspace(pooled.min(), pooled.max(), _EVEN)
    values = np.unique([*np.quantile(pooled, np.clip(shares, 0.0, 1.0)), *even])
    at = partial(_cost, scores=scores, histories=histories, terms=terms)
    costs = np.array([at(float(value)) for value in values])
    smooth = _smoothed(costs)
    # Warning always is no chance find: its cost is not averaged.
    always = float(values[0]) - 1.0
    values, smooth = np.append(values, always), np.append(smooth, at(always))
    costs = np.append(costs, smooth[-1])
    best = np.flatnonzero(smooth <= smooth.min())
    # The middle between the lowest and the highest of the best: with room to both sides.
    middle = (values[best].min() + values[best].max()) / 2
    chosen = int(best[np.abs(values[best] - middle).argmin()])
    return Threshold(float(values[chosen]), float(costs[chosen]))


def _smoothed(costs: Floats) -> Floats:
    """Return the costs averaged over neighbouring candidates, at the ends over fewer."""
    if len(costs) < len(_KERNEL):
        return costs
    weights = np.convolve(np.ones_like(costs), _KERNEL, mode="same")
    return np.asarray(np.convolve(costs, _KERNEL, mode="same") / weights)


def _cost(
    value: float,
    scores: Sequence[Floats],
    histories: Sequence[MachineHistory],
    terms: WarningTerms,
) -> float:
    """Return the cost of warning above a value."""
    return sum(
        replay_warnings(score > value, history, terms.hold).cost(terms)
        for score, history in zip(scores, histories, strict=True)
    )
