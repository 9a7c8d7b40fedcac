"""The probability that a proposed concept is right, from the model's score.

The model's scores rank candidates and are no probabilities. The curve starts with how often the
first candidate was right at each score in three buildings, and follows the account's confirmations
as they come.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# By score: how often the first candidate was right, mean of SDH, UVA and Soda Hall
# (models/tag_align/path_data.py) without confirmations and after 50 of them.
_MEASURED = (
    (0.20, 0.05),
    (0.45, 0.21),
    (0.55, 0.56),
    (0.65, 0.57),
    (0.75, 0.76),
    (0.85, 0.91),
    (0.95, 0.96),
)
_SCORES = tuple(score for score, _ in _MEASURED)
# Bounds of the bins around the scores; the first begins at 0, the last ends at 1.
_BOUNDS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# As many confirmations of a bin weigh as much as the measured value.
_PRIOR_WEIGHT = 10.0


@dataclass(frozen=True, slots=True)
class ProbabilityCurve:
    """A probability for each of the scores of `_SCORES`; linear in between, and not decreasing."""

    values: tuple[float, ...]

    def at(self, score: float) -> float:
        """Return the probability at a score, from 0 to 1."""
        if score <= 0:
            return 0.0
        scores, values = (0.0, *_SCORES), (0.0, *self.values)
        upper = bisect_right(scores, score)
        if upper == len(scores):
            return values[-1]
        low, high = scores[upper - 1], scores[upper]
        share = (score - low) / (high - low)
        return values[upper - 1] + share * (values[upper] - values[upper - 1])


def fit_curve(outcomes: Iterable[tuple[float, bool]]) -> ProbabilityCurve:
    """Return the curve of measured values and an account's proposals: score, whether right."""
    weights = [_PRIOR_WEIGHT] * len(_MEASURED)
    right = [_PRIOR_WEIGHT * value for _, value in _MEASURED]
    for score, is_right in outcomes:
        at = bisect_right(_BOUNDS, score)
        weights[at] += 1
        right[at] += is_right
    return ProbabilityCurve(_pooled(right, weights))


def _pooled(right: Sequence[float], weights: Sequence[float]) -> tuple[float, ...]:
    """Return the means of bins; neighbours that would decrease are pooled (isotonic regression)."""
    blocks: list[tuple[float, float, int]] = []
    for hits, weight in zip(right, weights, strict=True):
        blocks.append((hits, weight, 1))
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            last, before = blocks.pop(), blocks.pop()
            blocks.append((last[0] + before[0], last[1] + before[1], last[2] + before[2]))
    return tuple(_mean(block) for block in blocks for _ in range(block[2]))


def _mean(block: tuple[float, float, int]) -> float:
    """Return the mean of a block of bins."""
    return block[0] / block[1]
