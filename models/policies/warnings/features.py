"""Features of each tick: readings, departures from normal operation and spread over some memories.

Only past ticks are used, so that a feature is the same in a replay and in operation.
"""

from typing import Any

import numpy as np

from infra.lazy_import import LazyModule
from models.policies.warnings.chart import chart_score
from models.policies.warnings.history import Floats, MachineHistory

signal: Any = LazyModule("scipy.signal")

# In ticks.
MEMORIES = (1, 5, 20, 60)
_CHARTS = (5.0, 20.0)
_CLIP = 20.0
_SMALLEST_SPREAD = 1e-3


def tick_features(history: MachineHistory) -> Floats:
    """Return the features, [ticks, features]; departures are in deviations of the normal ticks."""
    departures = departures_of(history)
    columns = [history.readings]
    columns += [chart_score(history, memory)[:, np.newaxis] for memory in _CHARTS]
    for memory in MEMORIES:
        mean = average(departures, memory)
        columns += [mean, np.linalg.norm(mean, axis=1, keepdims=True)]
        if memory > 1:
            spread = average((departures - mean) ** 2, memory)
            columns.append(np.log(spread + _SMALLEST_SPREAD))
    return np.concatenate(columns, axis=1)


def departures_of(history: MachineHistory) -> Floats:
    """Return the readings in deviations of the normal ticks from their mean, within ±20."""
    normal = history.readings[: history.normal]
    scale = np.maximum(normal.std(axis=0), 1e-9 * np.abs(normal).max(axis=0) + 1e-12)
    return np.asarray(np.clip((history.readings - normal.mean(axis=0)) / scale, -_CLIP, _CLIP))


def average(values: Floats, memory: int) -> Floats:
    """Return the exponential average with a memory in ticks, starting at the first value."""
    weight = 1.0 / memory
    start = values[:1] * (1.0 - weight)
    return np.asarray(signal.lfilter([weight], [1.0, weight - 1.0], values, axis=0, zi=start)[0])


def sensors_of_features(sensors: int) -> list[int]:
    """Return for each feature the position of its sensor, -1 for one of all sensors."""
    each = list(range(sensors))
    found = each + [-1] * len(_CHARTS)
    for memory in MEMORIES:
        found += [*each, -1] + (each if memory > 1 else [])
    return found
