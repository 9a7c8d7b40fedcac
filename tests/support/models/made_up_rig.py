"""Synthetic hours of a rig: pressure and flow are correlated, room temperature drifts slowly."""

import numpy as np

from models.anomaly.detector import Floats

SENSORS = ("pressure", "flow", "current", "room")


def hours(seed: int, rows: int) -> Floats:
    """Normal readings, [rows, sensors]."""
    generator = np.random.default_rng(seed)
    demand = generator.normal(size=rows)
    noise = generator.normal(size=(rows, 3))
    room = 20 + np.cumsum(generator.normal(scale=0.05, size=rows))
    return (
        np.column_stack(
            [
                5 + 0.5 * demand + 0.1 * noise[:, 0],
                60 + 6 * demand + 1.2 * noise[:, 1],
                3 + 0.2 * noise[:, 2],
                room,
            ]
        )
        .astype(np.float32)
        .astype(np.float64)
    )


def leaking(readings: Floats) -> Floats:
    """Lower pressure with higher flow: each value is common, their combination is not."""
    return readings + np.array([-0.5, 6.0, 0.0, 0.0])
