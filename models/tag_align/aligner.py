"""The predictor: tags in, candidate concepts out, better with every confirmation.

Owns how the parts' scores add up and what a caller may ask. Needs numpy only; with an encoder
also the optional package. Does not own serving, nor building the artefact (train.py).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np

from models.tag_align import confirmations as confirming
from models.tag_align.confirmations import Confirmation, Conflict, Correction
from models.tag_align.encoder import Encoder, Meanings
from models.tag_align.features import Features, Floats, Index, Rows, Weighting, features, index
from models.tag_align.learning import Corrections, describe
from models.tag_align.naming import (
    Lexicon,
    TagInvalid,
    Words,
    check,
    lexicon,
    pattern,
    split,
    without_numbers,
)
from models.tag_align.proposing import MAX_PATTERNS, closeness, cover, likeness_of
from models.tag_align.vocabulary import Concept, ConceptUnknown, Scheme, Vocabulary, read

MAX_TAGS = 10_000
ARTEFACT = Path(__file__).with_name("vocabulary.json")
# With an encoder: the tag as it stands, the tag written out, and the letters.
ENCODED, WRITTEN_OUT, LETTERS = 1.0, 0.5, 0.1
_CONFIRMED = 2.0  # above any score, which makes a confirmed tag's own concept the first


class TooManyTags(ValueError):
    """More tags than one call takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """naming: a tag against a concept's name. likeness: a tag against another tag. ridge: how far
    a confirmation gives way to its neighbours."""

    naming: Weighting
    likeness: Weighting
    ridge: float


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


@dataclass(frozen=True, slots=True)
class Names:
    """Every name of every concept; concept `n` owns the names from `starts[n]` up."""

    concepts: tuple[Concept, ...]
    index: Index
    starts: Rows
    weighting: Weighting
    meanings: Meanings | None

    def scores(self, words: Words, text: str, known: Lexicon) -> Floats:
        """How well each concept's best name fits, [concepts]."""
        written = known.expand(words)
        letters = self.index.similarities(features([without_numbers(written)], self.weighting))
        if self.meanings is not None:
            near, spelled = self.meanings.similarities([text, " ".join(written) or text])
            letters = ENCODED * near + WRITTEN_OUT * spelled + LETTERS * letters
            letters /= ENCODED + WRITTEN_OUT + LETTERS
        return np.asarray(np.maximum.reduceat(letters, self.starts))


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
        names = _names(concepts, settings.naming, encoder)
        words = {word for one in concepts for word in split(one.name)}
        return cls(names, lexicon(vocabulary.abbreviations, words), positions, settings)

    def align(self, tags: Sequence[str], top: int = 5) -> list[tuple[Candidate, ...]]:
        """The `top` best concepts for each tag, best first; fewer where nothing more fits.

        Raises TagInvalid, TooManyTags.
        """
        return [self._candidates(tag, top) for tag in checked(tags)]

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

    def _candidates(self, tag: str, top: int) -> tuple[Candidate, ...]:
        words = split(tag)
        scores = self.names.scores(words, tag, self.lexicon)
        if self.corrections is not None:
            scores = scores + self.corrections.of(self._describe(words))
        if tag in self.confirmed:
            scores[self.positions[self.confirmed[tag]]] = _CONFIRMED
        best = np.argsort(-scores, kind="stable")[:top]
        return tuple(
            Candidate(self.names.concepts[at], min(float(scores[at]), 1.0))
            for at in best
            if scores[at] > 0
        )

    def _fit(self, patterns: Sequence[confirming.Pattern]) -> Corrections:
        words = [split(one.tag) for one in patterns]
        scores = [
            self.names.scores(each, one.tag, self.lexicon)
            for each, one in zip(words, patterns, strict=True)
        ]
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


def _names(concepts: Sequence[Concept], weighting: Weighting, encoder: Encoder | None) -> Names:
    several = [(one.name, *one.aliases) for one in concepts]
    each = [name for names in several for name in names]
    starts = np.cumsum([0, *(len(names) for names in several[:-1])]).astype(np.intp)
    built = index([features([without_numbers(split(name))], weighting) for name in each])
    meanings = None if encoder is None else Meanings.of(encoder, each)
    return Names(tuple(concepts), built, starts, weighting, meanings)


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
