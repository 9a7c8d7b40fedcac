"""Whether two tool calls say the same: numbers are compared in the unit of the tool's column."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from models.arguments.tables.cells import read_cell
from models.arguments.tables.structured import Cell
from models.arguments.values import ColumnValue, Reading
from models.industrial_llm.tasks.tools import list_tools
from models.signature import InputField

_TOLERANCE = 1e-6


def is_equal_call(answer: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """Return whether an answer has the expected tool and the same values of its arguments."""
    given, wanted = answer.get("arguments"), expected["arguments"]
    if answer.get("tool", "") != expected["tool"] or not isinstance(given, Mapping):
        return False
    fields = _fields().get(expected["tool"], {})
    return given.keys() == wanted.keys() and all(
        _is_equal(given[name], wanted[name], fields.get(name)) for name in wanted
    )


def _is_equal(given: Any, wanted: Any, field: InputField | None) -> bool:
    """Return whether two values of a column are equal, in its unit."""
    if given == wanted:
        return True
    if field is None:
        return False
    values = [_value(one, field) for one in (given, wanted)]
    return None not in values and _is_same(*values)


def _value(argument: Any, field: InputField) -> ColumnValue | None:
    """Return an argument in the unit of its column, None if it has no such value."""
    unit = None
    if isinstance(argument, Mapping):
        argument, unit = argument.get("value"), str(argument.get("unit") or "") or None
    try:
        reading = read_cell(field, Cell(argument, unit))
    except (IndexError, TypeError, ValueError):
        return None
    return reading.value if isinstance(reading, Reading) else None


def _is_same(first: ColumnValue | None, second: ColumnValue | None) -> bool:
    """Return whether two values are equal but for rounding."""
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=_TOLERANCE)
    return first == second


@lru_cache(maxsize=1)
def _fields() -> Mapping[str | None, Mapping[str, InputField]]:
    """Return the columns of each tool by name."""
    return {tool.id: {field.name: field for field in tool.fields} for tool in list_tools()}
