"""Simulated readings of machines, with a spindle bearing that wears out at the end.

Reproducible: the random generator is seeded by machine and point.
"""

import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gateway.demo.plant.model import VIBRATION, WORN_MACHINE
from gateway.plant.readings.values import DAY_US, MINUTE_US, Series, Times

_WEAR_DAYS = 4.0
_SHIFT_HOURS_UTC = 8
_TOOL_LIFE_MIN, _CUTTING_SHARE = 190.0, 0.6
Values = NDArray[np.float64]


def reading_times(end_us: int, days: int, step_us: int) -> Times:
    """Return the times of readings that end at a time."""
    count = days * DAY_US // step_us
    return end_us - step_us * np.arange(count - 1, -1, -1, dtype=np.int64)


def machine_series(machine: str, times: Times) -> Mapping[str, Series]:
    """Return the readings of a machine's points by the last part of their tags."""
    values = _signals(machine, times)
    return {tag: Series.of(times, np.round(one, 3)) for tag, one in values.items()}


def _signals(machine: str, times: Times) -> Mapping[str, Values]:
    """Return the values of each point."""
    noise = np.random.default_rng(zlib.crc32(machine.encode()))
    count = len(times)
    damage = _damage(times) if machine == WORN_MACHINE else np.zeros(count)
    hours = (times / (DAY_US / 24) + _SHIFT_HOURS_UTC) % 24
    air = 23.5 + 2.0 * np.sin((hours - 9) / 24 * 2 * np.pi) + noise.normal(0, 0.1, count)
    load = np.where((hours >= 8) & (hours < 22), 1.0, 0.9)
    return {
        "TA": air,
        "TP": air + 10.0 + 1.5 * damage + noise.normal(0, 0.15, count),
        "N": 1_550 - 230 * damage + noise.normal(0, 35, count),
        "TQ": 39 * load + 25 * damage + noise.normal(0, 2.5, count),
        "WEAR": _tool_wear(times, noise.uniform(0, _TOOL_LIFE_MIN)) + 25 * damage,
        VIBRATION: 1.6 * load + 3.2 * damage + np.abs(noise.normal(0, 0.12, count)),
        "KSL.P": 5.2 + noise.normal(0, 0.05, count),
        "KSL.T": air + 3.0 + noise.normal(0, 0.2, count),
    }


def _damage(times: Times) -> Values:
    """Return the damage of the worn spindle: 0, rising to 1 in the last days."""
    days_left = (times[-1] - times) / DAY_US
    return np.asarray(np.clip(1 - days_left / _WEAR_DAYS, 0, 1) ** 2)


def _tool_wear(times: Times, start_min: float) -> Values:
    """Return minutes of cutting since the last change of the tool."""
    minutes = (times - times[0]) / MINUTE_US * _CUTTING_SHARE
    return np.asarray((minutes + start_min) % _TOOL_LIFE_MIN)
