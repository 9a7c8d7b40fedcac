"""Read rows of columns from JSON, CSV and Markdown tables within a text."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.arguments.tables.headers import fields_of, unit_of_header
from models.signature import InputField

MAX_ROWS = 1_000
_MAX_OBJECTS, _MAX_KEYS = 20, 400
_RULE = re.compile(r"[\s|:+-]+")
_SEPARATORS = ("\t", "|", ";", ",")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: its text, the unit of its header (None without one), or a JSON value."""

    value: Any
    unit: str | None = None


Table = Sequence[Mapping[str, Cell]]
"""Rows of cells by column; columns that the specialist does not have are left out."""


def find_table(text: str, fields: Sequence[InputField]) -> tuple[Table, str]:
    """Return the rows that a text has as JSON or as a table, and the text without them.

    No rows if there is no table with a column of the specialist.
    """
    for find in (_find_json, _find_lines):
        table, rest = find(text, fields)
        if table:
            return table[:MAX_ROWS], rest
    return (), text


def _find_json(text: str, fields: Sequence[InputField]) -> tuple[Table, str]:
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


def _find_lines(text: str, fields: Sequence[InputField]) -> tuple[Table, str]:
    """Return the rows of the first table of lines whose header names two of the columns."""
    lines = text.split("\n")
    for number, line in enumerate(lines[:-1]):
        for separator in _SEPARATORS:
            header = cells_of(line, separator)
            if len(header) < 2 or any(_NUMBER.fullmatch(cell) for cell in header):
                continue
            columns = fields_of(header, fields)
            if sum(one is not None for one in columns) < 2:
                continue
            rows, end = _read_rows(lines, number + 1, separator, header, columns)
            if rows:
                return rows, "\n".join([*lines[:number], *lines[end:]])
    return (), text


def _read_rows(
    lines: Sequence[str],
    start: int,
    separator: str,
    header: Sequence[str],
    columns: Sequence[InputField | None],
) -> tuple[list[Mapping[str, Cell]], int]:
    """Return the rows below a header and the number of the first line after them."""
    rows: list[Mapping[str, Cell]] = []
    named = [
        (place, field.name, unit_of_header(name, field))
        for place, (name, field) in enumerate(zip(header, columns, strict=True))
        if field is not None
    ]
    number = start
    while number < len(lines):
        line = lines[number]
        if separator == "|" and line.strip() and _RULE.fullmatch(line.strip()):
            number += 1
            continue
        cells = cells_of(line, separator)
        if len(cells) != len(header) or not any(_NUMBER.fullmatch(cell) for cell in cells):
            break
        rows.append({name: Cell(cells[place], unit) for place, name, unit in named if cells[place]})
        number += 1
    return rows, number


def cells_of(line: str, separator: str) -> list[str]:
    """Return the cells of a line, without the bars around a Markdown row."""
    inner = line.strip().strip("|") if separator == "|" else line.strip()
    if separator not in inner:
        return []
    return [cell.strip().strip('"') for cell in inner.split(separator)]
