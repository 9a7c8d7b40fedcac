"""The concepts' names, compared with a tag: by letters, and by meaning where there is an encoder.

Owns these two comparisons and how much of a tag nobody knows.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from models.tag_align.encoder import Encoder, Meanings
from models.tag_align.features import (
    Floats,
    Index,
    Rows,
    Weighting,
    features,
    index,
    word_feature,
)
from models.tag_align.naming import Lexicon, Words, is_long, split, without_numbers
from models.tag_align.vocabulary import Concept

# By meaning: the tag as it stands, the tag written out, and the letters.
ENCODED, WRITTEN_OUT, LETTERS = 1.0, 0.5, 0.1
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Names:
    """Every name of every concept; concept `n` owns the names from `starts[n]` up."""

    concepts: tuple[Concept, ...]
    index: Index
    starts: Rows
    weighting: Weighting
    meanings: Meanings | None

    @classmethod
    def of(cls, concepts: Sequence[Concept], weighting: Weighting, encoder: Encoder | None) -> Self:
        several = [(one.name, *one.aliases) for one in concepts]
        each = [name for names in several for name in names]
        starts = np.cumsum([0, *(len(names) for names in several[:-1])]).astype(np.intp)
        built = index([features([without_numbers(split(name))], weighting) for name in each])
        meanings = None if encoder is None else Meanings.of(encoder, each)
        return cls(tuple(concepts), built, starts, weighting, meanings)

    def by_letters(self, written: Words) -> Floats:
        """How well each concept's best name fits a tag that is written out, [concepts]."""
        return self._best(self._letters(written))

    def by_meaning(self, meanings: Meanings, tag: str, written: Words) -> Floats:
        """The same by what the tag means, as it stands and written out, [concepts]."""
        spelling = " ".join(without_numbers(written))
        near, spelled = meanings.similarities([_without_digits(tag) or tag, spelling or tag])
        mixed = ENCODED * near + WRITTEN_OUT * spelled + LETTERS * self._letters(written)
        return self._best(mixed / (ENCODED + WRITTEN_OUT + LETTERS))

    def strange(self, written: Words, known: Lexicon) -> float:
        """The share of a tag's letters in long words that neither names nor lexicon know."""
        words = without_numbers(written)
        odd = (word for word in words if is_long(word) and not self._knows(word, known))
        return sum(map(len, odd)) / max(1, sum(map(len, words)))

    def _letters(self, written: Words) -> Floats:
        return self.index.similarities(features([without_numbers(written)], self.weighting))

    def _best(self, scores: Floats) -> Floats:
        return np.asarray(np.maximum.reduceat(scores, self.starts))

    def _knows(self, word: str, known: Lexicon) -> bool:
        return word in known.pieces or word_feature(word) in self.index


def _without_digits(tag: str) -> str:
    """Numbers say nothing of a concept, and without them more tags are alike. Capitals stay: they
    tell German nouns."""
    return " ".join(_DIGITS.sub("", tag).split())
