"""A customer's training file: stretches of normal hours, and of anomalous ones if there are any."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from models.adaptation import require_none
from models.anomaly.detector import Floats
from models.anomaly.settings import PARTS, Settings
from models.anomaly.variant import RESERVED
from models.problems import Problem, Problems
from models.training_text import LONG_LINE, structs
from models.units import UnitMismatch, UnitUnknown, conversion

MAX_SENSORS = 100
MAX_ROWS = 500_000
MAX_NAME = 64
# Of one sensor of one line so many readings are named.
_MOST_READINGS = 5


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    sensors: dict[str, msgspec.Raw]
    label: Literal["normal", "anomalous"] = "normal"
    units: dict[str, str] = {}  # msgspec copies an empty default for each instance


_Numbered = tuple[int, _Line]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hours without a gap: `readings` is [rows, sensors], as exact as a call can give them."""

    line: int
    readings: Floats
    anomalous: bool


@dataclass(frozen=True, slots=True)
class Hours:
    """`sensors` in the order of the first line; `units` of those that have one."""

    sensors: tuple[str, ...]
    units: Mapping[str, str]
    stretches: tuple[Stretch, ...]

    @property
    def normal(self) -> list[Floats]:
        return [one.readings for one in self.stretches if not one.anomalous]

    @property
    def anomalous(self) -> list[Floats]:
        return [one.readings for one in self.stretches if one.anomalous]


def read(training_file: bytes, settings: Settings) -> Hours:
    """The file's stretches. Raises TrainingFileInvalid with all problems, each with its line and
    sensor."""
    problems = Problems()
    lines = structs(training_file, _Line, problems, LONG_LINE)
    if not lines and not problems.count:
        problems.add(Problem("empty_file", "The file has no line.", "Write a stretch a line."))
    sensors = _sensors(lines, problems)
    broken = problems.count
    found = [_stretch(number, line, sensors, problems) for number, line in lines]
    stretches = tuple(one for one in found if one is not None)
    _find_twins(stretches, settings, problems)
    units = _units(lines, problems)
    whole = not broken and len(stretches) == len(lines)
    _find_rows(stretches, sensors, settings, whole, problems)
    require_none(problems)
    return Hours(sensors, units, stretches)


def _sensors(lines: Sequence[_Numbered], problems: Problems) -> tuple[str, ...]:
    """Those of the first line, to which the others are held."""
    if not lines:
        return ()
    number, line = lines[0]
    names = tuple(line.sensors)
    if not 1 <= len(names) <= MAX_SENSORS:
        said = f"Line {number}: there are {len(names)} sensors, not 1 to {MAX_SENSORS}."
        problems.add(Problem("sensor_count", said, "Divide the machine into parts.", number))
    for name in names:
        if name in RESERVED or not name.isprintable() or not 1 <= len(name) <= MAX_NAME:
            said = (
                f"Line {number}: {name[:MAX_NAME]!r} cannot be a sensor's name, which has 1 to "
                f"{MAX_NAME} printable letters and is not {' or '.join(map(repr, RESERVED))}."
            )
            problems.add(
                Problem("invalid_name", said, "Rename the sensor.", number, name[:MAX_NAME])
            )
    return names


def _stretch(
    number: int, line: _Line, sensors: Sequence[str], problems: Problems
) -> Stretch | None:
    before = problems.count
    _find_names(number, line, sensors, problems)
    columns = {
        name: _readings(number, name, line.sensors[name], problems)
        for name in sensors
        if name in line.sensors
    }
    if problems.count > before or not columns:
        return None
    lengths = Counter(map(len, columns.values()))
    if len(lengths) > 1:
        _find_unequal(number, columns, problems)
        return None
    return Stretch(number, np.stack(list(columns.values()), axis=1), line.label == "anomalous")


def _find_names(number: int, line: _Line, sensors: Sequence[str], problems: Problems) -> None:
    for name in sensors:
        if name not in line.sensors:
            said = f"Line {number}: the sensor {name!r} is missing."
            fix = "Give the same sensors in all lines."
            problems.add(Problem("missing_field", said, fix, number, name))
    for name in sorted(line.sensors.keys() - set(sensors)):
        said = f"Line {number}: the sensor {name[:MAX_NAME]!r} is not in the first line."
        fix = "Remove it, or give it in all lines."
        problems.add(Problem("unknown_field", said, fix, number, name[:MAX_NAME]))


def _find_unequal(number: int, columns: Mapping[str, Floats], problems: Problems) -> None:
    leader, *others = columns
    for name in others:
        if len(columns[name]) != len(columns[leader]):
            said = (
                f"Line {number}: {name!r} has {len(columns[name])} readings, but {leader!r} has "
                f"{len(columns[leader])}."
            )
            fix = "Give one reading of each sensor for each step."
            problems.add(Problem("unequal_lengths", said, fix, number, name))


