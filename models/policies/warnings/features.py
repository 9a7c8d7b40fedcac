"""Features of each tick: readings, departures from normal operation and spread over some memories.

Only past ticks are used, so that a feature is the same in a replay and in operation.
"""

import numpy as np
from scipy.signal import lfilter

from models.policies.warnings.chart import chart_score
from models.policies.warnings.history import Floats, MachineHistory

# In ticks.
MEMORIES = (1, 5, 20, 60)
_CHARTS = (5.0, 20.0)
_CLIP = 20.0
_SMALLEST_SPREAD = 1e-3


def tick_features(history: MachineHistory) -> Floats:
    """Return the features, [ticks, features]; departures are in deviations of the normal ticks."""
    normal = history.readings[: history.normal]
    scale = np.maximum(normal.std(axis=0), 1e-9 * np.abs(normal).max(axis=0) + 1e-12)
    departures = np.clip((history.readings - normal.mean(axis=0)) / scale, -_CLIP, _CLIP)
    columns = [history.readings]
    columns += [chart_score(history, memory)[:, np.newaxis] for memory in _CHARTS]
    for memory in MEMORIES:
        mean = _average(departures, memory)
        columns += [mean, np.linalg.norm(mean, axis=1, keepdims=True)]
        if memory > 1:
            spread = _average((departures - mean) ** 2, memory)
            columns.append(np.log(spread + _SMALLEST_SPREAD))
    return np.concatenate(columns, axis=1)


def _average(values: Floats, memory: int) -> Floats:
    """Return the exponential average with a memory in ticks, starting at the first value."""
    weight = 1.0 / memory
    start = values[:1] * (1.0 - weight)
    return np.asarray(lfilter([weight], [1.0, weight - 1.0], values, axis=0, zi=start)[0])
