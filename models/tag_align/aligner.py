"""The predictor: tags in, candidate concepts out, better with every confirmation.

Owns how the parts' scores add up, when a tag is read by meaning, and what a caller may ask. Needs
numpy only; with an encoder also the optional package.

Meaning costs a hundred times what letters do, so only tags that letters and confirmations do not
settle are read by it. What is learned corrects the letters alone: a variant then loads without the
encoder, and learns the same whether there is one or not.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np

from models.tag_align import confirmations as confirming
from models.tag_align.confirmations import Confirmation, Conflict, Correction
from models.tag_align.encoder import Encoder
from models.tag_align.features import Features, Floats, Index, Weighting
from models.tag_align.learning import Corrections, describe
from models.tag_align.names import Names
from models.tag_align.naming import (
    Lexicon,
    TagInvalid,
    Words,
    check,
    is_word,
    lexicon,
    pattern,
    split,
)
from models.tag_align.proposing import MAX_PATTERNS, closeness, cover, likeness_of
from models.tag_align.vocabulary import Concept, ConceptUnknown, Scheme, Vocabulary, read

MAX_TAGS = 10_000
ARTEFACT = Path(__file__).with_name("vocabulary.json")
_CONFIRMED = 2.0  # above any score, which makes a confirmed tag's own concept the first
# From which best score on letters settle a tag, and how much more is asked of one with letters that
# English has not. Chosen by half of the German pairs and two buildings: any higher and the
# buildings' tags come out worse than by their letters.
SETTLED, FOREIGN = 0.4, 1.5
NEVER_SETTLED = math.inf  # reads by meaning whatever has a word


class TooManyTags(ValueError):
    """More tags than one call takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """naming: a tag against a concept's name. likeness: a tag against another tag. ridge: how far
    a confirmation gives way to its neighbours. settled: the score below which a tag is read by
    meaning, where there is an encoder."""

    naming: Weighting
    likeness: Weighting
    ridge: float
    settled: float = SETTLED


