"""Cells of a table's rows, and the names of its columns.

Word and Excel files are read with ` | ` between cells; PDF files with blanks between columns.
"""

import re
from collections.abc import Sequence

_BAR = " | "
_COLUMNS = re.compile(r"\s{2,}|\t")
# Two parts with blanks between them may be a heading with a date.
_MIN_COLUMNS = 3
_FIGURE = re.compile(r"(?<![A-Za-z0-9-])\d+(?:[.,]\d+)?(?:\s?[A-Za-z%°µ]+)?(?![A-Za-z0-9-])")
_DIGIT = re.compile(r"\d")
_TITLED = re.compile(r"^(?P<title>[^:：]{1,80})[:：]\s+(?P<name>\S.*)$")
_MAX_NAME_LENGTH = 40


def split_cells(text: str) -> list[str]:
    """Return the cells of a row of a table that is not Markdown; none for other texts."""
    if text.startswith("|"):
        return []
    if _BAR in text:
        return [cell.strip() for cell in text.split(_BAR)]
    cells = [cell for cell in _COLUMNS.split(text) if cell]
    return cells if len(cells) >= _MIN_COLUMNS else []


def read_header(cells: Sequence[str]) -> tuple[str, list[str] | None]:
    """Return the table's title, if it is written before the first name, and the columns' names.

    The names are None if the row has amounts or sentences: then it is no header.
    """
    match = _TITLED.match(cells[0])
    title = match["title"].strip() if match else ""
    names = [match["name"] if match else cells[0], *cells[1:]]
    is_named = all(len(name) <= _MAX_NAME_LENGTH and not _FIGURE.fullmatch(name) for name in names)
    # The entry of a code: `W-21 | Fan speed low`. Columns of several items have all a code.
    has_digit = [_DIGIT.search(name) is not None for name in names]
    is_entry = has_digit[0] and not all(has_digit)
    return (title, names) if is_named and not is_entry else ("", None)


def name_cells(header: Sequence[str] | None, cells: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the cells that are not empty, each with its column's name, `""` if it has none.

    A header that lacks the first column's name belongs to the columns from the second on.
    """
    names = list(header or ())
    if len(names) == len(cells) - 1:
        names = ["", *names]
    if len(names) != len(cells):
        names = [""] * len(cells)
    return tuple((name, cell) for name, cell in zip(names, cells, strict=True) if cell)
