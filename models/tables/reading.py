"""Read a table from the bytes of a file: CSV in any usual dialect, Excel, or JSON lines."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from models.adaptation import require_no_problems
from models.problems import Problem, Problems
from models.sentences import Sentence, sentence
from models.tables.assembling import Cell, ColumnBuilder, assemble
from models.tables.headers import find_header, name_problem
from models.tables.table import RawTable
from models.tables.workbooks import is_workbook, read_workbook_rows
from models.training_text import to_utf8

MAX_ROWS = 1_000_000
MAX_COLUMNS = 1_000
_MAX_CELL_CHARACTERS = 10_000
_DELIMITERS = (",", ";", "\t", "|")
# Lines by which the delimiter is found.
_SAMPLE_LINES = 50
# A line after the last one: within an open quotation mark it becomes a part of a cell.
_END = "\ue000end"
_SPLIT_FIX = sentence("Train on a part of the rows, for example the newest.")

NumberedRow = tuple[int, Sequence[Cell]]


def read_table(content: bytes) -> RawTable:
    """Return the table of a file. Raises TrainingFileInvalid with all problems found."""
    problems = Problems()
    # Texts in quotation marks may have line breaks, but not on average one in each row.
    if content.count(b"\n") > 2 * MAX_ROWS:
        problems.add(_too_many_rows())
        require_no_problems(problems)
    if is_workbook(content):
        rows: Iterable[NumberedRow] = read_workbook_rows(content, problems)
        table = _read_rows(rows, problems)
    else:
        text = to_utf8(content, problems).decode("utf-8", "replace")
        require_no_problems(problems)
        table = _read_text(text, problems)
    require_no_problems(problems)
    return table


def _read_text(text: str, problems: Problems) -> RawTable:
    """Return the table of a text: JSON lines if its first line is an object, else CSV."""
    start = text.lstrip()[:1]
    if start == "{":
        return _read_json_lines(text, problems)
    delimiter = detect_delimiter(text.splitlines()[:_SAMPLE_LINES])
    lines = chain(io.StringIO(text, newline=""), [_END])
    reader = csv.reader(lines, delimiter=delimiter)
    return _read_rows(_csv_rows(reader, problems), problems, delimiter)


def detect_delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that splits most of the lines into the same number of cells.

    A comma is the default, and the last choice where numbers may have decimal commas.
    """
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        widths = _row_widths(lines, delimiter)
        if not widths or max(widths) == 1:
            continue
        common = max(set(widths), key=lambda width: (widths.count(width), width))
        score = widths.count(common) / len(widths) * (common > 1)
        # Decimal commas split rows evenly too, but a header has none.
        if score > best_score or (score == best_score and best == ","):
            best, best_score = delimiter, score
    return best


def _row_widths(lines: Sequence[str], delimiter: str) -> list[int]:
    """Return the number of cells of each line that is not empty; none if they cannot be split."""
    try:
        rows = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return []
    return [len(row) for row in rows if any(map(str.strip, row))]


def _csv_rows(reader: Any, problems: Problems) -> Iterator[NumberedRow]:
    """Yield the rows of a CSV file with their line numbers; its last line is _END."""
    first = 1
    try:
        for row in reader:
            if row == [_END]:
                return
            if row and row[-1].endswith(_END):
                message = sentence(
                    "Line {number}: a quotation mark is not closed up to the end of the file.",
                    number=first,
                )
                problems.add(_invalid_csv(message, first))
                return
            yield reader.line_num, row
            first = reader.line_num + 1
    except csv.Error as error:
        number = reader.line_num
        message = sentence("Line {number}: {error}.", number=number, error=error)
        problems.add(_invalid_csv(message, number))


def _invalid_csv(message: Sentence, number: int) -> Problem:
    """Return the problem of quotation marks that do not match in or before a line."""
    fix = sentence("Check the quotation marks of this line and the line before.")
    return Problem("invalid_csv", message, fix, number)


def _read_rows(rows: Iterable[NumberedRow], problems: Problems, delimiter: str = "") -> RawTable:
    """Return the table of rows of cells, of which the first full one is the header."""
    iterator = ((number, row) for number, row in rows if not is_empty(row))
    header = find_header(iterator, problems)
    if header is None:
        return assemble([], [], {}, ())
    if len(header.names) > MAX_COLUMNS:
        problems.add(_too_many_columns(len(header.names)))
        return assemble([], [], {}, ())
    builders = [ColumnBuilder(name) for name in header.names]
    numbers: list[int] = []
    for number, full_row in header.rest:
        row = full_row[header.first :]
        if len(numbers) >= MAX_ROWS:
            problems.add(_too_many_rows())
            break
        if _is_wrong_width(number, row, len(builders), problems):
            continue
        numbers.append(number)
        for position, builder in enumerate(builders):
            builder.append(row[position] if position < len(row) else "")
    notes = (*problems.notes, *header.notes)
    return assemble(builders, numbers, header.units, notes, delimiter)


