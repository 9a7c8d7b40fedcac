"""Validate, merge and weigh a tenant's confirmations, and render them as a variant's file.

A later confirmation of the same tag replaces the earlier one and is reported. Among the tags of one
pattern, a concept with at most 1/OUTVOTED_RATIO of the leading concept's votes applies to its own
tags only and is not generalized. If the votes are closer, both concepts generalize. Both cases are
reported as conflicts.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.own_artefact import VariantBroken
from models.sentences import sentence
from models.tag_align.naming import TagInvalid, Words, validate_tag
from models.tag_align.own_concepts import OwnConcept, build_own_concepts
from models.tag_align.parsing.name import read_name
from models.tag_align.vocabulary import Concept

# Fitting compares each confirmed pattern with every other: this many take seconds.
MAX_CONFIRMATIONS = 3_000
OUTVOTED_RATIO = 4
# A file with the customer's own concepts has OWN_VERSION; files without are as before.
VERSION, OWN_VERSION = 1, 2


class TooManyConfirmations(ValueError):
    """Raised if a variant would have more than MAX_CONFIRMATIONS tags."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A tag with the concept id that a person confirmed for it."""

    tag: str
    concept: str


@dataclass(frozen=True, slots=True)
class Variant:
    """The content of a variant's file; `concepts` are the customer's own, if it has some."""

    confirmations: tuple[Confirmation, ...]
    concepts: tuple[Concept, ...]


@dataclass(frozen=True, slots=True)
class ReplacedConfirmation:
    """A tag whose confirmed concept id changed from `before` to `after`."""

    tag: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Tags of one pattern that were confirmed as another concept than most tags of the pattern.

    tags: the tags confirmed as `concept`. leading, leading_votes: the pattern's most confirmed
    concept and its number of tags. spread: whether `concept` still generalizes to other tags.
    """

    concept: str
    tags: tuple[str, ...]
    leading: str
    leading_votes: int
    spread: bool


@dataclass(frozen=True, slots=True)
class ConfirmedPattern:
    """A pattern with its share of confirmed tags by concept id; the shares sum to 1.

    tag: the first confirmed tag of the pattern.
    """

    tag: str
    shares: Mapping[str, float]


def merge(
    concept_by_tag: Mapping[str, str], confirmations: Iterable[Confirmation]
) -> tuple[dict[str, str], tuple[ReplacedConfirmation, ...]]:
    """Merge new confirmations into the earlier ones.

    Returns the concept id by tag, and the tags whose concept changed. Raises TagInvalid and
    TooManyConfirmations.
    """
    merged = dict(concept_by_tag)
    replaced = []
    for number, confirmation in enumerate(confirmations):
        tag = _validate_tag(confirmation.tag, number)
        if merged.get(tag, confirmation.concept) != confirmation.concept:
            replaced.append(ReplacedConfirmation(tag, merged[tag], confirmation.concept))
        merged[tag] = confirmation.concept
        if len(merged) > MAX_CONFIRMATIONS:
            raise TooManyConfirmations(
                sentence("A variant can have at most {most} tags.", most=MAX_CONFIRMATIONS)
            )
    return merged, tuple(replaced)


def group_by_pattern(
    concept_by_tag: Mapping[str, str],
) -> tuple[tuple[ConfirmedPattern, ...], tuple[Conflict, ...]]:
    """Group confirmed tags by pattern and find the conflicts within each pattern."""
    groups: dict[Words, list[str]] = defaultdict(list)
    for tag in concept_by_tag:
        groups[read_name(tag).pattern].append(tag)
    patterns = tuple(
        _weigh_concepts(tags, concept_by_tag) for words, tags in groups.items() if words
    )
    conflicts = tuple(
        conflict
        for words, tags in groups.items()
        if words
        for conflict in _find_conflicts(tags, concept_by_tag)
    )
    return patterns, conflicts


def render_variant(concept_by_tag: Mapping[str, str], own: Sequence[Concept] = ()) -> bytes:
    """Render confirmations, and a customer's own concepts, as a variant's file, in JSON."""
    payload: dict[str, Any] = {"version": VERSION, "confirmations": list(concept_by_tag.items())}
    if own:
        payload["version"] = OWN_VERSION
        payload["concepts"] = [[one.id, one.name, *one.aliases] for one in own]
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def parse_variant(variant: bytes) -> Variant:
    """Parse a variant's file. Raises VariantBroken."""
    try:
        payload = json.loads(variant)
        pairs = [(tag, concept) for tag, concept in payload["confirmations"]]
        own = _parse_concepts(payload)
    except (KeyError, TypeError, ValueError) as error:
        raise VariantBroken(f"The artefact is not a variant of version {VERSION}.") from error
    if not all(isinstance(part, str) for pair in pairs for part in pair):
        raise VariantBroken("A variant's tags and concepts must be strings.")
    return Variant(tuple(Confirmation(tag, concept) for tag, concept in pairs), own)


def _parse_concepts(payload: Mapping[str, Any]) -> tuple[Concept, ...]:
    """Parse the own concepts of a variant's document, which only one of OWN_VERSION has."""
    if payload["version"] == VERSION:
        return ()
    if payload["version"] != OWN_VERSION:
        raise ValueError(payload["version"])
    return build_own_concepts(
        [OwnConcept(id, name, tuple(aliases)) for id, name, *aliases in payload["concepts"]]
    )


def _validate_tag(tag: str, number: int) -> str:
    """Validate a confirmed tag. Raises TagInvalid with the confirmation's number."""
    try:
        return validate_tag(tag)
    except TagInvalid as error:
        raise TagInvalid(
            sentence("Confirmation {number}: {error}", number=number, error=error)
        ) from error


def _weigh_concepts(tags: list[str], concept_by_tag: Mapping[str, str]) -> ConfirmedPattern:
    """Return a pattern with the vote share of each concept that is not outvoted."""
    votes = Counter(concept_by_tag[tag] for tag in tags)
    leading_votes = votes.most_common(1)[0][1]
    spread = {
        concept: count for concept, count in votes.items() if not _is_outvoted(count, leading_votes)
    }
    total = sum(spread.values())
    shares = {concept: count / total for concept, count in spread.items()}
    return ConfirmedPattern(tags[0], shares)


def _find_conflicts(tags: list[str], concept_by_tag: Mapping[str, str]) -> Iterable[Conflict]:
    """Yield a conflict for each concept of a pattern but the leading one."""
    (leading, leading_votes), *others = Counter(concept_by_tag[tag] for tag in tags).most_common()
    for concept, count in others:
        concept_tags = tuple(tag for tag in tags if concept_by_tag[tag] == concept)
        yield Conflict(
            concept,
            concept_tags,
            leading,
            leading_votes,
            spread=not _is_outvoted(count, leading_votes),
        )


def _is_outvoted(votes: int, leading_votes: int) -> bool:
    """Whether the leading concept has at least OUTVOTED_RATIO times as many votes."""
    return votes * OUTVOTED_RATIO <= leading_votes
