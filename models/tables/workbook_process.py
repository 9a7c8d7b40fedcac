"""Read the rows of a workbook in a child process with limits on memory and processor time.

The reader allocates a cell for each place up to the last filled row and column: a file of a few
kilobytes with a cell in the last corner of the sheet would end the process that reads it.
"""

import datetime as dt
import io
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import python_calamine

from infra.processes import exit_with_parent, limit_process

# A table of 15 million cells, about the most that a file of 512 MiB of XML has, takes less.
MAX_MEMORY_BYTES = 3 << 30
MAX_CPU_S = 300
# The number of a row and the length of its cells, before each row.
LENGTH_BYTES = 4

Cell = str | float
Row = tuple[int, list[Cell]]
Area = tuple[tuple[int, int], tuple[int, int]]


class SheetHead(msgspec.Struct):
    """What is written before the rows: the sheet that they are of, or why there are none.

    name: None if no sheet has rows. sheets: how many the workbook has.
    """

    name: str | None = None
    sheets: int = 0
    error: str | None = None


def main() -> None:
    """Run in the child process: read a workbook from stdin, write head and rows to stdout."""
    exit_with_parent()
    limit_process(MAX_MEMORY_BYTES, MAX_CPU_S)
    try:
        head, rows = read_first_sheet(sys.stdin.buffer.read())
    except python_calamine.CalamineError as error:
        head, rows = SheetHead(error=str(error)[:200]), iter(())
    encoder = msgspec.msgpack.Encoder()
    for part in itertools.chain([head], rows):
        encoded = encoder.encode(part)
        sys.stdout.buffer.write(len(encoded).to_bytes(LENGTH_BYTES) + encoded)


def read_first_sheet(content: bytes) -> tuple[SheetHead, Iterator[Row]]:
    """Return the first sheet that has a filled cell, and its rows that have one.

    A merged area has its value in each of its cells. Raises CalamineError.
    """
    workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
    count = len(workbook.sheet_names)
    for name in workbook.sheet_names:
        rows = _sheet_rows(workbook.get_sheet_by_name(name))
        first = next(rows, None)
        if first is not None:
            return SheetHead(name, count), itertools.chain([first], rows)
    return SheetHead(None, count), iter(())


def _sheet_rows(sheet: Any) -> Iterator[Row]:
    """Yield the rows of a sheet with a filled cell, with their numbers from 1."""
    margin = [""] * (sheet.start[1] if sheet.start else 0)
    rows = ([*margin, *row] for row in sheet.iter_rows())
    for number, row in enumerate(_fill_merged(rows, sheet.merged_cell_ranges or []), start=1):
        while row and row[-1] == "":
            row.pop()
        if row:
            yield number, [_to_cell(value) for value in row]


def _fill_merged(rows: Iterable[list[Any]], areas: Sequence[Area]) -> Iterator[list[Any]]:
    """Yield rows with the value of each merged area in all of its cells."""
    waiting = sorted(areas, reverse=True)
    open_areas: list[tuple[Area, Any]] = []
    for index, row in enumerate(rows):
        open_areas = [one for one in open_areas if one[0][1][0] >= index]
        while waiting and waiting[-1][0][0] <= index:
            area = waiting.pop()
            left = area[0][1]
            if left < len(row):
                open_areas.append((area, row[left]))
        for ((_, left), (_, right)), value in open_areas:
            for column in range(left, min(right + 1, len(row))):
                row[column] = value
        yield row


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


if __name__ == "__main__":
    main()
