"""Split a passage into the lines that can answer: sentences, rows of tables, items of lists."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from models.grounding.sentences import split_sentences

_HEADING = re.compile(r"^(?P<level>#{1,6})\s+(?P<text>.+)$")
_RULE = re.compile(r"^\|[\s\-:|]+\|?$")
_ITEM = re.compile(r"^(?:[-*•]|\d{1,2}[.)）、](?!\d)|（\d+）|\(\d+\))\s*(?=\S)")
# A sentence that begins like this is not understood without the one before.
_CONTINUES = re.compile(
    r"^(?:it|they|this|these|that|then|otherwise|after that|if so|"
    r"其|它|此|该|这|否则|然后|之后|同时|再)"
    r"(?![A-Za-z])",
    re.IGNORECASE,
)
_INTRODUCES = (":", "：")
_ENDS = tuple(".。!！?？;；:：,，|")
_MAX_HEADING_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is written, as it is quoted, and with the context that the reader reads.

    A row of a table is quoted with the names of its columns.
    """

    text: str
    quoted: str
    shown: str


@dataclass(slots=True)
class _Splitter:
    """Remembers headings, the header of a table and the sentence before."""

    headings: dict[int, str] = field(default_factory=dict)
    header: list[str] | None = None
    previous: str = ""

    def split(self, text: str, following: str) -> Iterator[Line]:
        """Yield the lines of one row of the passage; `following` is the next row."""
        if match := _HEADING.match(text):
            self._open_section(len(match["level"]), match["text"])
        elif not text:
            self.header, self.previous = None, ""
        elif text.startswith("|"):
            yield from self._row(text, following)
        elif marker := _ITEM.match(text):
            shown = f"{self.previous} {text}" if self.previous else text
            yield self._line(text, text[marker.end() :], shown)
        else:
            yield from self._sentences(text)

    def _open_section(self, level: int, text: str) -> None:
        self.headings = {one: name for one, name in self.headings.items() if one < level}
        self.headings[level] = text
        self.header, self.previous = None, ""

    def _row(self, text: str, following: str) -> Iterator[Line]:
        """Yield a row of a table. A row before a rule is the header."""
        if _RULE.match(text):
            return
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        if _RULE.match(following):
            self.header = cells
            return
        header = (
            self.header if self.header and len(self.header) == len(cells) else [""] * len(cells)
        )
        named = [
            f"{name}: {cell}" if name else cell
            for name, cell in zip(header, cells, strict=True)
            if cell
        ]
        row = "; ".join(named)
        yield self._line(text, row, row)

    def _sentences(self, text: str) -> Iterator[Line]:
        for sentence in split_sentences(text):
            if bare := sentence.text.strip():
                is_continued = self.previous and _CONTINUES.match(bare)
                yield self._line(bare, bare, f"{self.previous} {bare}" if is_continued else bare)
                self.previous = bare
        if not text.endswith(_INTRODUCES):
            self.previous = ""

    def _line(self, text: str, quoted: str, shown: str) -> Line:
        heading = next(reversed(self.headings.values()), "")
        return Line(text, quoted, f"{heading} | {shown}" if heading else shown)


def split_lines(passage: str) -> list[Line]:
    """Return the lines of a Markdown or plain text, without headings and headers of tables.

    A short first row without punctuation is the heading that a passage is given when it is cut.
    """
    rows = [row.strip() for row in passage.splitlines()]
    if len(rows) > 1 and _is_heading(rows[0]):
        rows[0] = f"# {rows[0]}"
    return [line for _, line in split_rows(rows)]


def split_rows(rows: Sequence[str]) -> Iterator[tuple[int, Line]]:
    """Yield the lines of rows without white space at their ends, each with its row's index."""
    splitter = _Splitter()
    for index, row in enumerate(rows):
        following = rows[index + 1] if index + 1 < len(rows) else ""
        for line in splitter.split(row, following):
            yield index, line


def _is_heading(row: str) -> bool:
    is_marked = row.startswith(("#", "|")) or _ITEM.match(row) is not None
    return 0 < len(row) <= _MAX_HEADING_LENGTH and not is_marked and not row.endswith(_ENDS)
