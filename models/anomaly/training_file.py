"""Parse a customer's training file: gapless stretches of normal and of anomalous operation."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from models.adaptation import require_no_problems
from models.anomaly.detector import Floats
from models.anomaly.settings import HELD_OUT_DIVISOR, Settings
from models.anomaly.variant import RESERVED
from models.problems import Problem, Problems
from models.sentences import Sentence, sentence
from models.training_text import MAX_LONG_LINE, decode_lines, describe_mismatch
from models.units import UnitMismatch, UnitUnknown, unit_conversion

MAX_SENSORS = 100
MAX_ROWS = 500_000
MAX_NAME_LENGTH = 64
# Invalid readings reported for one sensor of one line.
_MAX_REPORTED_READINGS = 5


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the training file: one stretch."""

    sensors: dict[str, msgspec.Raw]
    label: Literal["normal", "anomalous"] = "normal"
    units: dict[str, str] = {}  # msgspec copies an empty default for each instance


_NumberedLine = tuple[int, _Line]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Readings without a gap, [rows, sensors], rounded to single precision like those of a call.

    line: number of the line in the training file.
    """

    line: int
    readings: Floats
    anomalous: bool


@dataclass(frozen=True, slots=True)
class TrainingHours:
    """The stretches of a training file.

    sensors: names in the order of the first line. units: unit by sensor, if given.
    """

    sensors: tuple[str, ...]
    units: Mapping[str, str]
    stretches: tuple[Stretch, ...]

    @property
    def normal(self) -> list[Floats]:
        """Readings of the normal stretches, [rows, sensors] each."""
        return [stretch.readings for stretch in self.stretches if not stretch.anomalous]

    @property
    def anomalous(self) -> list[Floats]:
        """Readings of the anomalous stretches, [rows, sensors] each."""
        return [stretch.readings for stretch in self.stretches if stretch.anomalous]


def read_hours(training_file: bytes, settings: Settings) -> TrainingHours:
    """Parse and validate a training file of normal and anomalous operation, in JSON lines.

    Raises TrainingFileInvalid with all problems, each with its line and sensor.
    """
    problems = Problems()
    lines = decode_lines(training_file, _Line, problems, MAX_LONG_LINE)
    if not lines and not problems.count:
        problems.add(
            Problem(
                "empty_file",
                sentence("The file has no line."),
                sentence("Write one segment per line."),
            )
        )
    sensors = _validated_sensor_names(lines, problems)
    header_problems = problems.count
    parsed = [_parse_stretch(number, line, sensors, problems) for number, line in lines]
    stretches = tuple(stretch for stretch in parsed if stretch is not None)
    _check_lengths_and_duplicates(stretches, settings, problems)
    units = _collect_units(lines, problems)
    all_lines_valid = not header_problems and len(stretches) == len(lines)
    _check_row_count(stretches, sensors, settings, all_lines_valid, problems)
    require_no_problems(problems)
    return TrainingHours(sensors, units, stretches)


def _validated_sensor_names(lines: Sequence[_NumberedLine], problems: Problems) -> tuple[str, ...]:
    """Return the sensor names of the first line, and report invalid names or too many of them."""
    if not lines:
        return ()
    number, line = lines[0]
    names = tuple(line.sensors)
    if not 1 <= len(names) <= MAX_SENSORS:
        message = sentence(
            "Line {number}: there are {count} sensors; 1 to {most} are allowed.",
            number=number,
            count=len(names),
            most=MAX_SENSORS,
        )
        problems.add(
            Problem(
                "sensor_count", message, sentence("Split the machine into several models."), number
            )
        )
    for name in names:
        if name in RESERVED or not name.isprintable() or not 1 <= len(name) <= MAX_NAME_LENGTH:
            message = sentence(
                "Line {number}: {name} cannot be a sensor's name, which has 1 to "
                "{most} printable letters and is not {reserved}.",
                number=number,
                name=repr(name[:MAX_NAME_LENGTH]),
                most=MAX_NAME_LENGTH,
                reserved=" or ".join(map(repr, RESERVED)),
            )
            problems.add(
                Problem(
                    "invalid_name",
                    message,
                    sentence("Rename the sensor."),
                    number,
                    name[:MAX_NAME_LENGTH],
                )
            )
    return names


def _parse_stretch(
    number: int, line: _Line, sensors: Sequence[str], problems: Problems
) -> Stretch | None:
    """Parse the readings of one line; return None if they are invalid."""
    previous_problems = problems.count
    _check_sensor_names(number, line, sensors, problems)
    columns = {
        name: _parse_readings(number, name, line.sensors[name], problems)
        for name in sensors
        if name in line.sensors
    }
    if problems.count > previous_problems or not columns:
        return None
    lengths = Counter(map(len, columns.values()))
    if len(lengths) > 1:
        _check_equal_lengths(number, columns, problems)
        return None
    return Stretch(number, np.stack(list(columns.values()), axis=1), line.label == "anomalous")


def _check_sensor_names(
    number: int, line: _Line, sensors: Sequence[str], problems: Problems
) -> None:
    """Report sensors missing from a line, and sensors missing from the first line."""
    for name in sensors:
        if name not in line.sensors:
            message = sentence(
                "Line {number}: the sensor {name} is missing.", number=number, name=repr(name)
            )
            fix = sentence("Give the same sensors in all lines.")
            problems.add(Problem("missing_field", message, fix, number, name))
    for name in sorted(line.sensors.keys() - set(sensors)):
        message = sentence(
            "Line {number}: the sensor {name} is not in the first line.",
            number=number,
            name=repr(name[:MAX_NAME_LENGTH]),
        )
        fix = sentence("Remove the sensor, or add it to all lines.")
        problems.add(Problem("unknown_field", message, fix, number, name[:MAX_NAME_LENGTH]))


def _check_equal_lengths(number: int, columns: Mapping[str, Floats], problems: Problems) -> None:
    """Report sensors with more or fewer readings than the first sensor."""
    reference, *others = columns
    for name in others:
        if len(columns[name]) != len(columns[reference]):
            message = sentence(
                "Line {number}: {name} has {count} readings, but {reference} has {others}.",
                number=number,
                name=repr(name),
                count=len(columns[name]),
                reference=repr(reference),
                others=len(columns[reference]),
            )
            fix = sentence("Give one reading of each sensor per step.")
            problems.add(Problem("unequal_lengths", message, fix, number, name))


def _parse_readings(number: int, name: str, raw: msgspec.Raw, problems: Problems) -> Floats:
    """Parse the readings of one sensor and report invalid ones; empty if not all are numbers."""
    try:
        values = msgspec.json.decode(raw, type=list[float])
    except msgspec.DecodeError as error:
        message = sentence(
            "Line {number}: {name}: {error}.",
            number=number,
            name=repr(name),
            error=describe_mismatch(error),
        )
        fix = sentence("Give numbers only; end the segment where readings are missing.")
        problems.add(Problem("wrong_type", message, fix, number, name))
        return np.empty(0)
    # Calls send readings in single precision, so the detector is fitted on the same precision.
    with np.errstate(over="ignore"):
        readings = np.array(values, dtype=np.float32).astype(np.float64)
    for position in np.flatnonzero(~np.isfinite(readings))[:_MAX_REPORTED_READINGS]:
        message = sentence(
            "Line {number}: {name}, reading {position} ({value:g}) is too large.",
            number=number,
            name=repr(name),
            position=position,
            value=values[position],
        )
        problems.add(Problem("out_of_range", message, sentence("Check the reading."), number, name))
    return readings


def _check_lengths_and_duplicates(
    stretches: Sequence[Stretch], settings: Settings, problems: Problems
) -> None:
    """Report stretches that are too short, and lines with the same readings."""
    first_lines: dict[bytes, int] = {}
    for stretch in stretches:
        rows = len(stretch.readings)
        if rows < (1 if stretch.anomalous else settings.min_stretch_rows):
            message = sentence(
                "Line {line}: a segment of normal operation needs at least {least} "
                "rows and an anomalous one at least 1; this segment has {rows}.",
                line=stretch.line,
                least=settings.min_stretch_rows,
                rows=rows,
            )
            fix = sentence(
                "Join segments without missing readings between them, or remove this segment."
            )
            problems.add(Problem("too_few_rows", message, fix, stretch.line))
        first_line = first_lines.setdefault(
            hashlib.sha256(stretch.readings.tobytes()).digest(), stretch.line
        )
        if first_line != stretch.line:
            message = sentence(
                "Line {line} has the same readings as line {first_line}.",
                line=stretch.line,
                first_line=first_line,
            )
            problems.add(
                Problem("duplicate_example", message, sentence("Remove one of them."), stretch.line)
            )


def _check_row_count(
    stretches: Sequence[Stretch],
    sensors: Sequence[str],
    settings: Settings,
    all_lines_valid: bool,
    problems: Problems,
) -> None:
    """Report too many rows and, if all lines are valid, too few rows or constant sensors."""
    if sum(len(stretch.readings) for stretch in stretches) > MAX_ROWS:
        message = sentence("A file has at most {most} rows of readings.", most=MAX_ROWS)
        problems.add(Problem("too_many_rows", message, sentence("Remove segments.")))
    if not all_lines_valid or not stretches:
        return
    normal = [stretch.readings for stretch in stretches if not stretch.anomalous]
    if not normal:
        message = sentence("All lines are anomalous; training needs normal operation.")
        problems.add(
            Problem(
                "too_few_rows", message, sentence("Add data of normal operation."), field="label"
            )
        )
        return
    rows, required = sum(map(len, normal)), settings.min_file_rows(len(sensors))
    if rows < required:
        message = sentence(
            "{rows} rows of normal operation are too few: {count} sensors need at least "
            "{required}.",
            rows=rows,
            count=len(sensors),
            required=required,
        )
        problems.add(Problem("too_few_rows", message, sentence("Add data of normal operation.")))
    if not _check_constant_sensors(normal, sensors, "", problems):
        training_ends = held_out_starts(
            [len(stretch) for stretch in normal], rows - rows // HELD_OUT_DIVISOR
        )
        training_parts = [stretch[:end] for stretch, end in zip(normal, training_ends, strict=True)]
        _check_constant_sensors(
            training_parts,
            sensors,
            sentence("In the first four fifths of the normal rows: "),
            problems,
        )


def held_out_starts(lengths: Sequence[int], training_rows: int) -> list[int]:
    """Return the first held-out row of each stretch, after `training_rows` rows in total."""
    starts = []
    for length in lengths:
        starts.append(min(length, training_rows))
        training_rows -= starts[-1]
    return starts


def _check_constant_sensors(
    normal: Sequence[Floats], sensors: Sequence[str], prefix: str, problems: Problems
) -> bool:
    """Report sensors that never change within a stretch; return whether there are any."""
    previous_problems = problems.count
    has_moved = np.any([np.ptp(stretch, axis=0) > 0 for stretch in normal if len(stretch)], axis=0)
    for name, moving in zip(sensors, np.atleast_1d(has_moved), strict=False):
        if not moving:
            message = sentence(
                "{prefix}{name} never changed within a segment, so no deviation can be assessed.",
                prefix=prefix,
                name=repr(name),
            )
            fix = sentence("Remove the sensor, or add data in which it changes.")
            problems.add(Problem("constant_field", message, fix, field=name))
    return problems.count > previous_problems


def _collect_units(lines: Iterable[_NumberedLine], problems: Problems) -> Mapping[str, str]:
    """Return each sensor's unit from the first line that states it; report invalid units."""
    units: dict[str, str] = {}
    unknown: set[tuple[str, str]] = set()
    for number, line in lines:
        for name, unit in line.units.items():
            message = _unit_problem(name, unit, line, units)
            if message is None and (name, unit) not in unknown and not _is_known_unit(unit):
                unknown.add((name, unit))
                message = sentence(
                    "{name} has the unknown unit {unit}. Without a unit, readings are used "
                    "unchanged.",
                    name=repr(name),
                    unit=repr(unit[:MAX_NAME_LENGTH]),
                )
            if message is not None:
                fix = sentence("Give each sensor one known unit or no unit.")
                problems.add(
                    Problem(
                        "unit",
                        sentence("Line {number}: {message}", number=number, message=message),
                        fix,
                        number,
                        name[:MAX_NAME_LENGTH],
                    )
                )
    return units


def _unit_problem(name: str, unit: str, line: _Line, units: dict[str, str]) -> Sentence | None:
    """Return why a unit is invalid, or None. Adds a sensor's first unit to `units`."""
    if name not in line.sensors:
        return sentence(
            "there is a unit for {name}, which is not a sensor.", name=repr(name[:MAX_NAME_LENGTH])
        )
    if units.setdefault(name, unit) != unit:
        return sentence(
            "{name} is in {unit}, but in an earlier line in {earlier}.",
            name=repr(name),
            unit=repr(unit[:MAX_NAME_LENGTH]),
            earlier=repr(units[name]),
        )
    return None


def _is_known_unit(unit: str) -> bool:
    """Whether a unit is known to models.units."""
    try:
        unit_conversion(unit, unit)
    except (UnitUnknown, UnitMismatch):
        return False
    return True
