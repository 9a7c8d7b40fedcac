"""Find the header of a table, and the units that headers state."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from models.problems import Problem, Problems
from models.sentences import Sentence, sentence
from models.tables.assembling import Cell
from models.tables.missing import is_missing
from models.units import UnitMismatch, UnitUnknown, unit_conversion

MAX_NAME_LENGTH = 64
# Rows above the header that may hold a title.
_MAX_TITLE_ROWS = 20
_NUMBER = re.compile(r"[-+]?[\d.,'\s]*\d[\d.,'\s]*(?:[eE][-+]?\d+)?\s*%?")
# Longer texts are neither numbers nor headers with a unit. The expressions take time with the cube
# of a run of spaces: half a minute for 3,000.
_MAX_PARSED = 200
# Characters without width, as texts from web pages and messengers have, and byte order marks.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
# `Temperature [°C]`, `压力（MPa）`, `speed/rpm`, `Temp in °C`, `power_kW`
_UNIT_IN_BRACKETS = re.compile(
    r"^(?P<name>.*?)\s*[\[(（【](?P<unit>[^\[\](（）)】]{1,24})[\])）】]\s*$"
)
_UNIT_AFTER_MARK = re.compile(r"^(?P<name>.+?)\s*(?:/|,\s*|\s+in\s+|_)(?P<unit>[^\s/,_]{1,12})$")
# Endings after `/` and `_` that are words more often than units.
_WORDS = frozenset("a d g h l m n r s t in min day hour bar_id".split())

NumberedRow = tuple[int, Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a table.

    names: of the columns. first: position of the first column. units: those of a second header
    row, by name. rest: the rows below.
    """

    names: tuple[str, ...]
    first: int
    units: Mapping[str, str]
    rest: Iterator[NumberedRow]
    notes: tuple[Sentence, ...] = ()


def find_header(rows: Iterator[NumberedRow], problems: Problems) -> Header | None:
    """Return the header: the first of the rows that has a text in every column.

    Rows above it, such as a title, are left out. Reports a table without header or rows, and
    duplicate or invalid names.
    """
    top = [row for _, row in zip(range(_MAX_TITLE_ROWS), rows, strict=False)]
    if not top:
        if not problems.count:
            problems.add(
                Problem(
                    "empty_file",
                    sentence("The file has no rows."),
                    sentence("Write a header and rows."),
                )
            )
        return None
    width = max(_width(row) for _, row in top)
    found = [at for at, (_, row) in enumerate(top) if _looks_like_header(row, width)]
    # A title over merged cells has the same text in each column.
    index = next((at for at in found if not _is_title(top[at][1])), next(iter(found), None))
    if index is None:
        number = top[0][0]
        message = sentence(
            "Line {number}: the table has no header: a row with the name of each column.",
            number=number,
        )
        problems.add(
            Problem("no_header", message, sentence("Write the names in the first row."), number)
        )
        return None
    number, cells = top[index]
    names, first = _column_names(number, cells, problems)
    below = top[index + 1 :]
    units = _unit_row([row for _, row in below], names, first)
    rest = chain(below[1:] if units else below, rows)
    notes = (
        (sentence("{count} rows above the header were left out.", count=index),) if index else ()
    )
    return Header(names, first, units, rest, notes)


def split_unit(header: str) -> tuple[str, str | None]:
    """Return name and unit of a header such as `Temperature [°C]`; None if it states no unit."""
    text = unicodedata.normalize("NFKC", header).strip()
    if len(text) > _MAX_PARSED:
        return text, None
    match = _UNIT_IN_BRACKETS.match(text)
    if match is not None and is_unit(match["unit"]):
        return match["name"].strip() or text, match["unit"].strip()
    match = _UNIT_AFTER_MARK.match(text)
    if match is not None and match["unit"].lower() not in _WORDS and is_unit(match["unit"]):
        return match["name"].strip(), match["unit"].strip()
    return text, None


