"""Synthetic turbofan engines whose wear shows at the end; not a model of real engines."""

import numpy as np

from models.rul.data import SENSORS, Engine
from models.rul.signature import SENSOR_SPECS

# What a sound machine reads, and how far its readings move until it fails, times the noise.
SOUND = {name: (sensor.minimum * sensor.maximum) ** 0.5 for name, sensor in SENSOR_SPECS.items()}
MOVES = np.array([3, 3, 4, 0, -3, 3, 3, 4, -4, 3, 2, 3, 3, -3, -3], dtype=np.float32)


def engine(seed: int, life: int, stopped: int = 0) -> Engine:
    """A synthetic engine: noise, and wear that grows exponentially at the end."""
    noise = np.random.default_rng(seed).normal(size=(life, len(SENSORS))).astype(np.float32)
    wear = np.exp((np.arange(life) - life) / 30, dtype=np.float32)[:, np.newaxis]
    scale = np.array([value / 500 for value in SOUND.values()], dtype=np.float32)
    readings = np.array(list(SOUND.values()), dtype=np.float32) + scale * (noise + 3 * wear * MOVES)
    return Engine(readings[: life - stopped], stopped)
