"""Read a tag as a name with a structure: its notation, its equipment and its point.

The parts are words of the plant; `meaning` holds the English words of a designation's letters.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from models.tag_align.naming import NUMBER, Words, split_words
from models.tag_align.parsing.isa import ITEMS, read_loop
from models.tag_align.parsing.kks import read_kks, read_rds_pp
from models.tag_align.parsing.separators import is_node_id, split_segments

# Last segments that name no point but a property of one.
_PROPERTIES = frozenset(
    "priority value val pv presentvalue present raw data actual ist wert messwert 值 当前值 "
    "eu in output current_value analog digital signal".split()
)
# Identifiers of rooms and equipment: letters joined to digits, as in C300B or 2a.
_IDENTIFIER = re.compile(r"\b[A-Za-z]{0,2}\d+[A-Za-z]?(?:[-_.]\d+[A-Za-z]?)*\b")


class Notation(StrEnum):
    """How a tag is written."""

    FLAT = "flat"
    PATH = "path"
    ISA = "isa-5.1"
    KKS = "kks"
    RDS_PP = "rds-pp"
    OPC_UA = "opc-ua"


@dataclass(frozen=True, slots=True)
class TagName:
    """A tag read as a name.

    parents: words of each segment above the point, outermost first. parent_texts: the same
    segments as written. leaf, leaf_text: words of the point, and its text as written. meaning:
    English words of a designation.
    """

    notation: Notation
    parents: tuple[Words, ...]
    parent_texts: tuple[str, ...]
    leaf: Words
    leaf_text: str
    meaning: Words = ()

    @property
    def pattern(self) -> Words:
        """The words of all parts with identifiers and numbers masked.

        Points of one kind on equipment of one kind have the same pattern.
        """
        leaf = tuple(NUMBER if word.isdigit() else word for word in self.leaf)
        if not self.parents:
            return leaf
        kinds = [word for parent in self.parent_kinds for word in (*parent, "/")]
        return (*kinds, *leaf)

    @property
    def parent_kinds(self) -> tuple[Words, ...]:
        """The words of each parent without identifiers and numbers: `vav C180` is `vav`."""
        return tuple(_kind_words(text) or (NUMBER,) for text in self.parent_texts)


def read_name(tag: str) -> TagName:
    """Read a valid tag."""
    segments = split_segments(tag)
    if not segments:
        return TagName(Notation.FLAT, (), (), split_words(tag), tag)
    designation = _read_designation(segments)
    if designation is not None:
        return designation
    start = _leaf_start(segments)
    notation = Notation.FLAT if len(segments) == 1 else Notation.PATH
    if is_node_id(tag):
        notation = Notation.OPC_UA
    leaf_text = tag if len(segments) == 1 else " ".join(segments[start:])
    return _named(notation, segments[:start], leaf_text)


def _read_designation(segments: Sequence[str]) -> TagName | None:
    """Return a name whose last segment, or last two, are a designation; None if they are not."""
    last = segments[-1]
    has_item = len(segments) > 1 and last.lower() in ITEMS
    loop = ".".join(segments[-2:]) if has_item else last
    for notation, text, meaning in (
        (Notation.ISA, loop, read_loop(loop)),
        (Notation.KKS, last, read_kks(last)),
        (Notation.RDS_PP, last, read_rds_pp(last)),
    ):
        if meaning is not None:
            parents = segments[:-2] if text is loop and has_item else segments[:-1]
            return _named(notation, parents, text, meaning)
    return None


def _named(
    notation: Notation, parents: Sequence[str], leaf_text: str, meaning: Words = ()
) -> TagName:
    """Return a name with the words of its parents."""
    words = tuple(split_words(parent) for parent in parents)
    return TagName(notation, words, tuple(parents), split_words(leaf_text), leaf_text, meaning)


def _kind_words(text: str) -> Words:
    """Return the words of a parent without identifiers and numbers."""
    return tuple(word for word in split_words(_IDENTIFIER.sub(" ", text)) if not word.isdigit())


def _leaf_start(segments: Sequence[str]) -> int:
    """Return the first segment of the point's name.

    That is the last segment, with those before it that it only is a property of.
    """
    start = len(segments) - 1
    while start > 0 and all(_is_property(word) for word in split_words(segments[start])):
        start -= 1
    return start


def _is_property(word: str) -> bool:
    """Whether a word names a property of a point, or nothing."""
    return word.isdigit() or word in _PROPERTIES
