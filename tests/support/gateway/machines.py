"""Training files of the remaining life: machines that ran to their failure, made up."""

import json
from typing import Any

from models.rul.signature import SENSOR_SPECS

CYCLES = 20


def machine(number: int, name: str = "") -> dict[str, Any]:
    """Each sensor rises a little, from another value in each machine."""
    sensors = {
        sensor: [_value(one.minimum, one.maximum, number, cycle) for cycle in range(CYCLES)]
        for sensor, one in SENSOR_SPECS.items()
    }
    return {"sensors": sensors, "id": name}


def lines_of(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def machines(do: str) -> bytes:
    """Three of them, the first of which tells the fake server what to do."""
    return lines_of(machine(1, f"do {do}"), machine(2), machine(3))


def _value(least: float, most: float, number: int, cycle: int) -> float:
    return round(least + (most - least) * (0.3 + 0.05 * number + 0.001 * cycle), 4)
