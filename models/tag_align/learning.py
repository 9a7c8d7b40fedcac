"""Kernel ridge regression that generalizes confirmations from confirmed patterns to similar tags.

The regression is fitted on the residuals of the spelling scores at the confirmed patterns: near a
pattern it ranks the confirmed concept first, and far from all patterns it is 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.tag_align.confirmations import ConfirmedPattern
from models.tag_align.features import Features, Floats, Index, build_index

# Exponent of the similarities. A few confirmations must not change what letters say of tags that
# are only somewhat alike: with 1, ten confirmations made two of three buildings worse. Any power
# of a positive semidefinite kernel is one.
SHARPNESS = 2


@dataclass(frozen=True, slots=True)
class ScoreCorrections:
    """Fitted corrections of the spelling scores: pattern similarities times `weights`.

    weights: [patterns, concepts].
    """

    patterns: Index
    weights: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        patterns: Sequence[ConfirmedPattern],
        features_by_pattern: Sequence[Features],
        scores: Floats,
        concepts: Mapping[str, int],
        ridge: float,
    ) -> Self:
        """Fit on confirmed patterns, their features and spelling scores [patterns, concepts].

        concepts: column of each concept by id. ridge: regularization strength.
        """
        target = np.zeros_like(scores)
        for row, one in enumerate(patterns):
            for concept, share in one.shares.items():
                target[row, concepts[concept]] = share
        pattern_index = build_index(features_by_pattern)
        similarities = np.array([_kernel(pattern_index, one) for one in features_by_pattern])
        similarities += ridge * np.eye(len(patterns))
        return cls(pattern_index, np.linalg.solve(similarities, target - scores).astype(np.float32))

    def score_changes(self, tag: Features) -> Floats:
        """Return the correction to add to each concept's score for one tag, [concepts]."""
        return np.asarray(_kernel(self.patterns, tag) @ self.weights, dtype=np.float64)


def _kernel(patterns: Index, tag: Features) -> Floats:
    """Return the similarity of a tag to each pattern, [patterns]."""
    similarities: Floats = patterns.kernel(tag) ** SHARPNESS
    return similarities
