"""Generalising from confirmed patterns to other tags.

Owns the likeness of two tags and the correction of the names' scores that confirmations give.

The correction is a kernel ridge regression on what the names' scores get wrong at the confirmed
patterns: near them it puts the confirmed concept first, far from all of them it is nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.tag_align.confirmations import Pattern
from models.tag_align.features import Features, Floats, Index, Weighting, features, index
from models.tag_align.naming import Lexicon, Words, pattern


@dataclass(frozen=True, slots=True)
class Corrections:
    """Adds `likeness to each pattern` times `weights` [patterns, concepts] to the scores."""

    patterns: Index
    weights: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        patterns: Sequence[Pattern],
        described: Sequence[Features],
        scores: Floats,
        concepts: Mapping[str, int],
        ridge: float,
    ) -> Self:
        """From patterns, their features and their names' scores [patterns, concepts].

        ridge: how far a confirmation gives way to its neighbours.
        """
        target = np.zeros_like(scores)
        for row, one in enumerate(patterns):
            for concept, share in one.shares.items():
                target[row, concepts[concept]] = share
        known = index(described)
        likeness = np.array([known.similarities(one) for one in described])
        likeness += ridge * np.eye(len(patterns))
        return cls(known, np.linalg.solve(likeness, target - scores).astype(np.float32))

    def of(self, described: Features) -> Floats:
        """What to add to each concept's score, [concepts]."""
        return np.asarray(self.patterns.similarities(described) @ self.weights, dtype=np.float64)


def describe(words: Words, lexicon: Lexicon, weighting: Weighting) -> Features:
    """A tag's features for comparing it with other tags; numbers are masked.

    Raw and written-out words together: among a building's own tags an abbreviation is as good a
    sign as its meaning, and it holds where the lexicon is wrong.
    """
    return features((pattern(words), pattern(lexicon.expand(words))), weighting)
