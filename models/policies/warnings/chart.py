"""A score without labels: the distance from normal operation, by the anomaly detector's chart."""

from typing import Any

import numpy as np

from infra.lazy_import import LazyModule
from models.anomaly.settings import Settings
from models.policies.warnings.history import Floats, MachineHistory

# Loaded on first use: it imports SciPy.
fitting: Any = LazyModule("models.anomaly.fitting")


def chart_score(history: MachineHistory, memory: float) -> Floats:
    """Return the distance of each tick in alarm limits of the normal ticks, [ticks].

    A sensor that never changed in normal operation is left out; without any, all distances are 0.
    """
    normal = history.readings[: history.normal]
    moving = np.flatnonzero(np.ptp(normal, axis=0) > 0)
    if not moving.size:
        return np.zeros(history.ticks)
    names = [str(sensor) for sensor in moving]
    detector = fitting.fit_unchecked([normal[:, moving]], names, Settings(memory=memory))
    scores, _ = detector.run(history.readings[np.newaxis, :, moving])
    return np.asarray(scores.score[0])
