"""Parse and validate a customer's training file of operating points with failure labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.adaptation import require_no_problems
from models.failure_class.data import QUANTITY_COLUMNS, Flags, OperatingPoints
from models.failure_class.features import GRADES
from models.problems import EMPTY_FILE, Problem, Problems
from models.sentences import sentence
from models.signature import (
    Columns,
    InputField,
    InputInvalid,
    Signature,
    convert_to_field_unit,
    find_invalid_values,
    format_value,
)
from models.training_text import decode_lines

# So that each of the five cross-validation folds holds a row of both classes.
MIN_ROWS_PER_CLASS = 5
MIN_ROWS = 30
_UNIT_FIX = sentence("Use a unit of the same quantity, or give the values in the model's unit.")
_RANGE_FIX = sentence("Check the value and its unit; the model card lists the limits.")


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """One line of the training file."""

    type: str
    air_temperature: float
    process_temperature: float
    rotational_speed: float
    torque: float
    tool_wear: float
    failure: bool | Literal[0, 1]
    units: dict[str, str] = {}


_NumberedLine = tuple[int, _Line]


@dataclass(frozen=True, slots=True)
class LabelledPoints:
    """Distinct operating points with their failure labels, [N].

    `duplicates` is the number of lines that repeated an earlier operating point.
    """

    points: OperatingPoints
    failed: Flags
    duplicates: int = 0


def read_training_file(content: bytes, base_signature: Signature) -> LabelledPoints:
    """Parse the training file and check its values against the base's signature.

    A line is `{"type": "L", "air_temperature": 300.1, …, "failure": 0}`; its `units` names the
    units that differ from the signature's. Equal points are kept once, or a point could be both
    learned from and scored on. Raises TrainingFileInvalid.
    """
    problems = Problems()
    lines = decode_lines(content, _Line, problems)
    unparsed = problems.count
    if not lines and not unparsed:
        problems.add(EMPTY_FILE)
    valid, points = _valid_points(lines, base_signature, problems)
    if not valid:
        require_no_problems(problems)
    failed = np.array([bool(line.failure) for _, line in valid])
    first_rows, point_of_row = _deduplicate(points)
    _find_contradictions(valid, failed, first_rows[point_of_row], problems)
    # Invalid lines may be corrected later, so they count towards the minimum.
    _find_too_few_rows(failed[first_rows], len(lines) - len(valid) + unparsed, problems)
    require_no_problems(problems)
    return LabelledPoints(points.take(first_rows), failed[first_rows], len(lines) - len(first_rows))


def _valid_points(
    lines: Sequence[_NumberedLine], base_signature: Signature, problems: Problems
) -> tuple[list[_NumberedLine], OperatingPoints]:
    """Return the valid lines and their operating points in the model's units.

    Consecutive lines with the same units are checked together.
    """
    valid: list[_NumberedLine] = []
    parts: list[Columns] = [_to_columns([])]
    for units, group in groupby(lines, lambda numbered: numbered[1].units):
        batch = list(group)
        columns, mask = _convert_and_check(batch, units, base_signature, problems)
        valid += [line for line, keep in zip(batch, mask, strict=True) if keep]
        parts.append({name: column[mask] for name, column in columns.items()})
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    quantities = {name: columns[name] for name in QUANTITY_COLUMNS}
    return valid, OperatingPoints(type=columns["type"].astype(np.str_), **quantities)


def _convert_and_check(
    lines: Sequence[_NumberedLine],
    units: Mapping[str, str],
    base_signature: Signature,
    problems: Problems,
) -> tuple[Columns, Flags]:
    """Return the columns in the model's units and a mask of the valid rows."""
    columns, numbers = (
        dict(_to_columns([line for _, line in lines])),
        [number for number, _ in lines],
    )
    valid = np.ones(len(lines), dtype=np.bool_)
    for name in units.keys() - QUANTITY_COLUMNS.keys():
        message = sentence(
            "Line {number}: `units` names {name}, which is not an input of the model.",
            number=numbers[0],
            name=repr(name[:40]),
        )
        problems.add(
            Problem("unknown_field", message, sentence("Remove it."), numbers[0], name[:40])
        )
        valid[:] = False
    for field in base_signature.inputs:
        try:
            columns[field.name] = convert_to_field_unit(
                field, columns[field.name], units.get(field.name)
            )
        except InputInvalid as error:
            message = sentence("Line {number}: {error}", number=numbers[0], error=error)
            problems.add(Problem("unit", message, _UNIT_FIX, numbers[0], field.name))
            valid[:] = False
            continue
        valid &= ~_find_invalid_values(field, columns[field.name], numbers, problems)
    return columns, valid


