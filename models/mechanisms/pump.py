"""Affinity laws and efficiency of centrifugal pumps: ISO 9906:2012."""

import numpy as np

from models.mechanisms.mechanism import Floats, Mechanism, Relation, quantity, result
from models.signature import Columns

STANDARD_GRAVITY = 9.80665  # m/s²
# Outside these ratios friction no longer follows the square of the speed.
MIN_SPEED_RATIO, MAX_SPEED_RATIO = 0.5, 2.0

FLOW = quantity("flow", "m³/h", "Volume a time", 1e-6, 1e6)
HEAD = quantity("head", "m", "Total head", 1e-6, 1e5)
SHAFT_POWER = quantity("shaft_power", "kW", "Power at the pump's shaft", 1e-9, 1e6)


class PumpAffinity(Mechanism):
    """Affinity laws: flow scales with the speed, head with its square, power with its cube."""

    standard = "ISO 9906:2012"
    version = "1"
    inputs = (
        FLOW,
        HEAD,
        SHAFT_POWER,
        quantity("rotational_speed", "rpm", "At which these were measured", 1.0, 1e5),
        quantity("new_rotational_speed", "rpm", "To which they are transferred", 1.0, 1e5),
    )
    outputs = (
        result("new_flow", "m³/h", "Flow at the new speed"),
        result("new_head", "m", "Head at the new speed"),
        result("new_shaft_power", "kW", "Shaft power at the new speed"),
    )
    relations = (
        Relation(
            "new_rotational_speed",
            lambda row: (
                (_speed_ratio(row) < MIN_SPEED_RATIO) | (_speed_ratio(row) > MAX_SPEED_RATIO)
            ),
            "is less than half or more than double the measured speed",
        ),
    )

    def compute(self, columns: Columns) -> Columns:
        """Compute flow, head and shaft power at the new speed."""
        ratio = _speed_ratio(columns)
        return {
            "new_flow": columns["flow"] * ratio,
            "new_head": columns["head"] * ratio**2,
            "new_shaft_power": columns["shaft_power"] * ratio**3,
        }


class PumpEfficiency(Mechanism):
    """Pump efficiency: hydraulic power (density · g · flow · head) over shaft power."""

    standard = "ISO 9906:2012"
    version = "1"
    inputs = (
        FLOW,
        HEAD,
        quantity("density", "kg/m³", "Of the liquid; water at 20 °C has 998.2", 100.0, 2e4),
        SHAFT_POWER,
    )
    outputs = (
        result("efficiency", "1", "Hydraulic power over shaft power"),
        result("hydraulic_power", "kW", "Power that the liquid takes up"),
    )
    relations = (
        Relation(
            "shaft_power",
            lambda row: row["shaft_power"] < _hydraulic_power(row),
            "is less than the liquid takes up",
        ),
    )

    def compute(self, columns: Columns) -> Columns:
        """Compute the hydraulic power in kW, and its share of the shaft power."""
        hydraulic = _hydraulic_power(columns)
        return {"efficiency": hydraulic / columns["shaft_power"], "hydraulic_power": hydraulic}


def _speed_ratio(columns: Columns) -> Floats:
    """Return the ratio of the new speed to the measured speed."""
    return np.asarray(columns["new_rotational_speed"] / columns["rotational_speed"])


def _hydraulic_power(columns: Columns) -> Floats:
    """Return the hydraulic power in kW, from m³/h, m and kg/m³."""
    flow = columns["flow"] / 3600
    return np.asarray(columns["density"] * STANDARD_GRAVITY * flow * columns["head"] / 1000)
