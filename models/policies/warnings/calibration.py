"""From a score to the probability that an event comes within the horizon.

The share of ticks in which a warning would have been right, by bins of left-out scores, made
monotone. Ticks of one hold say the same, so that a bin counts for its ticks divided by the hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from models.policies.warnings.history import Floats, HistoryInvalid, MachineHistory

_BINS = 16
# How many observations of the mean share each bin is given, against shares of 0 and 1 by chance.
_PRIOR = 1.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Mean scores of bins in order, and the probability at each, [bins]."""

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def of(self, scores: Floats) -> Floats:
        """Return the probability of each score, between the bins by interpolation."""
        return np.interp(scores, self.scores, self.probabilities)

    def fields(self) -> dict[str, Any]:
        """Return the calibration as JSON."""
        return {"scores": list(self.scores), "probabilities": list(self.probabilities)}

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Return the calibration of its fields. Raises HistoryInvalid."""
        try:
            found = cls(
                tuple(float(one) for one in fields["scores"]),
                tuple(float(one) for one in fields["probabilities"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise HistoryInvalid("The file has no calibration.") from error
        if not found.scores or len(found.scores) != len(found.probabilities):
            raise HistoryInvalid("The file has no calibration.")
        return found


def calibrate(
    scores: Sequence[Floats], histories: Sequence[MachineHistory], hold: int
) -> Calibration:
    """Return the calibration of left-out scores, [ticks] of each history."""
    pooled = np.concatenate(
        [score[history.normal :] for score, history in zip(scores, histories, strict=True)]
    )
    right = np.concatenate([history.in_event[history.normal :] for history in histories])
    order = np.argsort(pooled, kind="stable")
    shares = 1.0 - np.geomspace(1.0, max(hold / len(pooled), 1e-4), _BINS + 1)
    edges = np.unique([*np.floor(shares * len(pooled)).astype(int), len(pooled)])
    base = float(right.mean())
    bins = [order[first:last] for first, last in pairwise(edges)]
    weights = np.array([len(one) / hold for one in bins])
    rates = np.array([right[one].mean() for one in bins])
    rates = (rates * weights + base * _PRIOR) / (weights + _PRIOR)
    means = np.array([pooled[one].mean() for one in bins])
    values, where = np.unique(means, return_index=True)
    return Calibration(tuple(values.tolist()), tuple(_increasing(rates, weights)[where].tolist()))


def _increasing(rates: Floats, weights: Floats) -> Floats:
    """Return the nearest rates that do not decrease (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []
    for rate, weight in zip(rates.tolist(), weights.tolist(), strict=True):
        block = (rate, weight, 1)
        while blocks and blocks[-1][0] > block[0]:
            before = blocks.pop()
            total = before[1] + block[1]
            mean = (before[0] * before[1] + block[0] * block[1]) / total
            block = (mean, total, before[2] + block[2])
        blocks.append(block)
    return np.concatenate([np.full(count, rate) for rate, _, count in blocks])
