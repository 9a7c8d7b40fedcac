"""Read rows of columns from JSON, CSV and Markdown tables within a text."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.arguments.tables.headers import fields_of, unit_of_header
from models.signature import InputField

_MAX_OBJECTS, _MAX_KEYS = 20, 400
_MIN_NAMED = 2
_RULE = re.compile(r"[\s|:+-]+")
_SEPARATORS = ("\t", "|", ";", ",")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: its text, the unit of its header (None without one), or a JSON value."""

    value: Any
    unit: str | None = None


# The text of a cell that states nothing.
EMPTY = frozenset({"", "?", "-", "--", "—", "/", "n/a"})
Table = Sequence[Mapping[str, Cell]]
"""Rows of cells by column; columns that the specialist does not have are left out."""


def find_json(text: str, fields: Sequence[InputField]) -> tuple[Table, str]:
    """Return the rows of the first JSON value with the specialist's columns."""
    decoder = json.JSONDecoder()
    position = 0
    for _ in range(_MAX_OBJECTS):
        match = re.compile(r"[{\[]").search(text, position)
        if match is None:
            break
        try:
            value, end = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            position = match.end()
            continue
        rows = [row for one in _objects(value) if (row := _row_of_object(one, fields))]
        if rows:
            return rows, f"{text[: match.start()]}\n{text[end:]}"
        position = end
    return (), text


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a JSON value: itself, or those in a list or below one key."""
    if isinstance(value, list):
        return [one for one in value if isinstance(one, dict)]
    if not isinstance(value, dict):
        return []
    inner = [one for one in value.values() if isinstance(one, list | dict)]
    nested = [row for one in inner for row in _objects(one) if isinstance(one, list)]
    return nested or [value]


def _row_of_object(value: Mapping[str, Any], fields: Sequence[InputField]) -> dict[str, Cell]:
    """Return the cells of one JSON object."""
    row: dict[str, Cell] = {}
    keys = list(value)[:_MAX_KEYS]
    for key, field in zip(keys, _fields_of_keys(keys, value, fields), strict=True):
        content = value[key]
        if field is None or content is None:
            continue
        unit = unit_of_header(key, field)
        if isinstance(content, dict):
            unit = str(content.get("unit", unit or "")) or None
            content = content.get("value")
        row[field.name] = Cell(content, unit)
    return row


def _fields_of_keys(
    keys: Sequence[str], value: Mapping[str, Any], fields: Sequence[InputField]
) -> list[InputField | None]:
    """Return the column of each key; the only list of numbers is the only series column's."""
    found = fields_of(keys, fields)
    series = [one for one in fields if one.length is not None]
    lists = [place for place, key in enumerate(keys) if isinstance(value[key], list)]
    if len(series) == 1 and len(lists) == 1 and series[0] not in found:
        found[lists[0]] = series[0]
    return found


def find_lines(text: str, fields: Sequence[InputField]) -> tuple[Table, str]:
    """Return the rows of the first table of lines whose header names two of the columns."""
    lines = text.split("\n")
    for number, line in enumerate(lines[:-1]):
        for separator in _SEPARATORS:
            header = cells_of(line, separator)
            if len(header) < 2 or any(_NUMBER.fullmatch(cell) for cell in header):
                continue
            cells, end = _rows_below(lines, number + 1, separator, len(header))
            rows = _named_rows(header, cells, fields) if cells else []
            if rows:
                return rows, "\n".join([*lines[:number], *lines[end:]])
    return (), text


def _rows_below(
    lines: Sequence[str], start: int, separator: str, width: int
) -> tuple[list[list[str]], int]:
    """Return the cells of the rows below a header and the number of the first line after them."""
    rows: list[list[str]] = []
    number = start
    while number < len(lines):
        line = lines[number].strip()
        is_rule = separator == "|" and line and _RULE.fullmatch(line)
        if not is_rule:
            cells = cells_of(line, separator)
            if len(cells) != width or not any(_NUMBER.fullmatch(cell) for cell in cells):
                break
            rows.append(cells)
        number += 1
    return rows, number


def _named_rows(
    header: Sequence[str], rows: Sequence[Sequence[str]], fields: Sequence[InputField]
) -> list[Mapping[str, Cell]]:
    """Return the rows by column, none if the header names fewer than two columns."""
    named = [
        (place, field.name, unit_of_header(header[place], field))
        for place, field in enumerate(fields_of(header, fields))
        if field is not None
    ]
    if len(named) < _MIN_NAMED:
        return []
    return [
        {name: Cell(cells[place], unit) for place, name, unit in named if cells[place]}
        for cells in rows
    ]


def cells_of(line: str, separator: str) -> list[str]:
    """Return the cells of a line, without the bars around a Markdown row."""
    inner = line.strip().strip("|") if separator == "|" else line.strip()
    if separator not in inner:
        return []
    return [cell.strip().strip('"') for cell in inner.split(separator)]
