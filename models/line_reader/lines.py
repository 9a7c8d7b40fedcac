"""Split a passage into the lines that can answer: sentences, rows of tables, items of lists.

A row is read with the names of its columns. Tables are written in Markdown, with ` | ` between the
cells (as Word and Excel files are read), or in columns of blanks (as PDF files are read).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from models.grounding.sentences import split_sentences
from models.languages import HAN
from models.line_reader.table_rows import name_cells, read_header, split_cells

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
# The title of a table is below all headings.
_PLAIN_LEVEL, _MAX_LEVEL = 7, 8
_NUMBERED = re.compile(r"^\d{1,2}(?:\.\d{1,2})*[.、]?\s+\S")
_MAX_TITLE_LENGTH = 60
# A line of a PDF file goes on in the next one if it is long and has no punctuation at its end.
_MIN_WRAPPED = 60
_GOES_ON = re.compile(rf"^[a-z(]|^[{HAN}]")


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is written, as it is quoted, and with the context that the reader reads.

    A row of a table is quoted with the names of its columns. `cells` are its cells with these
    names, in order; none for other lines.
    """

    text: str
    quoted: str
    shown: str
    cells: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Splitter:
    """Remembers headings, the header of a table, its rows so far and the sentence before."""

    headings: dict[int, str] = field(default_factory=dict)
    header: list[str] | None = None
    rows: int = 0
    width: int = 0
    previous: str = ""

    def split(self, text: str, following: str) -> Iterator[Line]:
        """Yield the lines of one row of the passage; `following` is the next row."""
        cells = split_cells(text)
        self.rows = self.rows + 1 if cells else 0
        if match := _HEADING.match(text):
            self._open_section(len(match["level"]), match["text"])
        elif not text:
            self.header, self.previous = None, ""
        elif text.startswith("|"):
            yield from self._row(text, following)
        elif cells:
            yield from self._plain_row(text, cells)
        elif self._is_title(text, following):
            self._open_section(_PLAIN_LEVEL, text)
        elif marker := _ITEM.match(text):
            shown = f"{self.previous} {text}" if self.previous else text
            yield self._line(text, text[marker.end() :], shown)
        else:
            yield from self._sentences(text)

    def _is_title(self, text: str, following: str) -> bool:
        """Whether a row that is not marked is a title: short, without punctuation, before text."""
        numbered = _NUMBERED.match(text)
        if text.endswith(_ENDS) or not following or _RULE.match(following):
            return False
        if numbered:
            return len(text) <= _MAX_TITLE_LENGTH and not _NUMBERED.match(following)
        has_amount = any(character.isdigit() for character in text)
        is_short = len(text.encode()) <= _MAX_TITLE_LENGTH and _ITEM.match(text) is None
        return is_short and not has_amount and len(following) > 2 * len(text)

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
        yield self._named(text, cells)

    def _plain_row(self, text: str, cells: list[str]) -> Iterator[Line]:
        """Yield a row of a table that is not Markdown. The first row is the header if it names."""
        if self.rows == 1 or len(cells) != self.width:
            title, header = read_header(cells)
            self.width = len(cells)
            if title:
                self._open_section(_MAX_LEVEL, title)
            if header is not None or self.rows == 1:
                self.header = header
            if header is not None:
                return
        yield self._named(text, cells)

    def _named(self, text: str, cells: Sequence[str]) -> Line:
        """Return a row with the names of its columns."""
        named = name_cells(self.header, cells)
        row = "; ".join(f"{name}: {cell}" if name else cell for name, cell in named)
        return self._line(text, row, row, named)

    def _sentences(self, text: str) -> Iterator[Line]:
        for sentence in split_sentences(text):
            if bare := sentence.text.strip():
                is_continued = self.previous and _CONTINUES.match(bare)
                yield self._line(bare, bare, f"{self.previous} {bare}" if is_continued else bare)
                self.previous = bare
        if not text.endswith(_INTRODUCES):
            self.previous = ""

    def _line(
        self, text: str, quoted: str, shown: str, cells: tuple[tuple[str, str], ...] = ()
    ) -> Line:
        heading = next(reversed(self.headings.values()), "")
        return Line(text, quoted, f"{heading} | {shown}" if heading else shown, cells)


def split_lines(passage: str) -> list[Line]:
    """Return the lines of a Markdown or plain text, without headings and headers of tables.

    A short first row without punctuation is the heading that a passage is given when it is cut.
    """
    rows = _join_wrapped([row.strip() for row in passage.splitlines()])
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


def _join_wrapped(rows: Sequence[str]) -> list[str]:
    """Return the rows, those joined that a file with lines of limited length has cut."""
    joined: list[str] = []
    for row in rows:
        last = joined[-1] if joined else ""
        is_long = len(last.encode()) >= _MIN_WRAPPED and not last.endswith(_ENDS)
        if is_long and _GOES_ON.match(row) and _is_prose(last) and _is_prose(row):
            joined[-1] = last + (" " if last[-1].isascii() or row[0].isascii() else "") + row
        else:
            joined.append(row)
    return joined


def _is_prose(row: str) -> bool:
    is_marked = row.startswith(("#", "|")) or bool(split_cells(row))
    return not is_marked


def _is_heading(row: str) -> bool:
    is_marked = row.startswith(("#", "|")) or _ITEM.match(row) is not None or split_cells(row)
    return 0 < len(row) <= _MAX_HEADING_LENGTH and not is_marked and not row.endswith(_ENDS)