# A whole word in common with a concept's name says far more than letters in common; between two
# tags of one building letters say more.
SETTINGS = Settings(
    naming=Weighting(word=3.0, pair=0.0, gram=0.3, shortest_gram=3, longest_gram=5),
    likeness=Weighting(word=1.0, pair=1.0, gram=0.3, shortest_gram=2, longest_gram=4),
    ridge=0.1,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A concept for a tag. score: 0 to 1, for ranking; it is no probability."""

    concept: Concept
    score: float


class Basis(StrEnum):
    """What an answer rests on."""

    LETTERS = "letters"
    MEANING = "meaning"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class Answer:
    """The candidates for a tag, best first, and what they rest on."""

    candidates: tuple[Candidate, ...]
    basis: Basis


@dataclass(frozen=True, slots=True)
class Lesson:
    """What learning gave. The aligner that learned is new; the old one is unchanged."""

    aligner: "TagAligner"
    corrections: tuple[Correction, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class TagAligner:
    """An immutable aligner; a tenant's variant is one with confirmations."""

    names: Names
    lexicon: Lexicon
    positions: Mapping[str, int]
    settings: Settings
    confirmed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    corrections: Corrections | None = None

    @classmethod
    def load(
        cls,
        path: Path = ARTEFACT,
        schemes: Sequence[str] = (Scheme.BRICK,),
        encoder: Encoder | None = None,
    ) -> Self:
        """With the artefact's concepts of some schemes. Raises ArtefactBroken, ConceptUnknown."""
        vocabulary = read(path)
        return cls.over(vocabulary.of(schemes), vocabulary, encoder)

    @classmethod
    def over(
        cls,
        concepts: Sequence[Concept],
        vocabulary: Vocabulary,
        encoder: Encoder | None = None,
        settings: Settings = SETTINGS,
    ) -> Self:
        """With any concepts, such as a plant's own list, and the vocabulary's abbreviations.

        Raises ValueError where there is no concept, or two have one id.
        """
        positions = {one.id: at for at, one in enumerate(concepts)}
        if not concepts or len(positions) < len(concepts):
            raise ValueError("Give at least one concept, and each id once.")
        names = Names.of(concepts, settings.naming, encoder)
        words = {word for one in concepts for word in split(one.name)}
        return cls(names, lexicon(vocabulary.abbreviations, words), positions, settings)

    def align(self, tags: Sequence[str], top: int = 5) -> list[tuple[Candidate, ...]]:
        """The `top` best concepts for each tag, best first; fewer where nothing more fits.

        Raises TagInvalid, TooManyTags.
        """
        return [self._answer(tag, top, by_meaning=True).candidates for tag in checked(tags)]

    def answer(self, tag: str, top: int = 5, by_meaning: bool = True) -> Answer:
        """As `align`, for one tag and with what it rests on. Raises TagInvalid.

        by_meaning: whether it may be read by that, which takes time.
        """
        return self._answer(check(tag), top, by_meaning)

    def learn(self, confirmations: Iterable[Confirmation]) -> Lesson:
        """A new aligner that also knows `confirmations`.

        Raises ConceptUnknown, TagInvalid and TooManyConfirmations; then nothing is learned.
        """
        given = tuple(confirmations)
        self._require_concepts(given)
        confirmed, corrections = confirming.merge(self.confirmed, given)
        patterns, conflicts = confirming.weigh(confirmed)
        fitted = self._fit(patterns) if patterns else None
        learned = replace(self, confirmed=MappingProxyType(confirmed), corrections=fitted)
        return Lesson(learned, corrections, conflicts)

    def variant(self) -> bytes:
        """What was learned, to be kept."""
        return confirming.render(self.confirmed)

    def with_variant(self, variant: bytes) -> "TagAligner":
        """This aligner with what a variant holds. Raises VariantBroken, ConceptUnknown."""
        return self.learn(confirming.read(variant)).aligner

    def propose(self, tags: Sequence[str], count: int) -> tuple[str, ...]:
        """Up to `count` of `tags`, in the order in which to confirm them; fewer where the rest
        are like what is confirmed already. Raises TagInvalid, TooManyTags."""
        first: dict[Words, str] = {}
        sizes: Counter[Words] = Counter()
        for tag in checked(tags):
            words = pattern(split(tag))
            first.setdefault(words, tag)
            sizes[words] += 1
        common = [words for words, _ in sizes.most_common(MAX_PATTERNS)]
        described = [self._describe(split(first[words])) for words in common]
        known, likeness = likeness_of(described)
        covered = self._covered(known)
        weights = np.array([sizes[words] for words in common], dtype=np.float64)
        return tuple(first[common[at]] for at in cover(likeness, weights, covered, count))

    def _answer(self, tag: str, top: int, by_meaning: bool) -> Answer:
        words = split(tag)
        written, corrected = self.lexicon.expand(words), self._corrected(words)
        letters = self.names.by_letters(written)
        scores = letters + corrected
        meanings = self.names.meanings
        if tag in self.confirmed:
            scores[self.positions[self.confirmed[tag]]] = _CONFIRMED
            return Answer(self._first(scores, top), Basis.CONFIRMED)
        if meanings is None or not by_meaning or self._settled(letters, corrected, words, written):
            return Answer(self._first(scores, top), Basis.LETTERS)
        scores = self.names.by_meaning(meanings, tag, written) + corrected
        return Answer(self._first(scores, top), Basis.MEANING)

    def _settled(self, letters: Floats, corrected: Floats, words: Words, written: Words) -> bool:
        """Whether letters and confirmations say enough. Letters in common are worth less the more
        of the tag is in words that nobody knows; where there is no word, no meaning can be read."""
        if not any(map(is_word, words)):
            return True
        share = 1 - self.names.strange(written, self.lexicon)
        asked = self.settings.settled * (1 if all(map(str.isascii, words)) else FOREIGN)
        return bool(np.max(share * letters + corrected) >= asked)

    def _corrected(self, words: Words) -> Floats:
        """What confirmations add to each concept's score, [concepts]."""
        if self.corrections is None:
            return np.zeros(len(self.names.concepts))
        return self.corrections.of(self._describe(words))

    def _first(self, scores: Floats, top: int) -> tuple[Candidate, ...]:
        best = np.argsort(-scores, kind="stable")[:top]
        return tuple(
            Candidate(self.names.concepts[at], min(float(scores[at]), 1.0))
            for at in best
            if scores[at] > 0
        )

    def _fit(self, patterns: Sequence[confirming.Pattern]) -> Corrections:
        words = [split(one.tag) for one in patterns]
        written = [self.lexicon.expand(each) for each in words]
        scores = [self.names.by_letters(each) for each in written]
        described = [self._describe(each) for each in words]
        return Corrections.fit(
            patterns, described, np.array(scores), self.positions, self.settings.ridge
        )

    def _covered(self, known: Index) -> Floats:
        """How near what is confirmed already is to each indexed pattern, [N]."""
        near = np.zeros(known.size)
        for words in {pattern(split(tag)): split(tag) for tag in self.confirmed}.values():
            near = np.maximum(near, closeness(known, self._describe(words)))
        return near

    def _describe(self, words: Words) -> Features:
        return describe(words, self.lexicon, self.settings.likeness)

    def _require_concepts(self, confirmations: Iterable[Confirmation]) -> None:
        for one in confirmations:
            if one.concept not in self.positions:
                raise ConceptUnknown(f"The vocabulary has no concept {one.concept!r}.")


def checked(tags: Sequence[str]) -> list[str]:
    """Each tag without surrounding space. Raises TagInvalid, which says where, and TooManyTags."""
    if len(tags) > MAX_TAGS:
        raise TooManyTags(f"There are {len(tags)} tags; at most {MAX_TAGS} are read at once.")
    read_tags = []
    for number, tag in enumerate(tags):
        try:
            read_tags.append(check(tag))
        except TagInvalid as error:
            raise TagInvalid(f"Tag {number}: {error}") from error
    return read_tags