def _find_invalid_values(
    field: InputField, column: NDArray[Any], numbers: Sequence[int], problems: Problems
) -> Flags:
    """Report the values that the field does not accept; return a mask of their rows."""
    invalid = np.zeros(len(column), dtype=np.bool_)
    for rows, reason in find_invalid_values(field, column):
        invalid |= rows
        for row in np.flatnonzero(rows):
            value = format_value(field, column[row])
            message = sentence(
                "Line {number}: {name} ({value}) {reason}.",
                number=numbers[row],
                name=repr(field.name),
                value=value,
                reason=reason,
            )
            problems.add(Problem("out_of_range", message, _RANGE_FIX, numbers[row], field.name))
    return invalid


def _to_columns(lines: Sequence[_Line]) -> Columns:
    # A number too large for single precision becomes infinite and is rejected as not finite.
    """Return the lines' input values as one array per column."""
    with np.errstate(over="ignore"):
        quantities = {
            name: np.array([getattr(line, name) for line in lines]).astype(np.float32)
            for name in QUANTITY_COLUMNS
        }
    return {"type": np.array([line.type for line in lines], dtype=object), **quantities}


def _deduplicate(points: OperatingPoints) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first row of each distinct point, and the distinct point of each row."""
    grades = np.array([GRADES[grade] for grade in points.type.tolist()], dtype=np.float32)
    table = np.stack([grades, *(points.quantity(name) for name in QUANTITY_COLUMNS)], axis=1)
    _, first_rows, point_of_row = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return first_rows, point_of_row


def _find_contradictions(
    lines: Sequence[_NumberedLine], failed: Flags, first_rows: NDArray[np.intp], problems: Problems
) -> None:
    """Report lines that repeat an operating point with the other label."""
    for row in np.flatnonzero(failed != failed[first_rows]):
        number, first_number = lines[row][0], lines[first_rows[row]][0]
        problems.add(
            Problem(
                "contradiction",
                sentence(
                    "Line {number} repeats the operating point of line {first_number} with "
                    "the opposite `failure`.",
                    number=number,
                    first_number=first_number,
                ),
                sentence("Keep the line with the correct label."),
                number,
                "failure",
            )
        )


def _find_too_few_rows(failed: Flags, invalid: int, problems: Problems) -> None:
    """Report too few rows, in total or of a class, even if invalid lines were corrected."""
    for label, count in (("1", int(failed.sum())), ("0", int((~failed).sum()))):
        if count + invalid < MIN_ROWS_PER_CLASS:
            message = sentence(
                "There are {count} different operating points with `failure` {label}; "
                "at least {least} are needed.",
                count=count,
                label=label,
                least=MIN_ROWS_PER_CLASS,
            )
            problems.add(
                Problem("too_few_of_a_class", message, sentence("Add some."), field="failure")
            )
    if len(failed) + invalid < MIN_ROWS:
        message = sentence(
            "There are {count} different operating points; at least {least} are needed.",
            count=len(failed),
            least=MIN_ROWS,
        )
        problems.add(Problem("too_few_rows", message, sentence("Add some.")))
