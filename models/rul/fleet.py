"""Parse a customer's training file of run-to-failure histories, one machine a line."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.adaptation import require_no_problems
from models.problems import EMPTY_FILE, Problem, Problems
from models.rul.data import SENSORS, Engine
from models.sentences import sentence
from models.signature import (
    InputField,
    InputInvalid,
    Signature,
    convert_to_field_unit,
    describe_index,
    find_invalid_values,
    format_value,
)
from models.training_text import MAX_LONG_LINE, decode_lines

MIN_MACHINES, MAX_MACHINES = 3, 500
_MAX_NAME_LENGTH = 40


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the training file: one machine."""

    sensors: dict[str, list[float]]
    id: str = ""
    units: dict[str, str] = {}


def read_fleet(training_file: bytes, signature: Signature) -> list[Engine]:
    """Parse and validate the machines of a training file against the base model's signature.

    Raises TrainingFileInvalid with all problems.
    """
    problems = Problems()
    lines = decode_lines(training_file, _Line, problems, MAX_LONG_LINE)
    if not lines and not problems.count:
        problems.add(EMPTY_FILE)
    invalid_lines = problems.count
    fleet: list[Engine] = []
    first_lines: dict[bytes, int] = {}
    for number, line in lines:
        machine = _parse_engine(number, line, signature, problems)
        if machine is None:
            invalid_lines += 1
            continue
        first_line = first_lines.setdefault(machine.readings.tobytes(), number)
        if first_line != number:
            message = sentence(
                "Line {number} repeats the machine of line {first_line}.",
                number=number,
                first_line=first_line,
            )
            problems.add(
                Problem("duplicate_example", message, sentence("Remove one of them."), number)
            )
            continue
        fleet.append(machine)
    if lines or not invalid_lines:
        _check_machine_count(len(fleet), invalid_lines, problems)
    if not problems.count:
        _check_constant_sensors(fleet, problems)
    require_no_problems(problems)
    return fleet


def _parse_engine(
    number: int, line: _Line, signature: Signature, problems: Problems
) -> Engine | None:
    """Parse the machine of one line; return None if it is invalid."""
    previous_problems = problems.count
    columns = {name: np.array([values], dtype=np.float32) for name, values in line.sensors.items()}
    _check_sensor_names(number, line, signature, problems)
    lengths = {name: column.shape[1] for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        common_length = Counter(lengths.values()).most_common(1)[0][0]
        for name, length in lengths.items():
            if length != common_length:
                message = sentence(
                    "Line {number}: sensors have different numbers of values: {name} has {length}, "
                    "others {common_length}.",
                    number=number,
                    name=repr(name),
                    length=length,
                    common_length=common_length,
                )
                fix = sentence("Give one value of each sensor per cycle.")
                problems.add(Problem("unequal_lengths", message, fix, number, name[:40]))
    fields = [field for field in signature.inputs if field.name in columns]
    series_by_name = {
        field.name: _validate_series(number, field, columns[field.name], line, problems)
        for field in fields
    }
    if problems.count > previous_problems:
        return None
    return Engine(np.stack([series_by_name[name][0] for name in SENSORS], axis=1), 0)


def _check_sensor_names(number: int, line: _Line, signature: Signature, problems: Problems) -> None:
    """Report missing and unknown sensors of one line."""
    expected = {field.name for field in signature.inputs}
    for name in sorted(expected - line.sensors.keys()):
        message = sentence(
            "Line {number}: the input {name} is missing.", number=number, name=repr(name)
        )
        problems.add(Problem("missing_field", message, sentence("Add the sensor."), number, name))
    for name in sorted(line.sensors.keys() - expected):
        message = sentence(
            "Line {number}: unknown input {name}.",
            number=number,
            name=repr(name[:_MAX_NAME_LENGTH]),
        )
        fix = sentence("Remove the sensor. Known: {names}.", names=", ".join(sorted(expected)))
        problems.add(Problem("unknown_field", message, fix, number, name[:_MAX_NAME_LENGTH]))
    for name in sorted(line.units.keys() - expected):
        message = sentence(
            "Line {number}: `units` names {name}, which is not a sensor.",
            number=number,
            name=repr(name[:_MAX_NAME_LENGTH]),
        )
        problems.add(
            Problem(
                "unknown_field", message, sentence("Remove it."), number, name[:_MAX_NAME_LENGTH]
            )
        )


def _validate_series(
    number: int, field: InputField, column: NDArray[Any], line: _Line, problems: Problems
) -> NDArray[Any]:
    """Convert a series to the field's unit, [1, cycles], and report its problems."""
    min_length, max_length = field.length or (1, column.shape[1])
    if not min_length <= column.shape[1] <= max_length:
        message = sentence(
            "Line {number}: {name} must be a list of {least} to {most} values, but has {count}.",
            number=number,
            name=repr(field.name),
            least=min_length,
            most=max_length,
            count=column.shape[1],
        )
        fix = sentence("Remove machines with fewer cycles; give the last cycles of longer ones.")
        problems.add(Problem("wrong_length", message, fix, number, field.name))
    try:
        column = convert_to_field_unit(field, column, line.units.get(field.name))
    except InputInvalid as error:
        fix = sentence("Use a unit of the same quantity, or give the values in the model's unit.")
        message = sentence("Line {number}: {error}", number=number, error=error)
        problems.add(Problem("unit", message, fix, number, field.name))
        return column
    for is_invalid, reason in find_invalid_values(field, column):
        index = tuple(int(one) for one in np.argwhere(is_invalid)[0])
        other_count = int(is_invalid.sum()) - 1
        message = sentence(
            "Line {number}: {name} in {place} ({value}){others} {reason}.",
            number=number,
            name=repr(field.name),
            place=describe_index(index),
            value=format_value(field, column[index]),
            others=sentence(" and {count} more values", count=other_count) if other_count else "",
            reason=reason,
        )
        fix = sentence("Check the values and their unit; the model card lists the limits.")
        problems.add(Problem("out_of_range", message, fix, number, field.name))
    return column


def _check_machine_count(count: int, invalid_lines: int, problems: Problems) -> None:
    """Report too many machines, or too few even if all invalid lines were corrected."""
    if count > MAX_MACHINES:
        message = sentence(
            "At most {most} machines are allowed; the file has {count}.",
            most=MAX_MACHINES,
            count=count,
        )
        problems.add(Problem("too_many_rows", message, sentence("Remove machines.")))
    if count + invalid_lines < MIN_MACHINES:
        message = sentence(
            "There are {count} machines; at least {least} machines that ran to failure are needed.",
            count=count,
            least=MIN_MACHINES,
        )
        problems.add(Problem("too_few_rows", message, sentence("Add machines.")))


def _check_constant_sensors(fleet: Sequence[Engine], problems: Problems) -> None:
    """Report sensors with the same value in all cycles of all machines."""
    readings = np.vstack([engine.readings for engine in fleet])
    for name, value_range in zip(SENSORS, np.ptp(readings, axis=0), strict=True):
        if not value_range:
            message = sentence("The sensor {name} is constant for all machines.", name=repr(name))
            problems.add(
                Problem("constant_field", message, sentence("Check the sensor."), field=name)
            )
