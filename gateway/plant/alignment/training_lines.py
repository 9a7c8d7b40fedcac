"""The training file of an account's confirmed points, in the lines that `tag-align` learns from.

    confirmed points -> one line for each tag -> at most 3,000 of as many patterns as possible

A line states what the version in use learned for its tag (`earlier`), so that the training compares
the versions. Concepts of several vocabularies, or of the account's own, are listed in the file.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, zip_longest
from types import MappingProxyType
from typing import Any

import msgspec

from gateway.plant.alignment.machine_concepts import machine_concepts
from models.tag_align.confirmations import MAX_CONFIRMATIONS
from models.tag_align.naming import TagInvalid, Words, split_words, validate_tag
from models.tag_align.own_concepts import MAX_CONCEPTS, MAX_NAME_LENGTH
from models.tag_align.parsing.name import read_name
from models.tag_align.training_file import HELD_OUT_DIVISOR, MIN_TAGS
from models.tag_align.vocabulary import Scheme, Vocabulary

Lines = Mapping[str, str]
"""Concept id by tag."""
_NO_NAMES: Mapping[str, str] = MappingProxyType({})


def read_lines(content: bytes) -> dict[str, str]:
    """Return the concept of each tag of a training file that a job accepted."""
    return {line["tag"]: line["concept"] for line in _decode(content) if "tag" in line}


def read_names(content: bytes) -> dict[str, str]:
    """Return the name of each concept that a training file lists as the account's own."""
    return {line["concept"]: line["name"] for line in _decode(content) if "name" in line}


def select_lines(confirmed: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the tags to train on, from pairs of tag and concept, newest first.

    Of more than 3,000 tags, those of rare patterns stay. Tags that no model reads are left out.
    """
    by_pattern: dict[Words, dict[str, str]] = defaultdict(dict)
    for tag, concept in confirmed:
        try:
            valid = validate_tag(tag)
        except TagInvalid:
            continue
        by_pattern[read_name(valid).pattern].setdefault(valid, concept)
    turns = zip_longest(*(lines.items() for lines in by_pattern.values()))
    chosen = (line for turn in turns for line in turn if line is not None)
    return dict(islice(chosen, MAX_CONFIRMATIONS))


def count_new(lines: Lines, before: Lines) -> int:
    """Return how many tags are new or have another concept than before."""
    return sum(before.get(tag) != concept for tag, concept in lines.items())


def is_enough(lines: Lines) -> bool:
    """Whether a training accepts the lines: enough tags, patterns and concepts."""
    if len(lines) < MIN_TAGS or len(set(lines.values())) < 2:
        return False
    return len({read_name(tag).pattern for tag in lines}) >= HELD_OUT_DIVISOR


def render_lines(
    lines: Lines, earlier: Lines, vocabulary: Vocabulary, names: Mapping[str, str] = _NO_NAMES
) -> bytes:
    """Return the training file of the lines that its vocabulary allows; empty if there are none.

    names: of the account's own concepts, by id; others are named by their ids.
    """
    concepts = _own_concepts(lines, vocabulary, names)
    known = None if concepts is None else {one["concept"] for one in concepts}
    rows: list[Mapping[str, Any]] = list(concepts or ())
    for tag, concept in lines.items():
        if known is not None and concept not in known:
            continue
        row = {"tag": tag, "concept": concept}
        rows.append(row if tag not in earlier else {**row, "earlier": earlier[tag]})
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _own_concepts(
    lines: Lines, vocabulary: Vocabulary, own_names: Mapping[str, str]
) -> Sequence[Mapping[str, str]] | None:
    """Return the concepts to list in the file; None if one vocabulary has all of them.

    Those are Brick's and the ones that points use, the most frequent first.
    """
    used = Counter(lines.values())
    for scheme in Scheme:
        if used.keys() <= {one.id for one in vocabulary.concepts_in([scheme])}:
            return None
    names = {one.id: one.names["en"] for one in machine_concepts().values()} | dict(own_names)
    names |= {one.id: one.name for one in vocabulary.concepts}
    brick = [one.id for one in vocabulary.concepts_in([Scheme.BRICK])]
    own = [one for one, _ in used.most_common() if one not in set(brick)]
    listed = [
        {"concept": one, "name": names.get(one, one)}
        for one in (*own, *brick)
        if _is_usable(one) and _is_usable(names.get(one, one))
    ]
    return listed[:MAX_CONCEPTS]


def _decode(content: bytes) -> list[Mapping[str, Any]]:
    """Return the lines of a training file; none of a file in another format."""
    try:
        lines = [msgspec.json.decode(line) for line in content.splitlines() if line.strip()]
    except msgspec.DecodeError:
        return []
    return [line for line in lines if isinstance(line, dict)]


def _is_usable(text: str) -> bool:
    """Whether a training accepts a text as a concept's id or name."""
    return len(text) <= MAX_NAME_LENGTH and bool(split_words(text)) and text.isprintable()
