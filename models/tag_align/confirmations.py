"""What a tenant has confirmed: checked, merged, weighed, and written as a variant's file.

A later confirmation of the same tag replaces the earlier and is reported. Among tags of one
pattern, a concept outnumbered `OUTVOTED` to one or more holds for its own tags only; it is
reported and not spread to others. Where the votes are closer, both spread and it is reported.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models.tag_align.naming import TagInvalid, Words, check, pattern, split

# Learning compares each confirmed pattern with each other: this many take seconds.
MAX_CONFIRMATIONS = 3_000
OUTVOTED = 4
VERSION = 1


class TooManyConfirmations(ValueError):
    """More than a variant holds."""


class VariantBroken(ValueError):
    """The bytes are no variant of this version."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A person says that `tag` is the concept with this id."""

    tag: str
    concept: str


@dataclass(frozen=True, slots=True)
class Correction:
    """One tag was confirmed anew, as another concept."""

    tag: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Tags of one pattern were confirmed as different concepts: `concept` for the tags in `tags`,
    while the pattern's leading concept has `leading_votes`. spread: whether it still counts for
    other tags."""

    concept: str
    tags: tuple[str, ...]
    leading: str
    leading_votes: int
    spread: bool


@dataclass(frozen=True, slots=True)
class Pattern:
    """A confirmed pattern, by the first tag that has it. shares: by concept id, how much of the
    pattern it holds; they sum to 1."""

    tag: str
    shares: Mapping[str, float]


def merge(
    before: Mapping[str, str], confirmations: Iterable[Confirmation]
) -> tuple[dict[str, str], tuple[Correction, ...]]:
    """Concept by tag after `confirmations`, and which tags changed their concept.

    Raises TagInvalid and TooManyConfirmations.
    """
    merged = dict(before)
    corrections = []
    for number, one in enumerate(confirmations):
        tag = _checked(one.tag, number)
        if merged.get(tag, one.concept) != one.concept:
            corrections.append(Correction(tag, merged[tag], one.concept))
        merged[tag] = one.concept
        if len(merged) > MAX_CONFIRMATIONS:
            raise TooManyConfirmations(f"A variant holds at most {MAX_CONFIRMATIONS} tags.")
    return merged, tuple(corrections)


def weigh(confirmed: Mapping[str, str]) -> tuple[tuple[Pattern, ...], tuple[Conflict, ...]]:
    """The patterns to learn from, and where tags of one pattern disagree."""
    groups: dict[Words, list[str]] = defaultdict(list)
    for tag in confirmed:
        groups[pattern(split(tag))].append(tag)
    patterns = tuple(_pattern(tags, confirmed) for words, tags in groups.items() if words)
    conflicts = tuple(
        one for words, tags in groups.items() if words for one in _conflicts(tags, confirmed)
    )
    return patterns, conflicts


def render(confirmed: Mapping[str, str]) -> bytes:
    """A variant's file."""
    document = {"version": VERSION, "confirmations": list(confirmed.items())}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def read(variant: bytes) -> tuple[Confirmation, ...]:
    """What `render` wrote. Raises VariantBroken."""
    try:
        document = json.loads(variant)
        if document["version"] != VERSION:
            raise ValueError(document["version"])
        pairs = [(tag, concept) for tag, concept in document["confirmations"]]
    except (KeyError, TypeError, ValueError) as error:
        raise VariantBroken(f"These bytes are no variant of version {VERSION}.") from error
    if not all(isinstance(part, str) for pair in pairs for part in pair):
        raise VariantBroken("A variant's tags and concepts are texts.")
    return tuple(Confirmation(tag, concept) for tag, concept in pairs)


def _checked(tag: str, number: int) -> str:
    try:
        return check(tag)
    except TagInvalid as error:
        raise TagInvalid(f"Confirmation {number}: {error}") from error


def _pattern(tags: list[str], confirmed: Mapping[str, str]) -> Pattern:
    votes = Counter(confirmed[tag] for tag in tags)
    most = votes.most_common(1)[0][1]
    spread = {concept: count for concept, count in votes.items() if not _outvoted(count, most)}
    total = sum(spread.values())
    shares = {concept: count / total for concept, count in spread.items()}
    return Pattern(tags[0], shares)


def _conflicts(tags: list[str], confirmed: Mapping[str, str]) -> Iterable[Conflict]:
    (leading, most), *others = Counter(confirmed[tag] for tag in tags).most_common()
    for concept, count in others:
        their = tuple(tag for tag in tags if confirmed[tag] == concept)
        yield Conflict(concept, their, leading, most, spread=not _outvoted(count, most))


def _outvoted(count: int, most: int) -> bool:
    return count * OUTVOTED <= most
