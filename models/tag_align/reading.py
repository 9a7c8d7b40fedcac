"""Read a tag in English words: its point, its equipment, and the medium that the point implies."""

from dataclasses import dataclass

from models.tag_align.features import Features, Weighting, extract_features, word_feature
from models.tag_align.naming import Lexicon, Words, mask_numbers, without_numbers
from models.tag_align.parsing.equipment import default_medium, is_equipment, is_point
from models.tag_align.parsing.name import TagName, read_name


@dataclass(frozen=True, slots=True)
class ReadTag:
    """A tag in English words, as far as the lexicon has them.

    leaf: words of the point. parents: words of each segment above it, outermost first. implied:
    medium or place of a point that names none, by its equipment. equipment_text: words of the
    equipment that a flat name begins with.
    """

    name: TagName
    leaf: Words
    parents: tuple[Words, ...]
    implied: Words
    equipment_text: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """What all scores of letters depend on: tags with equal keys get equal scores."""
        return (self.name.pattern, without_numbers(self.leaf), self.parents, self.implied)


@dataclass(frozen=True, slots=True)
class PathWeights:
    """How much the words above a point weigh, beside 1 for the point's own.

    parent, implied: for comparing a tag with a concept's name. context: for comparing two tags.
    literal: how much more a word weighs that the tag itself has than one that the lexicon gives it:
    a zone is a zone before it is a room.
    """

    parent: float
    implied: float
    context: float
    literal: float


def read_tag(tag: str, lexicon: Lexicon) -> ReadTag:
    """Read a valid tag."""
    name = read_name(tag)
    equipment: Words = ()
    if name.meaning:
        leaf, kinds = name.meaning, name.parent_kinds
    elif name.parents:
        leaf, kinds = lexicon.expand(name.leaf), name.parent_kinds
    else:
        leaf, equipment = _split_equipment(name.leaf, lexicon)
        kinds = (without_numbers(equipment),) if equipment else ()
    parents = tuple(without_numbers(lexicon.expand(words)) for words in kinds)
    implied = default_medium(leaf, parents) if parents else ()
    return ReadTag(name, leaf, parents, implied, " ".join(equipment))


def _split_equipment(words: Words, lexicon: Lexicon) -> tuple[Words, Words]:
    """Return the point of a flat name in English words, and the equipment that it begins with.

    `ahu 3 supply temp` begins with a numbered equipment, `zone temp 3` does not.
    """
    expanded = lexicon.expand(words)
    for at in range(len(words) - 2, 0, -1):
        if not words[at].isdigit():
            continue
        start = at + 1 + _is_suffix(words[at + 1])
        named, point = lexicon.expand(words[:at]), lexicon.expand(words[start:])
        if is_equipment(named) and is_point(point):
            return point, words[:start]
    return expanded, ()


def _is_suffix(word: str) -> bool:
    """Whether a word after a number belongs to it, like the letter of `ahu 2a`."""
    return len(word) == 1 and word.isascii() and word.isalpha()


def query_features(tag: ReadTag, weighting: Weighting, weights: PathWeights) -> Features:
    """Return the features by which a tag is compared with the names of concepts."""
    features = dict(extract_features([without_numbers(tag.leaf)], weighting))
    for word in _literal_words(tag.name) & set(without_numbers(tag.leaf)):
        features[word_feature(word)] += weighting.word * weights.literal
    for words, weight in ((tag.implied, weights.implied), *_weighted(tag.parents, weights.parent)):
        for feature, value in extract_features([words], weighting).items():
            features.setdefault(feature, value * weight)
    return features


def tag_features(tag: ReadTag, weighting: Weighting, weights: PathWeights) -> Features:
    """Return the features by which a tag is compared with other tags; numbers are masked.

    Contains raw and expanded words: among the tags of one building an abbreviation is as good a
    feature as its expansion, and remains right if the lexicon is wrong. The kinds of equipment
    above the point are features of their own, so that they never match the words of a point.
    """
    leaf = (mask_numbers(tag.name.leaf), mask_numbers(tag.leaf))
    features = dict(extract_features(leaf, weighting))
    for parent in tag.name.parent_kinds:
        features[f"u {' '.join(parent)}"] = weights.context
    return features


def _literal_words(name: TagName) -> set[str]:
    """Return the words of a path's point as written, and `room` for one that is in a room.

    `vav 109 / zone temp` is of a zone, `room 209 / zone temp` of a room. A flat name has no place
    that would tell, and the lexicon decides.
    """
    if not name.parents:
        return set()
    is_room = any("room" in parent for parent in name.parent_kinds)
    return {*name.leaf, "room"} if is_room else set(name.leaf)


def _weighted(parents: tuple[Words, ...], weight: float) -> list[tuple[Words, float]]:
    """Return the words of each parent with its weight, the nearest first and heaviest."""
    return [(words, weight / (at + 1)) for at, words in enumerate(reversed(parents))]
