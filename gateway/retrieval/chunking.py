"""Splitting a text into pieces that an embedding model reads whole.

Owns where a text may be cut: between paragraphs, lines and sentences, Chinese ones too, and within
one only where it alone is too long. Pure.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.retrieval.extractors import Document
from gateway.retrieval.token_length import Count

# What ends a sentence stays with it, and so does the white space behind.
_UNIT = re.compile(
    r"(?:[^\n。！？!?；;.]|[.;!?](?!\s))*+"
    r"(?:[。！？；]+[”’」』）)\"']*\s*|[.;!?]\s+|\n\s*|$)"
)


@dataclass(frozen=True, slots=True)
class _Unit:
    """A stretch of the text, and how many tokens it has."""

    start: int
    end: int
    tokens: int


def split(document: Document, size: int, overlap: int, count: Count) -> Iterator[str]:
    """Pieces of at most `size` tokens, in order; each begins with up to `overlap` tokens of the
    one before. A piece within a section begins with its heading."""
    text = document.text
    starts = [start for start, _ in document.headings]
    room = size - max((count(heading) + 1 for _, heading in document.headings), default=0)
    for start, end in _spans(list(_units(text, room, count)), room, overlap):
        piece = text[start:end].strip()
        if not piece:
            continue
        at = bisect_right(starts, start) - 1
        heading = document.headings[at][1] if at >= 0 else ""
        fresh = not heading or heading in piece.partition("\n")[0]
        yield piece if fresh else f"{heading}\n{piece}"


def _units(text: str, size: int, count: Count) -> Iterator[_Unit]:
    start = 0
    while start < len(text):
        found = _UNIT.match(text, start)
        end = found.end() if found is not None and found.end() > start else len(text)
        yield from _fitting(text, start, end, size, count)
        start = end


def _fitting(text: str, start: int, end: int, size: int, count: Count) -> Iterator[_Unit]:
    """The stretch, or its halves where it is too long, cut at white space if there is some."""
    tokens = count(text[start:end])
    if tokens <= size or end - start < 2:
        yield _Unit(start, end, tokens)
        return
    middle = (start + end) // 2
    space = text.rfind(" ", start + 1, middle)
    middle = space + 1 if space > start + (end - start) // 4 else middle
    yield from _fitting(text, start, middle, size, count)
    yield from _fitting(text, middle, end, size, count)


def _spans(units: list[_Unit], size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """From which character to which each piece goes."""
    first = 0
    while first < len(units):
        last, tokens = first, 0
        while last < len(units) and (tokens + units[last].tokens <= size or last == first):
            tokens += units[last].tokens
            last += 1
        yield units[first].start, units[last - 1].end
        if last == len(units):
            return
        following, shared = last, 0
        while following - 1 > first and shared + units[following - 1].tokens <= overlap:
            following -= 1
            shared += units[following].tokens
        first = following