def is_empty(row: Sequence[Cell]) -> bool:
    """Return whether all cells of a row are empty."""
    return not any(cell != "" and str(cell).strip() for cell in row)


def _is_wrong_width(number: int, row: Sequence[Cell], width: int, problems: Problems) -> bool:
    """Report a row with more cells than the header, or with a cell that is too long."""
    if any(isinstance(cell, str) and len(cell) > _MAX_CELL_CHARACTERS for cell in row):
        message = sentence(
            "Line {number}: a cell has more than {most} characters.",
            number=number,
            most=_MAX_CELL_CHARACTERS,
        )
        problems.add(
            Problem("cell_too_long", message, sentence("Shorten or remove the text."), number)
        )
        return True
    if len(row) <= width or is_empty(row[width:]):
        return False
    message = sentence(
        "Line {number} has {count} cells, but the header has {width}.",
        number=number,
        count=len(row),
        width=width,
    )
    fix = sentence("Put texts that contain the separator in quotation marks, or add a header.")
    problems.add(Problem("too_many_cells", message, fix, number))
    return True


def _too_many_rows() -> Problem:
    """Return the problem of a table with too many rows."""
    message = sentence("The table has more than {limit} rows; no more are read.", limit=MAX_ROWS)
    return Problem("too_many_rows", message, _SPLIT_FIX)


def _too_many_columns(count: int) -> Problem:
    """Return the problem of a table with too many columns."""
    message = sentence(
        "The table has {count} columns; at most {limit} are read.", count=count, limit=MAX_COLUMNS
    )
    return Problem("too_many_columns", message, sentence("Remove columns."))


def _read_json_lines(text: str, problems: Problems) -> RawTable:
    """Return the table of JSON lines: one object of plain values per line."""
    builders: dict[str, ColumnBuilder] = {}
    numbers: list[int] = []
    # Other line breaks, such as U+2028, may be part of a text.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        if len(numbers) >= MAX_ROWS:
            problems.add(_too_many_rows())
            break
        row = _parse_json_row(number, line, problems)
        if row is None:
            continue
        for name in row:
            if name not in builders:
                _report_name(number, len(builders) + 1, name, problems)
                builders[name] = ColumnBuilder(name, empty=len(numbers))
        for name, builder in builders.items():
            builder.append(row.get(name, ""))
        numbers.append(number)
        if len(builders) > MAX_COLUMNS:
            problems.add(_too_many_columns(len(builders)))
            break
    return assemble(list(builders.values()), numbers, {}, tuple(problems.notes))


def _report_name(number: int, position: int, name: str, problems: Problems) -> None:
    """Report a name in JSON that no column of a CSV file could have."""
    problem = name_problem(number, position, name.strip(), {})
    if problem is not None:
        problems.add(problem)


def _parse_json_row(number: int, line: str, problems: Problems) -> dict[str, Cell] | None:
    """Return the cells of a JSON line, or None after reporting why it is invalid."""
    try:
        row = json.loads(line, parse_int=float, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        problems.add(_invalid_json(number, error))
        return None
    if not isinstance(row, dict):
        message = sentence("Line {number} is not a JSON object.", number=number)
        problems.add(
            Problem("wrong_form", message, sentence('Write {{"column": value, …}}.'), number)
        )
        return None
    cells: dict[str, Cell] = {}
    for name, value in row.items():
        if isinstance(value, dict | list):
            message = sentence(
                "Line {number}: {name} is not a plain value.", number=number, name=repr(name[:64])
            )
            fix = sentence("Give one number or text per column.")
            problems.add(Problem("wrong_type", message, fix, number, name[:64]))
            return None
        if isinstance(value, float) and math.isinf(value):
            message = sentence(
                "Line {number}: {name} is too large for a number.",
                number=number,
                name=repr(name[:64]),
            )
            fix = sentence("Correct the number, or write it as a text.")
            problems.add(Problem("invalid_json", message, fix, number, name[:64]))
            return None
        cells[name] = _plain_cell(value)
    return cells


def _invalid_json(number: int, error: Exception) -> Problem:
    """Return the problem of a line that is no JSON."""
    return Problem(
        "invalid_json",
        sentence("Line {number}: {error}.", number=number, error=error),
        sentence("Write valid JSON."),
        number,
    )


def _plain_cell(value: object) -> Cell:
    """Return a JSON value as a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, float) else str(value)
