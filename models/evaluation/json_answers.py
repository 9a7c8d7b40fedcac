"""Compare the JSON object in an answer with the expected one, field by field."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from models.evaluation.normalization import normalize
from models.evaluation.quantities import (
    Quantity,
    Tolerance,
    is_equal,
    is_known_unit,
    parse_quantity,
)

# Braces at which a JSON object is tried; each costs a parse.
_MAX_STARTS = 20
_DECODER = json.JSONDecoder()


def find_json_object(answer: str) -> Mapping[str, Any] | None:
    """Return the first JSON object in an answer, also one in a code block; None if it has none."""
    position = -1
    for _ in range(_MAX_STARTS):
        position = answer.find("{", position + 1)
        if position < 0:
            return None
        try:
            value, _end = _DECODER.raw_decode(answer, position)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return None


def wrong_fields(
    expected: Mapping[str, Any], answer: Mapping[str, Any], tolerance: Tolerance | None
) -> tuple[str, ...]:
    """Return the paths of expected fields that the answer lacks or has with another value.

    Further fields of the answer are ignored.
    """
    return tuple(_wrong_paths(expected, answer, tolerance, ""))


def _wrong_paths(
    expected: Mapping[str, Any], answer: Mapping[str, Any], tolerance: Tolerance | None, prefix: str
) -> Iterator[str]:
    """Yield the paths, such as `pump.pressure`, of wrong fields in an object."""
    for name, value in expected.items():
        path, found = f"{prefix}{name}", answer.get(name)
        if isinstance(value, dict) and isinstance(found, dict):
            yield from _wrong_paths(value, found, tolerance, f"{path}.")
        elif name not in answer or not _is_same_value(value, found, tolerance):
            yield path


def _is_same_value(expected: Any, found: Any, tolerance: Tolerance | None) -> bool:
    """Return whether two JSON values are equal: texts normalized, numbers within the tolerance."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, str) and isinstance(found, str):
        return _is_same_text(expected, found, tolerance)
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return _is_same_number(expected, found, tolerance)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(
            _is_same_value(one, other, tolerance)
            for one, other in zip(expected, found, strict=True)
        )
    if isinstance(expected, dict) and isinstance(found, dict):
        return not wrong_fields(expected, found, tolerance)
    return expected is None and found is None


def _is_same_text(expected: str, found: str, tolerance: Tolerance | None) -> bool:
    """Return whether texts are equal when normalized, or are equal quantities with a unit."""
    if normalize(expected) == normalize(found):
        return True
    wanted, other = parse_quantity(expected), parse_quantity(found)
    if wanted is None or other is None or not wanted.unit or not is_known_unit(wanted.unit):
        return False
    return is_equal(other, wanted, tolerance)


def _is_same_number(expected: float, found: float, tolerance: Tolerance | None) -> bool:
    """Return whether JSON numbers are equal within the tolerance; without one, exactly."""
    try:
        wanted, other = float(expected), float(found)
    except OverflowError:
        return expected == found
    return is_equal(Quantity(other, "", ""), Quantity(wanted, "", ""), tolerance)
