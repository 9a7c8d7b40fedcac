"""Merge a language model's tool arguments with what stands in the text.

What was read from the text wins. A number of the model counts only if it stands in the text and
belongs to no other column; a text only if it does literally. So the model can choose the column of
a value, but cannot invent one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from models.arguments.conversion import convert, is_in_range
from models.arguments.quantities import find_quantities, normalize, stated_units
from models.arguments.values import Extraction, Reading, Row, Source
from models.signature import BYTES, InputField

_TOLERANCE = 1e-6


def merge_arguments(
    extraction: Extraction,
    fields: Sequence[InputField],
    arguments: Mapping[str, Any],
    texts: Sequence[str],
) -> Extraction:
    """Return the extraction, with arguments of the model for columns that lack a value."""
    by_name = {one.name: one for one in fields}
    added: dict[str, Reading] = {}
    left = list(extraction.unclaimed)
    for name, argument in arguments.items():
        column = by_name.get(name)
        if column is None or name in extraction.first:
            continue
        found = _reading(column, argument, left, texts)
        if found is not None:
            added[name] = found
    if not added:
        return extraction
    rows: tuple[Row, ...] = tuple({**added, **row} for row in extraction.rows)
    problems = tuple(one for one in extraction.problems if one.column not in added)
    return replace(extraction, rows=rows, problems=problems, unclaimed=tuple(left))


def _reading(
    column: InputField, argument: Any, left: list[tuple[float, str]], texts: Sequence[str]
) -> Reading | None:
    """Return an argument as a reading, None if it does not stand in the text.

    Removes the quantity that it claims from `left`.
    """
    if column.length is not None:
        return None  # the extractor reads series whole, or they are not there
    if column.datatype == BYTES:
        return _literal(column, argument, texts)
    stated, unit = _number_and_unit(argument)
    if stated is None:
        return None
    for index, (value, own_unit) in enumerate(left):
        if not _is_same(value, stated):
            continue
        converted = _converted(column, value, own_unit or unit)
        if converted is not None and is_in_range(converted, column):
            del left[index]
            return Reading(column.name, converted, f"{value:g} {own_unit}".strip(), Source.MODEL)
    return None


def _converted(column: InputField, value: float, unit: str) -> float | None:
    """Return a number in the column's unit; without a unit it is in the column's."""
    if not unit or column.unit is None:
        return value
    return convert(value, stated_units(unit), column)


def _number_and_unit(argument: Any) -> tuple[float | None, str]:
    """Return number and unit of an argument: a number, a text or `{"value", "unit"}`."""
    if isinstance(argument, Mapping):
        number, _ = _number_and_unit(argument.get("value"))
        return number, str(argument.get("unit") or "")
    if isinstance(argument, bool) or argument is None:
        return None, ""
    if isinstance(argument, int | float):
        return (float(argument), "") if math.isfinite(argument) else (None, "")
    found = find_quantities(normalize(str(argument)))
    if len(found) != 1:
        return None, ""
    return found[0].value, found[0].units[0][1] if found[0].units else ""


def _literal(column: InputField, argument: Any, texts: Sequence[str]) -> Reading | None:
    """Return a text argument that stands in the text; one of a closed list is the extractor's."""
    if column.values is not None or not isinstance(argument, str) or not argument.strip():
        return None
    if not any(argument in text for text in texts):
        return None
    return Reading(column.name, argument, argument, Source.MODEL)


def _is_same(first: float, second: float) -> bool:
    """Return whether two numbers are equal but for rounding."""
    return math.isclose(first, second, rel_tol=_TOLERANCE, abs_tol=1e-12)
