"""A customer's operating points with what became of them, from a training file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.adaptation import require_none
from models.failure_class.data import QUANTITY_COLUMNS, Flags, OperatingPoints
from models.failure_class.features import GRADES
from models.problems import EMPTY, Problem, Problems
from models.signature import (
    Columns,
    InputField,
    InputInvalid,
    Signature,
    in_unit,
    shown,
    wrong_values,
)
from models.training_text import structs

# Each of the five parts that are left out in turn then holds one of both.
FEWEST_OF_A_CLASS = 5
FEWEST = 30
_UNIT = "Name a unit of the quantity, or give the values in the model's own."
_RANGE = "Check the value and its unit; the model's card names the limits."


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    air_temperature: float
    process_temperature: float
    rotational_speed: float
    torque: float
    tool_wear: float
    failure: bool | Literal[0, 1]
    units: dict[str, str] = {}


_Numbered = tuple[int, _Line]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Operating points, no two alike, and whether each is a failure, [N]. `repeated` lines said
    again what another one had said."""

    points: OperatingPoints
    failed: Flags
    repeated: int = 0


def read(training_file: bytes, known: Signature) -> Labelled:
    """Lines of `{"type": "L", "air_temperature": 300.1, …, "failure": 0}`, checked against the
    base's signature; `units` names those of a line that are not the signature's.

    Equal points count once, or the same point would be learned from and scored on. Raises
    TrainingFileInvalid.
    """
    problems = Problems()
    lines = structs(training_file, _Line, problems)
    broken = problems.count
    if not lines and not broken:
        problems.add(EMPTY)
    good, points = _points(lines, known, problems)
    if not good:
        require_none(problems)
    failed = np.array([bool(line.failure) for _, line in good])
    first, same = _distinct(points)
    _find_contradictions(good, failed, first[same], problems)
    # Lines that are wrong may be mended: only what is too few even then is said.
    _find_too_few(failed[first], len(lines) - len(good) + broken, problems)
    require_none(problems)
    return Labelled(points.take(first), failed[first], len(lines) - len(first))


def _points(
    lines: Sequence[_Numbered], known: Signature, problems: Problems
) -> tuple[list[_Numbered], OperatingPoints]:
    """The lines whose values the model takes, and these. Lines that follow each other in the same
    units are checked together."""
    good: list[_Numbered] = []
    parts: list[Columns] = [_columns([])]
    for units, group in groupby(lines, lambda numbered: numbered[1].units):
        some = list(group)
        columns, kept = _checked(some, units, known, problems)
        good += [one for one, keep in zip(some, kept, strict=True) if keep]
        parts.append({name: column[kept] for name, column in columns.items()})
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    quantities = {name: columns[name] for name in QUANTITY_COLUMNS}
    return good, OperatingPoints(type=columns["type"].astype(np.str_), **quantities)


def _checked(
    lines: Sequence[_Numbered], units: Mapping[str, str], known: Signature, problems: Problems
) -> tuple[Columns, Flags]:
    """The columns in the model's units, and which rows it takes."""
    columns, numbers = dict(_columns([line for _, line in lines])), [number for number, _ in lines]
    kept = np.ones(len(lines), dtype=np.bool_)
    for name in units.keys() - QUANTITY_COLUMNS.keys():
        said = f"Line {numbers[0]}: `units` names {name[:40]!r}, which is no quantity of the model."
        problems.add(Problem("unknown_field", said, "Remove it.", numbers[0], name[:40]))
        kept[:] = False
    for field in known.inputs:
        try:
            columns[field.name] = in_unit(field, columns[field.name], units.get(field.name))
        except InputInvalid as error:
            said = f"Line {numbers[0]}: {error}"
            problems.add(Problem("unit", said, _UNIT, numbers[0], field.name))
            kept[:] = False
            continue
        kept &= ~_find_wrong(field, columns[field.name], numbers, problems)
    return columns, kept


def _find_wrong(
    field: InputField, column: NDArray[Any], numbers: Sequence[int], problems: Problems
) -> Flags:
    """Which rows have a value that the field does not take."""
    wrong = np.zeros(len(column), dtype=np.bool_)
    for bad, why in wrong_values(field, column):
        wrong |= bad
        for at in np.flatnonzero(bad):
            value = shown(field, column[at])
            said = f"Line {numbers[at]}: {field.name!r} ({value}) {why}."
            problems.add(Problem("out_of_range", said, _RANGE, numbers[at], field.name))
    return wrong


def _columns(lines: Sequence[_Line]) -> Columns:
    # A number too large for single precision becomes infinite, which is refused as that.
    with np.errstate(over="ignore"):
        quantities = {
            name: np.array([getattr(line, name) for line in lines]).astype(np.float32)
            for name in QUANTITY_COLUMNS
        }
    return {"type": np.array([line.type for line in lines], dtype=object), **quantities}


def _distinct(points: OperatingPoints) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each distinct point is first, and which of these each row is."""
    grades = np.array([GRADES[grade] for grade in points.type.tolist()], dtype=np.float32)
    table = np.stack([grades, *(points.quantity(name) for name in QUANTITY_COLUMNS)], axis=1)
    _, first, same = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return first, same


def _find_contradictions(
    lines: Sequence[_Numbered], failed: Flags, first: NDArray[np.intp], problems: Problems
) -> None:
    for at in np.flatnonzero(failed != failed[first]):
        one, other = lines[at][0], lines[first[at]][0]
        problems.add(
            Problem(
                "contradiction",
                f"Line {one} is the operating point of line {other} again, with the other "
                "`failure`.",
                "Keep the line whose label is right.",
                one,
                "failure",
            )
        )


def _find_too_few(failed: Flags, wrong: int, problems: Problems) -> None:
    for said, count in (("1", int(failed.sum())), ("0", int((~failed).sum()))):
        if count + wrong < FEWEST_OF_A_CLASS:
            message = (
                f"There are {count} different operating points whose `failure` is {said}; at "
                f"least {FEWEST_OF_A_CLASS} are needed."
            )
            problems.add(Problem("too_few_of_a_class", message, "Add some.", field="failure"))
    if len(failed) + wrong < FEWEST:
        message = (
            f"There are {len(failed)} different operating points; at least {FEWEST} are needed."
        )
        problems.add(Problem("too_few_rows", message, "Add some."))
