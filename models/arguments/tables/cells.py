"""Convert the cells of a table, and series, to values of a specialist's columns."""

import re
from collections.abc import Sequence
from typing import Any

from models.arguments.choices import read_choice
from models.arguments.conversion import as_percent, convert, is_in_range
from models.arguments.derivations import time_of_rate
from models.arguments.notations import kind_of, per_piece
from models.arguments.other_units import OTHER
from models.arguments.quantities import find_quantities, normalize, stated_units
from models.arguments.rewriting.numerals import with_plain_numbers
from models.arguments.tables.structured import EMPTY, Cell, Table
from models.arguments.values import Problem, ProblemKind, Reading, Source
from models.signature import BYTES, InputField

_RUN_TIME = "time per piece"
_LIST = re.compile(r"[\s,;、|/]+")
# What follows a number and its unit in a cell is an unknown unit, but for a note in brackets.
_NOTE, _UNREAD = re.compile(r"[(\[][^)\]]*[)\]]"), re.compile(r"[A-Za-zμΩ^]")


def read_cell(field: InputField, cell: Cell) -> Reading | Problem | None:
    """Return the reading of a cell, a problem, or None for an empty one."""
    if isinstance(cell.value, list):
        return read_series(field, cell.value, cell.unit)
    text = _as_text(cell.value)
    if text.lower() in EMPTY:
        return None
    if field.length is not None:
        return read_series(field, _LIST.split(text), cell.unit)
    if field.datatype == BYTES:
        return _read_text(field, text)
    return _read_number(field, text, cell.unit)


def read_column(field: InputField, table: Table) -> Reading | Problem | None:
    """Return a series from one column of all rows, None if no row has it."""
    cells = [row[field.name] for row in table if field.name in row]
    if not cells:
        return None
    if len(cells) == 1:
        return read_cell(field, cells[0])
    return read_series(field, [_as_text(cell.value) for cell in cells], cells[0].unit)


def read_series(
    field: InputField, items: Sequence[Any], unit: str | None = None
) -> Reading | Problem | None:
    """Return a series of numbers in the column's unit, or the first item that is none."""
    if field.length is None:
        return None
    values = []
    for item in items:
        one = _read_number(field, _as_text(item), unit)
        if not isinstance(one, Reading) or not isinstance(one.value, float):
            return one
        values.append(one.value)
    text = f"{len(values)} values"
    if not field.length[0] <= len(values) <= field.length[1]:
        return Problem(field.name, ProblemKind.RANGE, text)
    return Reading(field.name, tuple(values), text)


def _read_number(field: InputField, text: str, unit: str | None) -> Reading | Problem | None:
    """Return the number of a text with its unit, else with that of the header."""
    plain = with_plain_numbers(normalize(text))
    quantities = find_quantities(plain)
    if len(quantities) > 1:
        return Problem(field.name, ProblemKind.AMBIGUOUS, text)
    if not quantities:
        return None
    quantity = quantities[0]
    of_rate = time_of_rate(quantity.value, unit or "") if kind_of(field.unit) == _RUN_TIME else None
    if of_rate is not None and not quantity.units:
        return Reading(field.name, of_rate, f"{text} {unit}", Source.DEFINITION)
    if unit and not quantity.units and quantity.end == len(plain):
        quantity = find_quantities(with_plain_numbers(f"{plain} {normalize(unit)}"))[0]
    value: float | None = quantity.value
    units = quantity.units or stated_units(unit or "")
    if not units and _UNREAD.search(_NOTE.sub("", plain[quantity.end :])):
        units = ((OTHER, plain[quantity.end :].strip()),)
    if units and field.unit is not None:
        value = convert(quantity.value, units, field)
        value = convert(quantity.value, per_piece(units), field) if value is None else value
    shown = text if not unit or quantity.units else f"{text} {unit}"
    if value is None:
        return Problem(field.name, ProblemKind.UNIT, shown)
    value = as_percent(value, units, field)
    if not is_in_range(value, field):
        return Problem(field.name, ProblemKind.RANGE, shown)
    return Reading(field.name, value, shown)


def _read_text(field: InputField, text: str) -> Reading | Problem:
    """Return the text, which must be one of the column's values if it has a list."""
    if field.values is None or text in field.values:
        return Reading(field.name, text, text)
    folded = {value.lower(): value for value in field.values}
    value = folded.get(text.lower())
    if value is not None:
        return Reading(field.name, value, text)
    return read_choice(text, field) or Problem(field.name, ProblemKind.RANGE, text)


def _as_text(value: Any) -> str:
    """Return a JSON value as text, without the digits that floats add."""
    if isinstance(value, bool) or value is None:
        return ""
    return repr(value) if isinstance(value, int | float) else str(value).strip()
