"""Select which tags to confirm first (active learning by greedy facility location).

Each step selects the pattern whose confirmation increases the tags' total similarity to a confirmed
pattern most: centres of large clusters come first, outliers last.
"""

import heapq
from collections.abc import Sequence

import numpy as np

from models.tag_align.features import Features, Floats, Index, build_index

# Similarities are computed for all pairs: above this number the rarest patterns are left out.
MAX_PATTERNS = 3_000
# Exponent of the similarities: only close patterns count as covered by a confirmation.
SHARPNESS = 2


def select_for_confirmation(
    similarities: Floats, tag_counts: Floats, initial_coverage: Floats, count: int
) -> list[int]:
    """Return up to `count` rows of `similarities` [N, N], in the order in which to confirm them.

    tag_counts: number of tags of each row, [N]. initial_coverage: highest similarity of each row to
    a confirmed pattern, [N].
    """
    coverage = initial_coverage.copy()
    # A row's gain only shrinks as others are selected (submodularity), so an old gain is an upper
    # bound: the first row whose gain is up to date is the best, and most are never recomputed.
    gain_bounds = [
        (-gain, row) for row, gain in enumerate(_coverage_gains(similarities, tag_counts, coverage))
    ]
    heapq.heapify(gain_bounds)
    selected: list[int] = []
    while gain_bounds and len(selected) < count:
        row = gain_bounds[0][1]
        gain = float(_coverage_gains(similarities[:, [row]], tag_counts, coverage)[0])
        heapq.heapreplace(gain_bounds, (-gain, row))
        if gain <= 0:
            heapq.heappop(gain_bounds)
        elif gain_bounds[0] == (-gain, row):
            heapq.heappop(gain_bounds)
            selected.append(row)
            coverage = np.maximum(coverage, similarities[:, row])
    return selected


def _coverage_gains(similarities: Floats, tag_counts: Floats, coverage: Floats) -> Floats:
    """Return how much confirming each column's pattern would add to the coverage, [columns]."""
    gains: Floats = tag_counts @ np.maximum(similarities - coverage[:, np.newaxis], 0)
    return gains


def pattern_similarities(features_by_pattern: Sequence[Features]) -> tuple[Index, Floats]:
    """Build an index of patterns and their sharpened similarities, [N, N]."""
    pattern_index = build_index(features_by_pattern)
    return pattern_index, np.array(
        [sharpened_similarities(pattern_index, each) for each in features_by_pattern]
    )


def sharpened_similarities(pattern_index: Index, tag: Features) -> Floats:
    """Return a tag's similarity to each indexed pattern to the power of SHARPNESS, [N]."""
    similarities: Floats = pattern_index.similarities(tag) ** SHARPNESS
    return similarities
