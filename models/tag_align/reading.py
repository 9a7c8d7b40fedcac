"""Read a tag in English words: its point, its equipment, and the medium that the point implies."""

from dataclasses import dataclass

from models.tag_align.features import Features, Weighting, extract_features
from models.tag_align.naming import Lexicon, Words, mask_numbers, without_numbers
from models.tag_align.parsing.equipment import default_medium, is_equipment, is_point
from models.tag_align.parsing.name import TagName, read_name


@dataclass(frozen=True, slots=True)
class ReadTag:
    """A tag in English words, as far as the lexicon has them.

    leaf: words of the point. parents: words of each segment above it, outermost first. implied:
    medium or place of a point that names none, by its equipment.
    """

    name: TagName
    leaf: Words
    parents: tuple[Words, ...]
    implied: Words

    @property
    def key(self) -> tuple[object, ...]:
        """What all scores of letters depend on: tags with equal keys get equal scores."""
        return (self.name.pattern, without_numbers(self.leaf), self.parents, self.implied)


@dataclass(frozen=True, slots=True)
class PathWeights:
    """How much the words above a point weigh, beside 1 for the point's own.

    parent, implied: for comparing a tag with a concept's name. context: for comparing two tags.
    """

    parent: float
    implied: float
    context: float


def read_tag(tag: str, lexicon: Lexicon) -> ReadTag:
    """Read a valid tag."""
    name = read_name(tag)
    if name.meaning:
        leaf, kinds = name.meaning, name.parent_kinds
    elif name.parents:
        leaf, kinds = lexicon.expand(name.leaf), name.parent_kinds
    else:
        leaf, kinds = _split_equipment(name.leaf, lexicon)
    parents = tuple(without_numbers(lexicon.expand(words)) for words in kinds)
    return ReadTag(name, leaf, parents, default_medium(leaf, parents) if parents else ())


def _split_equipment(words: Words, lexicon: Lexicon) -> tuple[Words, tuple[Words, ...]]:
    """Return the point of a flat name in English words, and its equipment if it begins with that.

    `ahu 3 supply temp` begins with a numbered equipment, `zone temp 3` does not.
    """
    expanded = lexicon.expand(words)
    for at in range(len(words) - 2, 0, -1):
        if not words[at].isdigit():
            continue
        start = at + 1 + _is_suffix(words[at + 1])
        equipment, point = lexicon.expand(words[:at]), lexicon.expand(words[start:])
        if is_equipment(equipment) and is_point(point):
            return point, (without_numbers(words[:at]),)
    return expanded, ()


def _is_suffix(word: str) -> bool:
    """Whether a word after a number belongs to it, like the letter of `ahu 2a`."""
    return len(word) == 1 and word.isascii() and word.isalpha()


def query_features(tag: ReadTag, weighting: Weighting, weights: PathWeights) -> Features:
    """Return the features by which a tag is compared with the names of concepts."""
    features = dict(extract_features([without_numbers(tag.leaf)], weighting))
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


def _weighted(parents: tuple[Words, ...], weight: float) -> list[tuple[Words, float]]:
    """Return the words of each parent with its weight, the nearest first and heaviest."""
    return [(words, weight / (at + 1)) for at, words in enumerate(reversed(parents))]