def _readings(number: int, name: str, raw: msgspec.Raw, problems: Problems) -> Floats:
    try:
        values = msgspec.json.decode(raw, type=list[float])
    except msgspec.DecodeError as error:
        said = f"Line {number}: {name!r}: {error}."
        fix = "Give numbers only; leave a stretch out where readings are missing."
        problems.add(Problem("wrong_type", said, fix, number, name))
        return np.empty(0)
    # Calls give readings in single precision; what differs only beyond it is no difference.
    with np.errstate(over="ignore"):
        readings = np.array(values, dtype=np.float32).astype(np.float64)
    for at in np.flatnonzero(~np.isfinite(readings))[:_MOST_READINGS]:
        said = f"Line {number}: {name!r}, reading {at} ({values[at]:g}) is too large."
        problems.add(Problem("out_of_range", said, "Check the reading.", number, name))
    return readings


def _find_twins(stretches: Sequence[Stretch], settings: Settings, problems: Problems) -> None:
    """Stretches that are too short, and the same readings in two lines."""
    seen: dict[bytes, int] = {}
    for one in stretches:
        rows = len(one.readings)
        if rows < (1 if one.anomalous else settings.shortest):
            said = (
                f"Line {one.line}: a stretch of normal hours has at least {settings.shortest} "
                f"rows, an anomalous one at least 1, but this one has {rows}."
            )
            fix = "Join stretches between which no reading is missing, or leave this one out."
            problems.add(Problem("too_few_rows", said, fix, one.line))
        first = seen.setdefault(hashlib.sha256(one.readings.tobytes()).digest(), one.line)
        if first != one.line:
            said = f"Line {one.line} has the same readings as line {first}."
            problems.add(Problem("duplicate_example", said, "Remove one of them.", one.line))


def _find_rows(
    stretches: Sequence[Stretch],
    sensors: Sequence[str],
    settings: Settings,
    whole: bool,
    problems: Problems,
) -> None:
    """Too many rows; and too few, unless lines that are wrong may be mended."""
    if sum(len(one.readings) for one in stretches) > MAX_ROWS:
        said = f"A file has at most {MAX_ROWS} rows of readings."
        problems.add(Problem("too_many_rows", said, "Leave stretches out."))
    if not whole or not stretches:
        return
    normal = [one.readings for one in stretches if not one.anomalous]
    if not normal:
        said = "All lines are anomalous; normal hours are what is learned from."
        problems.add(Problem("too_few_rows", said, "Add normal hours.", field="label"))
        return
    rows, least = sum(map(len, normal)), settings.least_rows(len(sensors))
    if rows < least:
        said = f"{rows} rows of normal hours are too few: {len(sensors)} sensors take at least"
        problems.add(Problem("too_few_rows", f"{said} {least}.", "Add normal hours."))
    if not _find_still(normal, sensors, "", problems):
        starts = heads_of([len(one) for one in normal], rows - rows // PARTS)
        heads = [one[:start] for one, start in zip(normal, starts, strict=True)]
        _find_still(heads, sensors, "In the first four fifths of the normal rows: ", problems)


def heads_of(lengths: Sequence[int], learned: int) -> list[int]:
    """In each stretch, where the held-out rows begin, if the first `learned` rows are learned."""
    starts = []
    for length in lengths:
        starts.append(min(length, learned))
        learned -= starts[-1]
    return starts


def _find_still(
    normal: Sequence[Floats], sensors: Sequence[str], where: str, problems: Problems
) -> bool:
    """Whether a sensor never moves, which is a problem."""
    before = problems.count
    moves = np.any([np.ptp(one, axis=0) > 0 for one in normal if len(one)], axis=0)
    for name, moving in zip(sensors, np.atleast_1d(moves), strict=False):
        if not moving:
            said = (
                f"{where}{name!r} never changed within a stretch, so nothing says how far from "
                "normal another value is."
            )
            fix = "Leave such a sensor out, or give hours in which it moves."
            problems.add(Problem("constant_field", said, fix, field=name))
    return problems.count > before


def _units(lines: Iterable[_Numbered], problems: Problems) -> Mapping[str, str]:
    """Of each sensor, as the first line states it that does."""
    units: dict[str, str] = {}
    unknown: set[tuple[str, str]] = set()
    for number, line in lines:
        for name, unit in line.units.items():
            said = _wrong_unit(name, unit, line, units)
            if said is None and (name, unit) not in unknown and not _is_known(unit):
                unknown.add((name, unit))
                said = (
                    f"{name!r} is in {unit[:MAX_NAME]!r}, a unit that is not known. Without a "
                    "unit, a sensor's readings are taken as they are."
                )
            if said is not None:
                fix = "Give each sensor one known unit, or none."
                problems.add(
                    Problem("unit", f"Line {number}: {said}", fix, number, name[:MAX_NAME])
                )
    return units


def _wrong_unit(name: str, unit: str, line: _Line, units: dict[str, str]) -> str | None:
    if name not in line.sensors:
        return f"there is a unit for {name[:MAX_NAME]!r}, which is no sensor."
    if units.setdefault(name, unit) != unit:
        return f"{name!r} is in {unit[:MAX_NAME]!r}, but in an earlier line in {units[name]!r}."
    return None


def _is_known(unit: str) -> bool:
    try:
        conversion(unit, unit)
    except (UnitUnknown, UnitMismatch):
        return False
    return True
