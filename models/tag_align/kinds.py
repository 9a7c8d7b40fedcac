"""What each concept is: a point of some kind, or equipment, a place or a medium.

A tag of a point must not become its equipment: `ahu 3 / vav 109 / zone temp` names a terminal unit
and is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.tag_align.features import Floats
from models.tag_align.naming import Words, split_words
from models.tag_align.parsing.equipment import QUANTITIES, is_point, kind_of
from models.tag_align.reading import ReadTag
from models.tag_align.vocabulary import Concept

# A vocabulary with fewer points is one of properties, documents or equipment: nothing is excluded.
_MIN_POINT_SHARE = 0.4
_SENSOR = "sensor"


@dataclass(frozen=True, slots=True)
class KindFactors:
    """By how much a concept's score is multiplied: for equipment, and for points of another kind.

    other_kind: where the tag says its kind. unsaid_kind: where a tag without one, which is most
    likely a sensor, meets a setpoint, a command or an alarm.
    """

    no_point: float
    other_kind: float
    unsaid_kind: float


@dataclass(frozen=True, slots=True)
class ConceptKinds:
    """The kind of each concept, [concepts]; empty for one that says none."""

    kinds: NDArray[np.str_]
    is_point: NDArray[np.bool_]
    has_kind: NDArray[np.bool_]

    @classmethod
    def build(cls, concepts: Sequence[Concept]) -> Self:
        """Find the kinds of concepts by their names."""
        words = [split_words(concept.name) for concept in concepts]
        kinds = np.array([kind_of(each) for each in words], dtype=np.str_)
        points = np.array([_names_point(each) for each in words], dtype=np.bool_)
        if points.mean() < _MIN_POINT_SHARE:
            points = np.ones(len(concepts), dtype=np.bool_)
        return cls(kinds, points, kinds != "")

    def factors(self, tag: ReadTag, settings: KindFactors) -> Floats:
        """Return the factor of each concept's score for a tag, [concepts]."""
        factors = np.ones(len(self.kinds))
        if not is_point(tag.leaf):
            return factors
        factors[~self.is_point] = settings.no_point
        kind = kind_of(tag.leaf)
        is_other = self.has_kind & (self.kinds != (kind or _SENSOR))
        factors[is_other] *= settings.other_kind if kind else settings.unsaid_kind
        return factors


def _names_point(words: Words) -> bool:
    """Whether a concept's name is one of a point: it ends with a quantity or has a kind."""
    return bool(kind_of(words)) or (bool(words) and words[-1] in QUANTITIES)
