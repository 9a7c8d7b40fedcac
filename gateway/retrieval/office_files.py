"""Text, tables and headings of Word (.docx) and Excel (.xlsx, .xlsm) files.

Both are ZIP archives of XML, so their size when unpacked is checked first. Macros, links to other
files and hidden sheets are not read. Runs in the process of gateway/retrieval/chunker_process.py,
which limits memory and time.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from infra.lazy_import import LazyModule
from infra.zip_errors import ZIP_ERRORS

if TYPE_CHECKING:
    import docx
    import docx.table
    import docx.text.paragraph
    import openpyxl
    import openpyxl.utils
else:
    docx = LazyModule("docx")
    openpyxl = LazyModule("openpyxl")

_MAX_UNPACKED_BYTES = 128 << 20
_MAX_PARTS = 5_000
_MAX_ROWS = 100_000
_MAX_COLUMNS = 300
# Of Excel itself: a damaged or malicious file may name a row in the billions.
_LAST_ROW = 1_048_576
# Larger merged areas are titles or layout: their text is not repeated.
_MAX_MERGED_CELLS = 1_000
_MAX_HEADING_LENGTH = 200
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+[0-9]+:[A-Z]+[0-9]+)"')
# English names, and the names of Chinese Word.
_HEADING_STYLE = re.compile(r"(?:heading|\u6807\u9898) ?\d|(?:title|\u6807\u9898)$", re.IGNORECASE)
# What the libraries raise on damaged files; syntax errors are those of XML.
_DAMAGED: tuple[type[Exception], ...] = (
    *ZIP_ERRORS,
    LookupError,
    TypeError,
    AttributeError,
    SyntaxError,
)

Headings = tuple[tuple[int, str], ...]
"""Headings with the character offset from which each applies."""


class OfficeFileInvalid(Exception):
    """The file is damaged, encrypted or too large; the message says which."""


def read_word(content: bytes) -> tuple[str, Headings]:
    """Return the text of a Word document with its headings; a table row is a line.

    Raises OfficeFileInvalid.
    """
    _check_archive(content, "Word document")
    try:
        lines = list(_word_lines(docx.Document(io.BytesIO(content))))
    except _DAMAGED as error:
        raise OfficeFileInvalid("The Word document is damaged or encrypted.") from error
    return _joined(lines)


def read_excel(content: bytes) -> tuple[str, Headings]:
    """Return the visible sheets of a workbook: a row is a line, its sheet and columns the heading.

    Formulas have the value with which the file was saved. Raises OfficeFileInvalid.
    """
    _check_archive(content, "workbook")
    try:
        workbook = openpyxl.load_workbook(
            io.BytesIO(content), read_only=True, data_only=True, keep_links=False
        )
        lines: list[tuple[str, str | None]] = []
        for sheet in workbook.worksheets:
            if sheet.sheet_state == "visible":
                lines += _sheet_lines(sheet, _MAX_ROWS - len(lines))
    except _DAMAGED as error:
        raise OfficeFileInvalid("The workbook is damaged or encrypted.") from error
    return _joined(lines)


def _check_archive(content: bytes, name: str) -> None:
    """Check type and unpacked size before anything is unpacked. Raises OfficeFileInvalid."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except _DAMAGED as error:
        raise OfficeFileInvalid(
            f"The {name} is damaged, encrypted, or saved in the format of Office 2003."
        ) from error
    if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > _MAX_UNPACKED_BYTES:
        raise OfficeFileInvalid(
            f"The {name} has more than {_MAX_UNPACKED_BYTES >> 20} MiB when unpacked. Split it."
        )


def _joined(lines: Sequence[tuple[str, str | None]]) -> tuple[str, Headings]:
    """Return the lines as one text, and the headings that begin at some of them."""
    headings, offset = [], 0
    for text, heading in lines:
        if heading is not None:
            headings.append((offset, heading[:_MAX_HEADING_LENGTH]))
        offset += len(text) + 1
    return "\n".join(text for text, _ in lines), tuple(headings)


