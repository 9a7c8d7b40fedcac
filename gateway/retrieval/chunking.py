"""Split the text of a document into overlapping chunks for an embedding model.

Chunks end at paragraph, line or sentence boundaries (Chinese punctuation included). A sentence is
split only if it alone exceeds the chunk size.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.retrieval.extractors import Document
from gateway.retrieval.table_headers import find_table_headers, header_at
from gateway.retrieval.token_length import TokenCounter

# A sentence includes its closing punctuation and the white space that follows.
_SENTENCE = re.compile(
    r"(?:[^\n。！？!?；;.]|[.;!?](?!\s))*+"
    r"(?:[。！？；]+[”’」』）)\"']*\s*|[.;!?]\s+|\n\s*|$)"
)


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence or line of the text (character offsets, end exclusive) with its token count."""

    start: int
    end: int
    tokens: int


def split_document(
    document: Document, size: int, overlap: int, count_tokens: TokenCounter
) -> Iterator[str]:
    """Yield chunks of at most `size` tokens; each repeats up to `overlap` tokens of the one before.

    A chunk within a section begins with the section's heading, and one within a table with the
    table's header, unless that takes a quarter of the chunk.
    """
    text = document.text
    starts = [start for start, _ in document.headings]
    max_tokens = size - max(
        (count_tokens(heading) + 1 for _, heading in document.headings), default=0
    )
    tables = [one for one in find_table_headers(text) if 4 * count_tokens(one.text) < max_tokens]
    max_tokens -= max((count_tokens(one.text) + 1 for one in tables), default=0)
    sentences = list(_sentences(text, max_tokens, count_tokens))
    for start, end in _chunk_spans(sentences, max_tokens, overlap):
        chunk = text[start:end].strip()
        if not chunk:
            continue
        section = bisect_right(starts, start) - 1
        heading = document.headings[section][1] if section >= 0 else ""
        has_heading = not heading or heading in chunk.partition("\n")[0]
        table = header_at(tables, start)
        chunk = f"{table}\n{chunk}" if table else chunk
        yield chunk if has_heading else f"{heading}\n{chunk}"


def _sentences(text: str, size: int, count_tokens: TokenCounter) -> Iterator[_Sentence]:
    """Yield the sentences and lines of a text, split where one exceeds `size` tokens."""
    start = 0
    while start < len(text):
        match = _SENTENCE.match(text, start)
        end = match.end() if match is not None and match.end() > start else len(text)
        yield from _split_to_size(text, start, end, size, count_tokens)
        start = end


def _split_to_size(
    text: str, start: int, end: int, size: int, count_tokens: TokenCounter
) -> Iterator[_Sentence]:
    """Yield the span, halved recursively (at spaces) until each part has at most `size` tokens."""
    tokens = count_tokens(text[start:end])
    if tokens <= size or end - start < 2:
        yield _Sentence(start, end, tokens)
        return
    middle = (start + end) // 2
    last_space = text.rfind(" ", start + 1, middle)
    middle = last_space + 1 if last_space > start + (end - start) // 4 else middle
    yield from _split_to_size(text, start, middle, size, count_tokens)
    yield from _split_to_size(text, middle, end, size, count_tokens)


def _chunk_spans(sentences: list[_Sentence], size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Yield the start and end character offsets of each chunk."""
    first = 0
    while first < len(sentences):
        last, tokens = first, 0
        while last < len(sentences) and (tokens + sentences[last].tokens <= size or last == first):
            tokens += sentences[last].tokens
            last += 1
        yield sentences[first].start, sentences[last - 1].end
        if last == len(sentences):
            return
        next_first, overlap_tokens = last, 0
        while (
            next_first - 1 > first and overlap_tokens + sentences[next_first - 1].tokens <= overlap
        ):
            next_first -= 1
            overlap_tokens += sentences[next_first].tokens
        first = next_first
