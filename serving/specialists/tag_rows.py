"""Rows of tag alignment that belong together: lists of tags to rank, and own concepts.

What belongs together is marked in the rows and begins within its request: `check_rows` requires
that.
"""

from collections.abc import Sequence

from models.signature import Columns, InputInvalid
from models.tag_align.aligner import TagAligner
from models.tag_align.naming import TagInvalid, validate_tag
from models.tag_align.own_concepts import OWN_SCHEME, OwnConceptsInvalid, parse_own_concepts
from models.tag_align.proposing import MAX_PATTERNS

# Values of the column `list`.
NEW, SAME = "new", "same"


def check_rows(columns: Columns, has_own_concepts: bool) -> None:
    """Raise InputInvalid for the first row that is invalid or continues nothing.

    has_own_concepts: whether the model is a variant with own concepts.
    """
    may_continue = False
    concepts = ""
    for row, (tag, scheme, text, place) in enumerate(
        zip(*(columns[name] for name in ("tag", "scheme", "concepts", "list")), strict=True)
    ):
        try:
            validate_tag(tag)
        except TagInvalid as error:
            raise InputInvalid(f"'tag' in row {row}: {error}", param="tag") from error
        if place == SAME and not may_continue:
            raise InputInvalid(
                f"'list' in row {row} is {SAME!r}, but no row before it is {NEW!r}.", param="list"
            )
        may_continue = may_continue or place == NEW
        concepts = _check_concepts(text, concepts, row)
        if scheme == OWN_SCHEME and not concepts and not has_own_concepts:
            raise InputInvalid(
                f"'scheme' in row {row} is {OWN_SCHEME!r}, but neither this row nor one before it "
                "has 'concepts'.",
                param="concepts",
            )


def _check_concepts(text: str, before: str, row: int) -> str:
    """Return the concepts of a row, which are those before it if it has none."""
    if not text or text == before:
        return before
    try:
        parse_own_concepts(text)
    except OwnConceptsInvalid as error:
        raise InputInvalid(f"'concepts' in row {row}: {error}", param="concepts") from error
    return text


def own_aligners(columns: Columns, base: TagAligner, own: TagAligner | None) -> list[TagAligner]:
    """Return the aligner of each row's own concepts, in the rows' order.

    base: gives the lexicon. own: the aligner of a variant with own concepts, for rows without any.
    Rows of other schemes get `base`.
    """
    by_text: dict[str, TagAligner] = {}
    aligners: list[TagAligner] = []
    concepts = ""
    for scheme, text in zip(columns["scheme"], columns["concepts"], strict=True):
        concepts = text or concepts
        if scheme != OWN_SCHEME:
            aligners.append(base)
        elif own is not None and not text:
            aligners.append(own)
        else:
            if concepts not in by_text:
                by_text[concepts] = base.over(parse_own_concepts(concepts))
            aligners.append(by_text[concepts])
    return aligners


def rank_lists(
    tags: Sequence[str], places: Sequence[str], aligners: Sequence[TagAligner]
) -> list[int]:
    """Return the order in which to confirm each row's tag within its list, from 1.

    0 for a tag that is in no list, or that a confirmed tag covers. The aligner of a list is that
    of its first row.
    """
    ranks = [0] * len(tags)
    for rows in _lists(places):
        listed = [tags[row] for row in rows]
        proposed = aligners[rows[0]].propose(listed, MAX_PATTERNS)
        rank_by_tag = {tag: rank for rank, tag in enumerate(proposed, start=1)}
        for row in rows:
            ranks[row] = rank_by_tag.pop(tags[row].strip(), 0)
    return ranks


def _lists(places: Sequence[str]) -> list[list[int]]:
    """Return the rows of each list."""
    lists: list[list[int]] = []
    for row, place in enumerate(places):
        if place == NEW:
            lists.append([])
        if place:
            lists[-1].append(row)
    return lists
