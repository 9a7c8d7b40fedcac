"""Read a table of one line per column: name, value and unit, or two values of one quantity."""

import re
from collections.abc import Mapping, Sequence

from models.arguments.leftovers import NEW
from models.arguments.quantities import is_unit
from models.arguments.tables.headers import labelled_field, unit_of_header
from models.arguments.tables.structured import EMPTY, Cell, Table, cells_of
from models.signature import InputField

_SEPARATORS = ("\t", "|")
_RULE = re.compile(r"[\s|:+=-]+")
_HAS_DIGIT = re.compile(r"\d")
_MIN_LINES = 2


def find_vertical(text: str, fields: Sequence[InputField]) -> tuple[Table, str]:
    """Return the row of a vertical table, and the text without its lines; no row without one."""
    row: dict[str, Cell] = {}
    rest: list[str] = []
    for line in text.split("\n"):
        cells = _cells_of_line(line)
        found = {} if cells is None else _cells_of_row(cells, fields)
        if found and not found.keys() & row.keys():
            row.update(found)
        elif cells is None or not _RULE.fullmatch(line.strip() or "x"):
            rest.append(line)
    if len(row) < _MIN_LINES:
        return (), text
    return (row,), "\n".join(rest)


def _cells_of_line(line: str) -> list[str] | None:
    """Return the cells of a line with tabs or bars, None for any other line."""
    for separator in _SEPARATORS:
        cells = cells_of(line, separator)
        if len(cells) > 1:
            return cells
    return None


def _cells_of_row(cells: Sequence[str], fields: Sequence[InputField]) -> Mapping[str, Cell]:
    """Return what a line states: a value, or an old and a new one, of the column of its label."""
    field = labelled_field(cells[0], fields)
    if field is None:
        return {}
    unit = unit_of_header(cells[0], field)
    values = list(cells[1:])
    if unit is None and len(values) > 1 and is_unit(values[-1]):
        unit = values.pop()
    elif unit is None and len(values) > 1 and is_unit(values[0]):
        unit = values.pop(0)
    stated = [one for one in values if one.lower() not in EMPTY]
    new = next((one for one in fields if one.name == NEW + field.name), None)
    if new is not None and len(stated) == 2:
        return {field.name: Cell(stated[0], unit), new.name: Cell(stated[1], unit)}
    is_value = stated and (field.values is not None or _HAS_DIGIT.search(stated[0]))
    return {field.name: Cell(stated[0], unit)} if is_value else {}
