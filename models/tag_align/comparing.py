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

from models.adaptation import CurrentComparison
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
    the share that it aligns worse. current: the same for the version in use on the patterns that
    are new to that; None without any.
    """

    base: float
    variant: float
    tags: int
    improvement: tuple[float, float]
    current: CurrentComparison | None = None


def compare_held_out(
    base: TagAligner,
    confirmations: Sequence[Confirmation],
    earlier: Sequence[Confirmation] = (),
) -> HeldOutComparison:
    """Compare `base` with itself fitted on confirmations, on the folds that are held out.

    earlier: the confirmations that the version in use was fitted on.
    """
    groups = list(positions_by_pattern(confirmations).values())
    after = _out_of_fold(base, confirmations, groups)
    tested = [group for group in groups if group[0] in after]
    before = _correct_at(base, confirmations, tested)
    variant = {at: after[at] for at in before}
    return HeldOutComparison(
        _mean(list(before.values())),
        _mean(list(variant.values())),
        len(before),
        _interval(before, after, tested),
        _compare_with_current(base, confirmations, earlier, after, tested),
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


def _out_of_fold(
    base: TagAligner, confirmations: Sequence[Confirmation], groups: Sequence[list[int]]
) -> dict[int, bool]:
    """Return by position whether a tag is aligned correctly by a fit without its pattern."""
    order = np.random.default_rng(SEED).permutation(len(groups))
    folds = [order[start::HELD_OUT_DIVISOR] for start in range(HELD_OUT_DIVISOR)]
    if len(groups) > MAX_CROSS_VALIDATED_PATTERNS:
        folds = folds[:1]
    after: dict[int, bool] = {}
    for fold in folds:
        held_out = [groups[group] for group in fold]
        positions = frozenset(position for group in held_out for position in group)
        learned = _learn_without(base, confirmations, positions)
        after |= _correct_at(learned, confirmations, held_out)
    return after


def _compare_with_current(
    base: TagAligner,
    confirmations: Sequence[Confirmation],
    earlier: Sequence[Confirmation],
    after: dict[int, bool],
    tested: Sequence[list[int]],
) -> CurrentComparison | None:
    """Compare with the version in use on the tested patterns that it was not fitted on.

    Patterns that it knows would favour it, as the other fit is without them.
    """
    known = {confirmation.tag for confirmation in earlier}
    new = [group for group in tested if not any(confirmations[at].tag in known for at in group)]
    if not earlier or not new:
        return None
    before = _correct_at(base.learn(earlier).aligner, confirmations, new)
    return CurrentComparison(
        _mean(list(before.values())),
        _mean([after[at] for at in before]),
        _interval(before, after, new),
        len(before),
    )


def _interval(
    before: dict[int, bool], after: dict[int, bool], groups: Sequence[list[int]]
) -> tuple[float, float]:
    """Return the interval of the share of patterns that are better, less those that are worse."""
    shares = [
        (_mean([before[at] for at in group]), _mean([after[at] for at in group]))
        for group in groups
    ]
    better = sum(then > first for first, then in shares)
    worse = sum(then < first for first, then in shares)
    return improvement(better, worse, len(shares))


def _learn_without(
    base: TagAligner, confirmations: Sequence[Confirmation], held_out: frozenset[int]
) -> TagAligner:
    """Return the base fitted on the confirmations that are not held out."""
    return base.learn(
        confirmation for at, confirmation in enumerate(confirmations) if at not in held_out
    ).aligner


def _correct_at(
    aligner: TagAligner, confirmations: Sequence[Confirmation], groups: Sequence[list[int]]
) -> dict[int, bool]:
    """Return by position whether the first candidate of a tag is its confirmed concept."""
    positions = [position for group in groups for position in group]
    aligned = aligner.align([confirmations[at].tag for at in positions], top=1)
    return {
        at: bool(candidates) and candidates[0].concept.id == confirmations[at].concept
        for at, candidates in zip(positions, aligned, strict=True)
    }


def _mean(values: Sequence[bool]) -> float:
    """Return the share of true values."""
    return sum(values) / len(values)
