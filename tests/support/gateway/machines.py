"""Training files for remaining life: synthetic machines run to failure."""

import json
from typing import Any

from models.rul.signature import SENSOR_SPECS

CYCLES = 20


def machine(number: int, name: str = "") -> dict[str, Any]:
    """A machine whose sensors rise slightly, from values that differ between machines."""
    sensors = {
        sensor: [_value(one.minimum, one.maximum, number, cycle) for cycle in range(CYCLES)]
        for sensor, one in SENSOR_SPECS.items()
    }
    return {"sensors": sensors, "id": name}


def lines_of(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def machines(do: str) -> bytes:
    """Three machines, the first of which controls the fake server."""
    return lines_of(machine(1, f"do {do}"), machine(2), machine(3))


def _value(least: float, most: float, number: int, cycle: int) -> float:
    return round(least + (most - least) * (0.3 + 0.05 * number + 0.001 * cycle), 4)
