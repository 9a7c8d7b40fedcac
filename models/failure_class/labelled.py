"""A customer's operating points with what became of them, from a training file.

Owns the file's form and what it is refused for. Does not own what is learned from it (pooling.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.adaptation import TrainingFileInvalid, examples
from models.failure_class.data import QUANTITY_COLUMNS, Flags, OperatingPoints
from models.failure_class.features import GRADES
from models.signature import Columns, InputInvalid, Signature, checked

# Each of the five parts that are left out in turn then holds one of both.
FEWEST_OF_A_CLASS = 5
FEWEST = 30


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
    lines = list(examples(training_file, _Line))
    if not lines:
        raise TrainingFileInvalid("The training file has no lines.")
    points = _points(lines, known)
    failed = np.array([bool(line.failure) for _, line in lines])
    first, same = _distinct(points)
    _require_agreement(lines, failed, first[same])
    _require_enough(failed[first])
    return Labelled(points.take(first), failed[first], len(lines) - len(first))


def _points(lines: Sequence[_Numbered], known: Signature) -> OperatingPoints:
    """Lines that follow each other in the same units are checked together."""
    parts = [
        _checked(list(group), units, known)
        for units, group in groupby(lines, lambda numbered: numbered[1].units)
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    quantities = {name: columns[name] for name in QUANTITY_COLUMNS}
    return OperatingPoints(type=columns["type"].astype(np.str_), **quantities)


def _checked(lines: Sequence[_Numbered], units: Mapping[str, str], known: Signature) -> Columns:
    """The first line that is wrong is looked for by halves: a file has a hundred thousand."""
    try:
        _require_inputs(units)
        return checked(known, _columns([line for _, line in lines]), units)
    except InputInvalid as error:
        if len(lines) == 1:
            raise TrainingFileInvalid(f"Line {lines[0][0]}: {error}") from error
        half = len(lines) // 2
        for part in (lines[:half], lines[half:]):
            _checked(part, units, known)
        raise


def _require_inputs(units: Mapping[str, str]) -> None:
    for name in units:
        if name not in QUANTITY_COLUMNS:
            raise InputInvalid(f"`units` names {name[:40]!r}, which is no quantity of the model.")


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


def _require_agreement(lines: Sequence[_Numbered], failed: Flags, first: NDArray[np.intp]) -> None:
    apart = np.flatnonzero(failed != failed[first])
    if len(apart):
        one, other = (lines[at][0] for at in (apart[0], first[apart[0]]))
        raise TrainingFileInvalid(
            f"Line {one} is the operating point of line {other} again, with the other `failure`."
        )


def _require_enough(failed: Flags) -> None:
    for said, count in (("1", int(failed.sum())), ("0", int((~failed).sum()))):
        if count < FEWEST_OF_A_CLASS:
            raise TrainingFileInvalid(
                f"There are {count} different operating points whose `failure` is {said}; at "
                f"least {FEWEST_OF_A_CLASS} are needed."
            )
    if len(failed) < FEWEST:
        raise TrainingFileInvalid(
            f"There are {len(failed)} different operating points; at least {FEWEST} are needed."
        )
