"""Which tags to confirm first.

Each step takes the pattern that, if confirmed, brings the most tags nearer to something confirmed
(facility location, chosen greedily): large clusters come first, each by its middle, and then what
lies far from all of them.
"""

import heapq
from collections.abc import Sequence

import numpy as np

from models.tag_align.features import Features, Floats, Index, index

# Comparing all with all: beyond this many patterns the rarest are left out.
MAX_PATTERNS = 3_000
# Squared, a likeness of .5 helps a quarter: only close relatives follow a confirmation.
SHARPNESS = 2


def cover(likeness: Floats, tags: Floats, covered: Floats, count: int) -> list[int]:
    """Rows of `likeness` [N, N] in the order in which to confirm them.

    tags: [N], how many tags a row stands for. covered: [N], how near each row is already.
    """
    near = covered.copy()
    # What a row brings can only shrink as others are chosen, so an old figure is an upper bound:
    # the first row whose figure is fresh is the best, and most rows are never looked at again.
    bounds = [(-gain, row) for row, gain in enumerate(_gains(likeness, tags, near))]
    heapq.heapify(bounds)
    chosen: list[int] = []
    while bounds and len(chosen) < count:
        row = bounds[0][1]
        gain = float(_gains(likeness[:, [row]], tags, near)[0])
        heapq.heapreplace(bounds, (-gain, row))
        if gain <= 0:
            heapq.heappop(bounds)
        elif bounds[0] == (-gain, row):
            heapq.heappop(bounds)
            chosen.append(row)
            near = np.maximum(near, likeness[:, row])
    return chosen


def _gains(likeness: Floats, tags: Floats, near: Floats) -> Floats:
    """What confirming each column's pattern would add to how near the tags are, [columns]."""
    gains: Floats = tags @ np.maximum(likeness - near[:, np.newaxis], 0)
    return gains


def likeness_of(described: Sequence[Features]) -> tuple[Index, Floats]:
    """An index of patterns and how much each helps each, [N, N]."""
    known = index(described)
    return known, np.array([closeness(known, one) for one in described])


def closeness(known: Index, described: Features) -> Floats:
    """How much a confirmation of each indexed pattern helps one tag, [N]."""
    likeness: Floats = known.similarities(described) ** SHARPNESS
    return likeness
