"""Compare a variant with its base on confirmed tags, by cross-validation over patterns.

The tags of one pattern differ in numbers only: they are either all fitted on or all held out, and
they count once. The confirmations that are worth most are of patterns that no other one is like.
Each says little about the rest of the plant, so a handful of them must not decide: the difference
comes with an interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from models.tag_align.aligner import TagAligner
from models.tag_align.confirmations import Confirmation
from models.tag_align.training_file import HELD_OUT_DIVISOR, positions_by_pattern

SEED = 20_170
# A wrong rejection costs the customer a better version, so it needs strong evidence: the held-out
# patterns are unlike all others and harder than the rest of the plant. Of 56 better versions of
# three buildings, 38 had a lower score on them; at .99 one was rejected, at .999 none.
LEVEL = 0.999
# Each fold learns once, which takes seconds for a thousand patterns. More patterns than this are
# enough for a narrow interval from one fold.
MAX_CROSS_VALIDATED_PATTERNS = 600


@dataclass(frozen=True, slots=True)
class HeldOutComparison:
    """How a base and its variant align tags that the variant was not fitted on.

    base, variant: share of the tags with the correct first concept. tags: their number.
    improvement: interval at LEVEL of the share of patterns that the variant aligns better, less
    the share that it aligns worse.
    """

    base: float
    variant: float
    tags: int
    improvement: tuple[float, float]


def compare_held_out(base: TagAligner, confirmations: Sequence[Confirmation]) -> HeldOutComparison:
    """Compare `base` with itself fitted on confirmations, on the folds that are held out."""
    groups = list(positions_by_pattern(confirmations).values())
    order = np.random.default_rng(SEED).permutation(len(groups))
    folds = [order[start::HELD_OUT_DIVISOR] for start in range(HELD_OUT_DIVISOR)]
    if len(groups) > MAX_CROSS_VALIDATED_PATTERNS:
        folds = folds[:1]
    before = _correct(base, confirmations)
    shares: list[tuple[float, float]] = []
    tags: list[tuple[bool, bool]] = []
    for fold in folds:
        held_out = [groups[group] for group in fold]
        positions = [position for group in held_out for position in group]
        learned = _learn_without(base, confirmations, frozenset(positions))
        after = dict(
            zip(positions, _correct(learned, [confirmations[at] for at in positions]), strict=True)
        )
        tags += [(before[position], after[position]) for position in positions]
        shares += [
            (_mean([before[at] for at in group]), _mean([after[at] for at in group]))
            for group in held_out
        ]
    was_correct, is_correct = zip(*tags, strict=True)
    better = sum(after > before for before, after in shares)
    worse = sum(after < before for before, after in shares)
    return HeldOutComparison(
        _mean(was_correct), _mean(is_correct), len(tags), improvement(better, worse, len(shares))
    )


def improvement(better: int, worse: int, total: int) -> tuple[float, float]:
    """Return the interval at LEVEL of (better - worse) / total, from exact binomial limits.

    The pairs that do not differ are left out of the binomial, as in McNemar's test; with fewer
    than eleven that differ, the interval always contains 0. C. J. Clopper and E. S. Pearson, "The
    use of confidence or fiducial limits illustrated in the case of the binomial", 1934.
    """
    differing, tail = better + worse, (1 - LEVEL) / 2
    low = float(betaincinv(better, worse + 1, tail)) if better else 0.0
    high = float(betaincinv(better + 1, worse, 1 - tail)) if worse else 1.0
    scale = differing / total
    return (2 * low - 1) * scale, (2 * high - 1) * scale


def _learn_without(
    base: TagAligner, confirmations: Sequence[Confirmation], held_out: frozenset[int]
) -> TagAligner:
    """Return the base fitted on the confirmations that are not held out."""
    return base.learn(
        confirmation for at, confirmation in enumerate(confirmations) if at not in held_out
    ).aligner


def _correct(aligner: TagAligner, confirmations: Sequence[Confirmation]) -> list[bool]:
    """Return whether the first candidate of each tag is its confirmed concept."""
    aligned = aligner.align([confirmation.tag for confirmation in confirmations], top=1)
    return [
        bool(candidates) and candidates[0].concept.id == confirmation.concept
        for candidates, confirmation in zip(aligned, confirmations, strict=True)
    ]


def _mean(values: Sequence[bool]) -> float:
    """Return the share of true values."""
    return sum(values) / len(values)
