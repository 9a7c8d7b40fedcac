"""A synthetic rig: in its cycles each component changes one sensor, and time changes all."""

from types import MappingProxyType

import numpy as np

from models.condition.data import SECONDS, SENSORS, TARGETS, Dataset, Floats, Labels

# Which sensor tells each target here.
TELLS = MappingProxyType({"cooler": "CE", "valve": "PS2", "pump": "FS1", "accumulator": "PS3"})
# Within the physical limits of every sensor.
_USUAL = 30.0
_WATTS = 2500.0


def dataset(seed: int, repeats: int = 4) -> Dataset:
    """All combinations of conditions, `repeats` cycles each, in a fixed shuffled order."""
    generator = np.random.default_rng(seed)
    ratios = [len(target.conditions) for target in TARGETS]
    combinations = np.stack(np.meshgrid(*map(np.arange, ratios), indexing="ij"), axis=-1)
    order = generator.permutation(combinations.reshape(-1, len(ratios)))
    places = np.repeat(order, repeats, axis=0)
    return Dataset(readings(places, generator), places, MappingProxyType({}))


def readings(places: Labels, generator: np.random.Generator) -> Floats:
    """Readings, [cycles, sensors, SECONDS]."""
    shape = (len(places), len(SENSORS), SECONDS)
    made = _USUAL + generator.normal(size=shape) * 0.3
    made += np.linspace(-1, 1, len(places))[:, np.newaxis, np.newaxis]
    for at, target in enumerate(TARGETS):
        made[:, SENSORS.index(TELLS[target.name]), 20:30] += 2.0 * places[:, at, np.newaxis]
    made[:, SENSORS.index("EPS1")] += _WATTS
    return made.astype(np.float32)
