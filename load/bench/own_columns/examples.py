"""Small training files of each kind of model, and a row to call it with; no real machine's data."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

Table = Mapping[str, list[Any]]
"""The columns of a file, with a value for each row."""

_MACHINES, _ROWS_PER_MACHINE = 8, 60
_HISTORIES, _RUNS, _STEPS = 8, 45, 40
_HOURS, _HISTORY, _AHEAD = 21 * 24, 4 * 24, 24
_START = datetime(2026, 3, 2)  # noqa: DTZ001  # as people write times, without a zone


@dataclass(frozen=True, slots=True)
class Example:
    """A training file with its schema, and a row for a call."""

    table: Table
    schema: Mapping[str, Any]
    row: Mapping[str, Any]

    def csv(self) -> bytes:
        """Return the file."""
        rows = zip(*self.table.values(), strict=True)
        lines = [",".join(self.table), *(",".join(map(str, row)) for row in rows)]
        return ("\n".join(lines) + "\n").encode()


def _machine_rows(target: str) -> Table:
    """Return rows of machines, of which temperature, torque and grade tell failure and wear."""
    noise = random.Random(1)  # not for cryptography
    columns: dict[str, list[Any]] = {
        name: [] for name in ("machine", "temperature [°C]", "torque [N·m]", "grade", target)
    }
    for number in range(_MACHINES * _ROWS_PER_MACHINE):
        temperature, torque = noise.gauss(80, 5), noise.gauss(40, 8)
        grade = noise.choice("ABC")
        load = (temperature - 80) / 5 + (torque - 40) / 8 + 1.5 * (grade == "C")
        result = ("yes" if load > 1 else "no") if target == "failure" else round(10 + 2 * load, 3)
        values = (f"M{number // _ROWS_PER_MACHINE}", round(temperature, 2), round(torque, 2))
        for name, value in zip(columns, (*values, grade, result), strict=True):
            columns[name].append(value)
    return columns


def _rows(target: str) -> Example:
    """Return the example of a model of single rows."""
    row = {"temperature [°C]": 88.0, "torque [N·m]": 47.5, "grade": "C"}
    return Example(_machine_rows(target), {"target": target, "machine": "machine"}, row)


def _lives() -> Example:
    """Return histories in which vibration rises and pressure falls toward the failure."""
    noise = random.Random(3)  # not for cryptography
    columns: dict[str, list[Any]] = {
        name: [] for name in ("machine", "cycle", "vibration [mm/s]", "pressure [bar]")
    }
    for number in range(_HISTORIES):
        length = noise.randint(60, 90)
        for cycle in range(1, length + 1):
            wear = math.exp((cycle - length) / 15)
            columns["machine"].append(f"P{number}")
            columns["cycle"].append(cycle)
            columns["vibration [mm/s]"].append(round(2 + 5 * wear + noise.gauss(0, 0.3), 3))
            columns["pressure [bar]"].append(round(8 - 2 * wear + noise.gauss(0, 0.3), 3))
    last = {name: columns[name][-_STEPS:] for name in ("vibration [mm/s]", "pressure [bar]")}
    return Example(columns, {"machine": "machine", "time": "cycle"}, last)


def _classes() -> Example:
    """Return runs of three classes: one swings, one drifts, one does neither."""
    noise = random.Random(5)  # not for cryptography
    columns: dict[str, list[Any]] = {
        name: [] for name in ("run", "step", "pressure [bar]", "flow", "state")
    }
    for number in range(_RUNS):
        state = ("loose", "ok", "worn")[number % 3]
        phase = noise.uniform(0, 6)
        for step in range(_STEPS):
            swing = 1.5 * math.sin(1.3 * step + phase) if state == "loose" else 0.0
            drift = 3 * (step / _STEPS - 0.5) if state == "worn" else 0.0
            columns["run"].append(f"R{number}")
            columns["step"].append(step)
            columns["pressure [bar]"].append(round(150 + swing + noise.gauss(0, 0.5), 3))
            columns["flow"].append(round(8 + drift + noise.gauss(0, 0.5), 3))
            columns["state"].append(state)
    last = {name: columns[name][-_STEPS:] for name in ("pressure [bar]", "flow")}
    schema = {"target": "state", "machine": "run", "time": "step", "window": _STEPS}
    return Example(columns, schema, last)


def _forecasts() -> Example:
    """Return an hourly load with a course of the day."""
    noise = random.Random(7)  # not for cryptography
    columns: dict[str, list[Any]] = {
        "time": [f"{_START + timedelta(hours=hour):%Y-%m-%d %H:%M}" for hour in range(_HOURS)],
        "load [kW]": [
            round(100 + 20 * math.sin(hour * math.pi / 12) + noise.gauss(0, 1), 3)
            for hour in range(_HOURS)
        ],
    }
    last = {name: values[-_HISTORY:] for name, values in columns.items()}
    schema = {"target": "load [kW]", "time": "time"}
    return Example(columns, schema, {**last, "horizon": _AHEAD})


# By the catalog's `adapter`.
EXAMPLES: Mapping[str, Callable[[], Example]] = MappingProxyType(
    {
        "tabular_classifier": lambda: _rows("failure"),
        "tabular_regressor": lambda: _rows("wear"),
        "series_life": _lives,
        "series_classifier": _classes,
        "series_forecaster": _forecasts,
    }
)