def _word_lines(document: Any) -> Iterator[tuple[str, str | None]]:
    """Yield the lines of a document in order, each with the heading that it is, if any."""
    for block in document.iter_inner_content():
        if isinstance(block, docx.table.Table):
            yield from ((line, None) for line in _table_lines(block))
            continue
        text = _one_line(block.text)
        if text:
            yield text, text if _is_heading(block) else None


def _is_heading(paragraph: Any) -> bool:
    """Return whether a paragraph has the style of a heading, in English or Chinese Word."""
    style = paragraph.style
    return style is not None and _HEADING_STYLE.match(style.name or "") is not None


def _table_lines(table: Any) -> Iterator[str]:
    """Yield the rows of a table; a vertically merged cell is repeated in each of its rows."""
    above: dict[int, str] = {}
    for row in table._tbl.tr_lst:  # `row.cells` takes time with the square of the table's size
        cells, column = [], 0
        for cell in row.tc_lst:
            text = _one_line(" ".join(paragraph.text for paragraph in cell.p_lst))
            above[column] = above.get(column, "") if cell.vMerge == "continue" else text
            cells.append(above[column])
            column += cell.grid_span
        if any(cells):
            yield " | ".join(cells)


def _sheet_lines(sheet: Any, max_rows: int) -> list[tuple[str, str | None]]:
    """Return the rows of a sheet that have values, the first with the heading of the sheet.

    Raises OfficeFileInvalid if it has more rows or columns than are read.
    """
    merged = _merged_cells(sheet)
    merged_rows = {row for row, _ in merged}
    values: dict[tuple[int, int], str] = {}
    lines: list[tuple[str, str | None]] = []
    rows = sheet.iter_rows(values_only=True, max_col=_MAX_COLUMNS + 1)
    for number, row in enumerate(rows, start=1):
        if number > _LAST_ROW:
            raise OfficeFileInvalid(f"The workbook has a row beyond {_LAST_ROW}.")
        # Rows that are absent before one far below are empty here, up to a million of them.
        if row.count(None) == len(row) and number not in merged_rows:
            continue
        cells = [_cell_text(value) for value in row]
        for column, text in enumerate(cells, start=1):
            source = merged.get((number, column))
            if source == (number, column):
                values[source] = text
            elif source is not None:
                cells[column - 1] = values.get(source, "")
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        if len(cells) > _MAX_COLUMNS or len(lines) >= max_rows:
            raise OfficeFileInvalid(
                f"The workbook has more than {_MAX_ROWS} rows or {_MAX_COLUMNS} columns."
            )
        line = " | ".join(cells)
        lines.append((line, None if lines else f"{sheet.title}: {line}"))
    return lines


def _merged_cells(sheet: Any) -> Mapping[tuple[int, int], tuple[int, int]]:
    """Return the cell whose value each cell of a merged area shows, by row and column.

    A workbook that is read row by row has no merged areas, so they are read from the sheet's XML.
    """
    with sheet._get_source() as source:
        content = source.read(_MAX_UNPACKED_BYTES)
    shown: dict[tuple[int, int], tuple[int, int]] = {}
    for match in _MERGED.finditer(content):
        left, top, right, bottom = openpyxl.utils.range_boundaries(match[1].decode())
        if (right - left + 1) * (bottom - top + 1) > _MAX_MERGED_CELLS:
            continue
        if len(shown) > _MAX_ROWS:
            break
        for row in range(top, bottom + 1):
            shown |= {(row, column): (top, left) for column in range(left, right + 1)}
    return shown


def _cell_text(value: Any) -> str:
    """Return a cell's value as text: whole numbers without a fraction, dates in ISO form."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return _one_line(str(value))


def _one_line(text: str) -> str:
    """Return a text with single spaces instead of any white space."""
    return " ".join(text.replace("\x00", " ").split())
