"""Tag aligner: ranks the concepts of a vocabulary for raw plant tags and learns from confirmations.

Requires numpy only; the sentence encoder is an optional package.

Scores by embeddings cost about a hundred times the CPU time of scores by spelling, so the encoder
reads a tag only if spelling and confirmations give no concept a sufficient score. Confirmations
correct the spelling scores only: a variant therefore loads without the encoder, and fitting gives
the same result with and without one.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np

from models.sentences import sentence
from models.tag_align import confirmations as confirming
from models.tag_align.confirmations import Confirmation, Conflict, ReplacedConfirmation
from models.tag_align.describing import TagDescription, describe_tag
from models.tag_align.encoder import Encoder
from models.tag_align.features import Features, Floats, Index
from models.tag_align.learning import ScoreCorrections
from models.tag_align.names import ConceptNameIndex
from models.tag_align.naming import (
    Lexicon,
    TagInvalid,
    Words,
    build_lexicon,
    is_word,
    split_words,
    validate_tag,
    with_known_words,
)
from models.tag_align.parsing.name import read_name
from models.tag_align.proposing import (
    MAX_PATTERNS,
    pattern_similarities,
    select_for_confirmation,
    sharpened_similarities,
)
from models.tag_align.reading import ReadTag, read_tag, tag_features
from models.tag_align.settings import NON_ASCII_FACTOR, SETTINGS, Settings
from models.tag_align.vocabulary import Concept, ConceptUnknown, Scheme, Vocabulary, read

MAX_TAGS = 10_000
ARTEFACT = Path(__file__).with_name("vocabulary.json")
_CONFIRMED_SCORE = 2.0  # above every other score, so that a tag's confirmed concept ranks first


class TooManyTags(ValueError):
    """Raised if one call has more than MAX_TAGS tags."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A concept proposed for a tag. score: 0 to 1, for ranking; not a probability."""

    concept: Concept
    score: float


class Basis(StrEnum):
    """The evidence that an alignment is based on: spelling, embeddings or a confirmation."""

    LETTERS = "letters"
    MEANING = "meaning"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class TagAlignment:
    """The candidate concepts of a tag, best first, and the evidence they are based on."""

    candidates: tuple[Candidate, ...]
    basis: Basis


