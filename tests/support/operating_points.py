"""Rows for specialists, of healthy and of faulty machines."""

from types import MappingProxyType

from models.rul.data import SENSORS
from tests.support.models.made_up_engines import engine

# An operating point that the data set's healthy machines have, and one that overstrains its tool.
HEALTHY = {
    "type": "M",
    "air_temperature": 298.1,
    "process_temperature": 308.6,
    "rotational_speed": 1551,
    "torque": 42.8,
    "tool_wear": 0,
}
OVERSTRAINED = {**HEALTHY, "type": "L", "torque": 65.0, "tool_wear": 220, "rotational_speed": 1300}
# C/P = 30/5 = 6, so L10 = 216 million revolutions, in 2400 h at 1500 a minute.
BEARING = MappingProxyType(
    {
        "bearing": "ball",
        "dynamic_load_rating": 30,
        "equivalent_load": 5000,
        "rotational_speed": 25,
        "reliability": 90,
        "a_iso": 1,
    }
)
BEARING_UNITS = MappingProxyType({"dynamic_load_rating": "kN", "rotational_speed": "1/s"})


def history(seed: int, life: int) -> dict[str, list[float]]:
    """The readings of each sensor, one per cycle."""
    readings = engine(seed, life).readings
    return {name: readings[:, at].tolist() for at, name in enumerate(SENSORS)}
