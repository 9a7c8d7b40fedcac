"""Read the rows of the first filled sheet of an Excel workbook."""

import datetime as dt
import io
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import python_calamine

from models.problems import Problem, Problems
from models.sentences import sentence
from models.tables.assembling import Cell

_SIGNATURES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
# A workbook is a ZIP archive: a small file may hold gigabytes.
_MAX_UNPACKED_BYTES = 512 << 20


def is_workbook(content: bytes) -> bool:
    """Return whether a file is a workbook (xlsx, xlsm, xls or ods) by its first bytes."""
    return content.startswith(_SIGNATURES)


def read_workbook_rows(content: bytes, problems: Problems) -> Iterator[tuple[int, Sequence[Cell]]]:
    """Yield the rows of the first sheet that has any, with their numbers in the sheet.

    A merged area has its value in each of its cells. Reports files that cannot be read.
    """
    if content[:2] == b"PK" and _is_too_large(content):
        message = sentence("The workbook is larger than 512 MiB when it is unpacked.")
        problems.add(Problem("file_too_large", message, sentence("Save the sheet as CSV.")))
        return
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        for name in workbook.sheet_names:
            sheet = workbook.get_sheet_by_name(name)
            rows = sheet.to_python(skip_empty_area=False)
            if any(any(cell != "" for cell in row) for row in rows):
                _fill_merged(rows, sheet.merged_cell_ranges or [])
                if len(workbook.sheet_names) > 1:
                    problems.notes.append(sentence("The sheet {name} was read.", name=repr(name)))
                yield from ((number, [_to_cell(c) for c in row]) for number, row in _numbered(rows))
                return
    except python_calamine.CalamineError as error:
        message = sentence("The workbook cannot be read: {error}.", error=str(error)[:200])
        problems.add(
            Problem("invalid_workbook", message, sentence("Save it again as xlsx or CSV."))
        )


def _numbered(rows: Sequence[Sequence[Any]]) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield rows with their numbers from 1."""
    yield from enumerate(rows, start=1)


def _is_too_large(content: bytes) -> bool:
    """Return whether a ZIP archive unpacks to more than is read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return sum(item.file_size for item in archive.infolist()) > _MAX_UNPACKED_BYTES
    except zipfile.BadZipFile:
        return False  # reported when it is read


def _fill_merged(
    rows: list[list[Any]], areas: Sequence[tuple[tuple[int, int], tuple[int, int]]]
) -> None:
    """Write the value of each merged area into all of its cells, in place."""
    for (top, left), (bottom, right) in areas:
        if top >= len(rows) or left >= len(rows[top]):
            continue
        value = rows[top][left]
        for row in rows[top : bottom + 1]:
            for column in range(left, min(right + 1, len(row))):
                row[column] = value


def _to_cell(value: Any) -> Cell:
    """Return a cell's value as a number or a text; dates in ISO 8601."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return str(value)