def is_unit(text: str) -> bool:
    """Return whether a text is a known unit."""
    try:
        unit_conversion(text.strip(), text.strip())
    except (UnitUnknown, UnitMismatch):
        return False
    return not text.strip().isdigit()


def _width(row: Sequence[Cell]) -> int:
    """Return the number of cells up to the last that is not empty."""
    filled = [position for position, cell in enumerate(row) if str(cell).strip()]
    return filled[-1] + 1 if filled else 0


def _looks_like_header(row: Sequence[Cell], width: int) -> bool:
    """Return whether a row is nearly as wide as the table, and mostly texts that are no numbers."""
    cells = [str(cell).strip() for cell in row]
    filled = [cell for cell in cells if cell]
    texts = [cell for cell in filled if not _is_number(cell)]
    return len(filled) >= max(1, 0.6 * width) and len(texts) >= 0.6 * len(filled)


def _is_number(cell: str) -> bool:
    """Return whether a cell is a number, perhaps with marks."""
    return len(cell) <= _MAX_PARSED and _NUMBER.fullmatch(cell) is not None


def _is_title(row: Sequence[Cell]) -> bool:
    """Return whether a row has one text in several cells."""
    filled = [text for cell in row if (text := str(cell).strip())]
    return len(filled) > 1 and len(set(filled)) == 1


def _column_names(
    number: int, cells: Sequence[Cell], problems: Problems
) -> tuple[tuple[str, ...], int]:
    """Return the names of the columns and the position of the first; report unusable names."""
    texts = [" ".join(_INVISIBLE.sub("", str(cell)).split()) for cell in cells[: _width(cells)]]
    first = next(position for position, text in enumerate(texts) if text)
    names = texts[first:]
    seen: dict[str, int] = {}
    for position, name in enumerate(names, start=first + 1):
        problem = name_problem(number, position, name, seen)
        if problem is not None:
            problems.add(problem)
        seen.setdefault(name, position)
    return tuple(names), first


def name_problem(number: int, position: int, name: str, seen: Mapping[str, int]) -> Problem | None:
    """Return why a text cannot be the name of the column at a position, or None."""
    if not name:
        message = sentence(
            "Line {number}: column {position} has no name.", number=number, position=position
        )
        return Problem(
            "missing_header", message, sentence("Name the column, or remove it."), number
        )
    if len(name) > MAX_NAME_LENGTH or not name.isprintable():
        message = sentence(
            "Line {number}: the name of column {position} is longer than {most}.",
            number=number,
            position=position,
            most=MAX_NAME_LENGTH,
        )
        return Problem(
            "invalid_name", message, sentence("Shorten it."), number, name[:MAX_NAME_LENGTH]
        )
    if name in seen:
        message = sentence(
            "Line {number}: columns {first} and {position} are both named {name}.",
            number=number,
            first=seen[name],
            position=position,
            name=repr(name),
        )
        return Problem(
            "duplicate_header", message, sentence("Give each its own name."), number, name
        )
    return None


def _unit_row(below: Sequence[Sequence[Cell]], names: Sequence[str], first: int) -> dict[str, str]:
    """Return the units of the first row below the header if every text is a unit; else nothing.

    A text for a missing value is none: `N/A` would be newton per ampere. A number follows in one
    of the columns: else `1, A` are the machine and the grade of a row.
    """
    units: dict[int, str] = {}
    for position, cell in enumerate((below[0] if below else ())[first : first + len(names)]):
        text = str(cell).strip().strip("[]()（）")
        if is_missing(text) or text in ("–", "1"):
            continue
        if not is_unit(text):
            return {}
        units[position] = text
    followed = any(
        _is_number(str(cell).strip())
        for row in below[1:]
        for position, cell in enumerate(row[first:])
        if position in units
    )
    return {names[position]: unit for position, unit in units.items()} if followed else {}
