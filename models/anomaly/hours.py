"""A customer's training file: stretches of normal hours, and of anomalous ones where there are any.

Owns the lines' form and what is refused in them. Does not own what is learned (fitting.py).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from models.adaptation import TrainingFileInvalid, examples
from models.anomaly.detector import Floats
from models.anomaly.variant import STATE
from models.units import UnitMismatch, UnitUnknown, conversion

MAX_SENSORS = 100
MAX_ROWS = 500_000
MAX_NAME = 64
# JSON has none of these, but much software writes them; the sensor is the key before their list.
_NO_NUMBER = re.compile(rb'"([^"]*)"\s*:\s*\[[^\]"]*?(-?Infinity|NaN)')


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    sensors: dict[str, msgspec.Raw]
    label: Literal["normal", "anomalous"] = "normal"
    units: dict[str, str] = {}  # msgspec copies an empty default for each instance


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


def read(training_file: bytes, shortest: int) -> Hours:
    """The file's stretches, normal ones of at least `shortest` rows.

    Raises TrainingFileInvalid, naming the line and the sensor.
    """
    _refuse_words_for_numbers(training_file)
    lines = list(examples(training_file, _Line))
    if not lines:
        raise TrainingFileInvalid("The file has no line.")
    sensors = _sensors(*lines[0])
    stretches = tuple(_stretch(number, line, sensors) for number, line in lines)
    _require(stretches, shortest)
    return Hours(sensors, _units(lines), stretches)


def _refuse_words_for_numbers(training_file: bytes) -> None:
    if not any(word in training_file for word in (b"NaN", b"Infinity")):
        return
    for number, line in enumerate(training_file.splitlines(), 1):
        if found := _NO_NUMBER.search(line):
            name, word = (part.decode(errors="replace") for part in found.groups())
            raise TrainingFileInvalid(f"Line {number}: {name[:MAX_NAME]!r} holds {word}.")


def _sensors(number: int, line: _Line) -> tuple[str, ...]:
    names = tuple(line.sensors)
    if not 1 <= len(names) <= MAX_SENSORS:
        raise TrainingFileInvalid(
            f"Line {number}: there are {len(names)} sensors, not 1 to {MAX_SENSORS}."
        )
    for name in names:
        if name == STATE or not name.isprintable() or not 1 <= len(name) <= MAX_NAME:
            raise TrainingFileInvalid(
                f"Line {number}: {name[:MAX_NAME]!r} cannot be a sensor's name, which has 1 to "
                f"{MAX_NAME} printable letters and is not {STATE!r}."
            )
    return names


def _stretch(number: int, line: _Line, sensors: Sequence[str]) -> Stretch:
    for name in sensors:
        if name not in line.sensors:
            raise TrainingFileInvalid(f"Line {number}: the sensor {name!r} is missing.")
    for name in line.sensors.keys() - set(sensors):
        raise TrainingFileInvalid(
            f"Line {number}: the sensor {name[:MAX_NAME]!r} is not in the first line."
        )
    columns = [_readings(number, name, line.sensors[name]) for name in sensors]
    for name, column in zip(sensors, columns, strict=True):
        if len(column) != len(columns[0]):
            raise TrainingFileInvalid(
                f"Line {number}: {name!r} has {len(column)} readings, but {sensors[0]!r} has "
                f"{len(columns[0])}."
            )
    return Stretch(number, np.stack(columns, axis=1), line.label == "anomalous")


def _readings(number: int, name: str, raw: msgspec.Raw) -> Floats:
    try:
        values = msgspec.json.decode(raw, type=list[float])
    except msgspec.DecodeError as error:
        raise TrainingFileInvalid(f"Line {number}: {name!r}: {error}.") from error
    # Calls give readings in single precision; what differs only beyond it is no difference.
    with np.errstate(over="ignore"):
        readings = np.array(values, dtype=np.float32).astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(readings))
    if bad.size:
        raise TrainingFileInvalid(
            f"Line {number}: {name!r}, reading {bad[0]} ({values[bad[0]]:g}) is too large."
        )
    return readings


def _require(stretches: Sequence[Stretch], shortest: int) -> None:
    seen: dict[bytes, int] = {}
    for one in stretches:
        rows = len(one.readings)
        if rows < (1 if one.anomalous else shortest):
            raise TrainingFileInvalid(
                f"Line {one.line}: a stretch of normal hours has at least {shortest} rows, an "
                f"anomalous one at least 1, but this one has {rows}."
            )
        first = seen.setdefault(hashlib.sha256(one.readings.tobytes()).digest(), one.line)
        if first != one.line:
            raise TrainingFileInvalid(f"Line {one.line} has the same readings as line {first}.")
    if all(one.anomalous for one in stretches):
        raise TrainingFileInvalid("All lines are anomalous; normal hours are what is learned from.")
    if sum(len(one.readings) for one in stretches) > MAX_ROWS:
        raise TrainingFileInvalid(f"A file has at most {MAX_ROWS} rows of readings.")


def _units(lines: Iterable[tuple[int, _Line]]) -> Mapping[str, str]:
    """Of each sensor, as the first line states it that does."""
    units: dict[str, str] = {}
    for number, line in lines:
        for name, unit in line.units.items():
            if name not in line.sensors:
                raise TrainingFileInvalid(
                    f"Line {number}: there is a unit for {name[:MAX_NAME]!r}, which is no sensor."
                )
            if units.setdefault(name, unit) != unit:
                raise TrainingFileInvalid(
                    f"Line {number}: {name!r} is in {unit[:MAX_NAME]!r}, but in an earlier line in "
                    f"{units[name]!r}."
                )
            _require_known(number, name, unit)
    return units


def _require_known(number: int, name: str, unit: str) -> None:
    try:
        conversion(unit, unit)
    except (UnitUnknown, UnitMismatch):
        raise TrainingFileInvalid(
            f"Line {number}: {name!r} is in {unit[:MAX_NAME]!r}, a unit that is not known. Without "
            "a unit, a sensor's readings are taken as they are."
        ) from None
