"""A customer's training file of machines that ran to their failure, one a line."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.adaptation import require_none
from models.problems import EMPTY, Problem, Problems
from models.rul.data import SENSORS, Engine
from models.signature import (
    InputField,
    InputInvalid,
    Signature,
    in_unit,
    place,
    shown,
    wrong_values,
)
from models.training_text import LONG_LINE, structs

FEWEST, MOST = 3, 500
_LONGEST_NAME = 40


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    sensors: dict[str, list[float]]
    id: str = ""
    units: dict[str, str] = {}


def read_fleet(training_file: bytes, known: Signature) -> list[Engine]:
    """The machines of a training file, checked against the base's signature.

    Raises TrainingFileInvalid with all problems.
    """
    problems = Problems()
    lines = structs(training_file, _Line, problems, LONG_LINE)
    if not lines and not problems.count:
        problems.add(EMPTY)
    wrong = problems.count
    fleet: list[Engine] = []
    seen: dict[bytes, int] = {}
    for number, line in lines:
        machine = _engine(number, line, known, problems)
        if machine is None:
            wrong += 1
            continue
        twin = seen.setdefault(machine.readings.tobytes(), number)
        if twin != number:
            said = f"Line {number} is the machine of line {twin} again."
            problems.add(Problem("duplicate_example", said, "Remove one of them.", number))
            continue
        fleet.append(machine)
    if lines or not wrong:
        _find_count(len(fleet), wrong, problems)
    if not problems.count:
        _find_still(fleet, problems)
    require_none(problems)
    return fleet


def _engine(number: int, line: _Line, known: Signature, problems: Problems) -> Engine | None:
    before = problems.count
    columns = {name: np.array([values], dtype=np.float32) for name, values in line.sensors.items()}
    _find_names(number, line, known, problems)
    lengths = {name: column.shape[1] for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        usual = Counter(lengths.values()).most_common(1)[0][0]
        for name, length in lengths.items():
            if length != usual:
                said = f"Line {number}: sensors have unequally many values: {name!r} has {length}, "
                fix = "Give one value of each sensor for each cycle."
                problems.add(
                    Problem("unequal_lengths", f"{said}others {usual}.", fix, number, name[:40])
                )
    fields = [field for field in known.inputs if field.name in columns]
    fitting = {
        field.name: _fitting(number, field, columns[field.name], line, problems) for field in fields
    }
    if problems.count > before:
        return None
    return Engine(np.stack([fitting[name][0] for name in SENSORS], axis=1), 0)


def _find_names(number: int, line: _Line, known: Signature, problems: Problems) -> None:
    expected = {field.name for field in known.inputs}
    for name in sorted(expected - line.sensors.keys()):
        said = f"Line {number}: The input {name!r} is missing."
        problems.add(Problem("missing_field", said, "Add the sensor.", number, name))
    for name in sorted(line.sensors.keys() - expected):
        said = f"Line {number}: The model has no input {name[:_LONGEST_NAME]!r}."
        fix = f"Remove the sensor. Known: {', '.join(sorted(expected))}."
        problems.add(Problem("unknown_field", said, fix, number, name[:_LONGEST_NAME]))
    for name in sorted(line.units.keys() - expected):
        said = f"Line {number}: `units` names {name[:_LONGEST_NAME]!r}, which is no sensor."
        problems.add(Problem("unknown_field", said, "Remove it.", number, name[:_LONGEST_NAME]))


def _fitting(
    number: int, field: InputField, column: NDArray[Any], line: _Line, problems: Problems
) -> NDArray[Any]:
    """The series in the field's unit, [1, cycles], with every problem of it told."""
    least, most = field.length or (1, column.shape[1])
    if not least <= column.shape[1] <= most:
        said = f"Line {number}: {field.name!r} is a list of {least} to {most} values"
        fix = "Leave machines with fewer cycles out; give the last cycles of longer ones."
        message = f"{said}, but has {column.shape[1]}."
        problems.add(Problem("wrong_length", message, fix, number, field.name))
    try:
        column = in_unit(field, column, line.units.get(field.name))
    except InputInvalid as error:
        fix = "Name a unit of the quantity, or give the values in the model's own."
        problems.add(Problem("unit", f"Line {number}: {error}", fix, number, field.name))
        return column
    for bad, why in wrong_values(field, column):
        at = tuple(int(one) for one in np.argwhere(bad)[0])
        more = int(bad.sum()) - 1
        also = f" and {more} more values" if more else ""
        said = f"{field.name!r} in {place(at)} ({shown(field, column[at])}){also} {why}."
        fix = "Check the values and their unit; the model's card names the limits."
        problems.add(Problem("out_of_range", f"Line {number}: {said}", fix, number, field.name))
    return column


def _find_count(count: int, wrong: int, problems: Problems) -> None:
    """`wrong` lines may be mended: only what is too few even then is said."""
    if count > MOST:
        said = f"At most {MOST} machines are learned from; the file has {count}."
        problems.add(Problem("too_many_rows", said, "Leave machines out."))
    if count + wrong < FEWEST:
        said = (
            f"There are {count} machines; at least {FEWEST} that ran to their failure are needed."
        )
        problems.add(Problem("too_few_rows", said, "Add machines."))


def _find_still(fleet: Sequence[Engine], problems: Problems) -> None:
    readings = np.vstack([one.readings for one in fleet])
    for name, moved in zip(SENSORS, np.ptp(readings, axis=0), strict=True):
        if not moved:
            said = f"The sensor {name!r} never changes in any machine."
            problems.add(Problem("constant_field", said, "Check the sensor.", field=name))