@dataclass(frozen=True, slots=True)
class LearningResult:
    """The new aligner fitted on confirmations, and what the confirmations contradict.

    corrections: tags that were confirmed before as another concept.
    """

    aligner: "TagAligner"
    corrections: tuple[ReplacedConfirmation, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class TagAligner:
    """An immutable tag aligner; a tenant's variant is an aligner with confirmations.

    positions: index of each concept in `names`, by concept id. confirmed: concept id by tag. own:
    the concepts, if they are a customer's own and belong into the variant.
    """

    names: ConceptNameIndex
    lexicon: Lexicon
    positions: Mapping[str, int]
    settings: Settings
    confirmed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    corrections: ScoreCorrections | None = None
    own: tuple[Concept, ...] = ()

    @classmethod
    def load(
        cls,
        path: Path = ARTEFACT,
        schemes: Sequence[str] = (Scheme.BRICK,),
        encoder: Encoder | None = None,
    ) -> Self:
        """Load the artefact and build an aligner over its concepts of some schemes.

        Raises ArtefactBroken and ConceptUnknown.
        """
        vocabulary = read(path)
        return cls.from_concepts(vocabulary.concepts_in(schemes), vocabulary, encoder)

    @classmethod
    def from_concepts(
        cls,
        concepts: Sequence[Concept],
        vocabulary: Vocabulary,
        encoder: Encoder | None = None,
        settings: Settings = SETTINGS,
    ) -> Self:
        """Build an aligner over any concepts, such as a plant's own list.

        The vocabulary supplies the abbreviations only. Raises ValueError if `concepts` is empty or
        contains a duplicate id.
        """
        positions = {concept.id: position for position, concept in enumerate(concepts)}
        if not concepts or len(positions) < len(concepts):
            raise ValueError("Give at least one concept, and each id once.")
        names = ConceptNameIndex.build(
            concepts,
            settings.name_weights,
            encoder,
            settings.path_weights,
            settings.kind_factors,
        )
        words = {word for concept in concepts for word in split_words(concept.name)}
        return cls(names, build_lexicon(vocabulary.abbreviations, words), positions, settings)

    def over(self, concepts: Sequence[Concept]) -> "TagAligner":
        """Return an aligner over a customer's own concepts, with this one's lexicon and settings.

        It compares by spelling only: encoding the names would take 20 ms each. Raises ValueError
        if `concepts` is empty or contains a duplicate id.
        """
        own = TagAligner.from_concepts(concepts, Vocabulary((), ()), settings=self.settings)
        words = {word for concept in concepts for word in split_words(concept.name)}
        return replace(own, lexicon=with_known_words(self.lexicon, words), own=tuple(concepts))

    def align(self, tags: Sequence[str], top: int = 5) -> list[tuple[Candidate, ...]]:
        """Return the `top` best concepts of each tag, best first; scores of 0 are left out.

        Raises TagInvalid, TooManyTags.
        """
        return [alignment.candidates for alignment in self.align_all(tags, top)]

    def align_all(
        self, tags: Sequence[str], top: int = 5, max_by_meaning: int = MAX_TAGS
    ) -> list[TagAlignment]:
        """Return the candidates of each tag with their basis.

        Encoding takes tens of milliseconds: at most `max_by_meaning` kinds of tags are. Tags of
        one kind are aligned once. Raises TagInvalid, TooManyTags.
        """
        by_kind: dict[Hashable, TagAlignment] = {}
        by_meaning: set[Words] = set()
        alignments = []
        for tag in validate_tags(tags):
            read = read_tag(tag, self.lexicon)
            kind, pattern = (tag if tag in self.confirmed else read.key), read.name.pattern
            if kind not in by_kind:
                may_encode = len(by_meaning) < max_by_meaning or pattern in by_meaning
                by_kind[kind] = self._align_tag(tag, read, top, may_encode)
            if by_kind[kind].basis is Basis.MEANING:
                by_meaning.add(pattern)
            alignments.append(by_kind[kind])
        return alignments

    def align_tag(self, tag: str, top: int = 5, use_embeddings: bool = True) -> TagAlignment:
        """Return the candidates of one tag with their basis; `use_embeddings` allows encoding it.

        Raises TagInvalid.
        """
        return self.align_all([tag], top, MAX_TAGS if use_embeddings else 0)[0]

    def learn(self, confirmations: Iterable[Confirmation]) -> LearningResult:
        """Return a new aligner fitted on the earlier and the new confirmations.

        Raises ConceptUnknown, TagInvalid and TooManyConfirmations.
        """
        new_confirmations = tuple(confirmations)
        self._require_concepts(new_confirmations)
        concept_by_tag, replaced = confirming.merge(self.confirmed, new_confirmations)
        patterns, conflicts = confirming.group_by_pattern(concept_by_tag)
        score_corrections = self._fit(patterns) if patterns else None
        learned = replace(
            self, confirmed=MappingProxyType(concept_by_tag), corrections=score_corrections
        )
        return LearningResult(learned, replaced, conflicts)

    def variant(self) -> bytes:
        """Serialize the confirmations as the file of a customer's variant."""
        return confirming.render_variant(self.confirmed, self.own)

    def with_variant(self, variant: bytes) -> "TagAligner":
        """Return a new aligner fitted on a variant's confirmations too.

        A variant with own concepts aligns with those. Raises VariantBroken and ConceptUnknown.
        """
        parsed = confirming.parse_variant(variant)
        base = self.over(parsed.concepts) if parsed.concepts else self
        return base.learn(parsed.confirmations).aligner

    def propose(self, tags: Sequence[str], count: int) -> tuple[str, ...]:
        """Return up to `count` of `tags` to confirm next, the most informative first.

        Returns fewer if all other tags are covered by confirmed ones. Raises TagInvalid and
        TooManyTags.
        """
        first_tag: dict[Words, str] = {}
        tag_counts: Counter[Words] = Counter()
        for tag in validate_tags(tags):
            pattern = read_name(tag).pattern
            first_tag.setdefault(pattern, tag)
            tag_counts[pattern] += 1
        frequent = [pattern for pattern, _ in tag_counts.most_common(MAX_PATTERNS)]
        read = [read_tag(first_tag[pattern], self.lexicon) for pattern in frequent]
        pattern_index, similarities = pattern_similarities([self._tag_features(r) for r in read])
        confirmed_similarities = self._confirmed_similarities(pattern_index)
        weights = np.array([tag_counts[pattern] for pattern in frequent], dtype=np.float64)
        return tuple(
            first_tag[frequent[at]]
            for at in select_for_confirmation(similarities, weights, confirmed_similarities, count)
        )

    def describe(self, tag: str, value_range: tuple[float, float] | None = None) -> TagDescription:
        """Return what the structure of a tag says. Raises TagInvalid.

        value_range: the lowest and highest value of the point, to infer its unit.
        """
        return describe_tag(read_tag(validate_tag(tag), self.lexicon), value_range)

    def _align_tag(self, tag: str, read: ReadTag, top: int, use_embeddings: bool) -> TagAlignment:
        """Return the candidates of a valid tag; `use_embeddings` allows encoding the tag."""
        spelling, corrections = self.names.spelling_scores(read), self._score_corrections(read)
        scores = spelling + corrections
        embeddings = self.names.embeddings
        if tag in self.confirmed:
            scores[self.positions[self.confirmed[tag]]] = _CONFIRMED_SCORE
            return TagAlignment(self._top_candidates(scores, top), Basis.CONFIRMED)
        if (
            embeddings is None
            or not use_embeddings
            or self._is_spelling_sufficient(spelling, corrections, read)
        ):
            return TagAlignment(self._top_candidates(scores, top), Basis.LETTERS)
        scores = self.names.semantic_scores(embeddings, read) + corrections
        return TagAlignment(self._top_candidates(scores, top), Basis.MEANING)

    def _is_spelling_sufficient(self, spelling: Floats, corrections: Floats, tag: ReadTag) -> bool:
        """Whether spelling and the corrections of the scores suffice without encoding the tag.

        The best similarity is discounted by the share of letters in unknown words. A tag without
        any word cannot be encoded.
        """
        words = tag.name.leaf
        if not any(map(is_word, words)):
            return True
        known_share = 1 - self.names.unknown_letter_share(tag.leaf, self.lexicon)
        required = self.settings.min_spelling_score * (
            1 if all(map(str.isascii, words)) else NON_ASCII_FACTOR
        )
        if np.max(known_share * spelling + corrections) >= required:
            return True
        return known_share * self.names.best_similarity(tag) >= required

    def _score_corrections(self, tag: ReadTag) -> Floats:
        """Return the correction from confirmations to add to each concept's score, [concepts]."""
        if self.corrections is None:
            return np.zeros(len(self.names.concepts))
        return self.corrections.score_changes(self._tag_features(tag))

    def _top_candidates(self, scores: Floats, top: int) -> tuple[Candidate, ...]:
        """Return the `top` concepts with the highest positive scores, capped at 1."""
        best = np.argsort(-scores, kind="stable")[:top]
        return tuple(
            Candidate(self.names.concepts[at], min(float(scores[at]), 1.0))
            for at in best
            if scores[at] > 0
        )

    def _fit(self, patterns: Sequence[confirming.ConfirmedPattern]) -> ScoreCorrections:
        """Fit the corrections of the spelling scores on confirmed patterns."""
        read = [read_tag(confirmed.tag, self.lexicon) for confirmed in patterns]
        scores = [self.names.spelling_scores(each) for each in read]
        pattern_features = [self._tag_features(each) for each in read]
        return ScoreCorrections.fit(
            patterns, pattern_features, np.array(scores), self.positions, self.settings.ridge
        )

    def _confirmed_similarities(self, pattern_index: Index) -> Floats:
        """Return the highest similarity of each indexed pattern to a confirmed one, [N]."""
        similarities = np.zeros(pattern_index.size)
        for tag in {read_name(tag).pattern: tag for tag in self.confirmed}.values():
            features = self._tag_features(read_tag(tag, self.lexicon))
            similarities = np.maximum(similarities, sharpened_similarities(pattern_index, features))
        return similarities

    def _tag_features(self, tag: ReadTag) -> Features:
        """Return the features by which a tag is compared with other tags."""
        return tag_features(tag, self.settings.tag_weights, self.settings.path_weights)

    def _require_concepts(self, confirmations: Iterable[Confirmation]) -> None:
        """Raise ConceptUnknown if a confirmed concept is not in the vocabulary."""
        for confirmation in confirmations:
            if confirmation.concept not in self.positions:
                raise ConceptUnknown(
                    sentence(
                        "The vocabulary has no concept {concept}.",
                        concept=repr(confirmation.concept),
                    )
                )


def validate_tags(tags: Sequence[str]) -> list[str]:
    """Validate tags and strip surrounding whitespace.

    Raises TooManyTags, and TagInvalid with the index of the first invalid tag.
    """
    if len(tags) > MAX_TAGS:
        raise TooManyTags(
            f"There are {len(tags)} tags; at most {MAX_TAGS} are allowed per request."
        )
    validated = []
    for number, tag in enumerate(tags):
        try:
            validated.append(validate_tag(tag))
        except TagInvalid as error:
            raise TagInvalid(
                sentence("Tag {number}: {error}", number=number, error=error)
            ) from error
    return validated
