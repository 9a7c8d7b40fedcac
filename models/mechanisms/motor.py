"""Three-phase motors: efficiency by direct measurement, as in IEC 60034-2-1:2014.

Owns the input, the output and their ratio at one steady operating point.
"""

import numpy as np

from models.mechanisms.mechanism import Floats, Mechanism, Relation, quantity, result
from models.signature import Columns


class MotorEfficiency(Mechanism):
    """Torque · angular velocity over √3 · voltage · current · power factor."""

    standard = "IEC 60034-2-1:2014, method 2-1-1A"
    version = "1"
    inputs = (
        quantity("voltage", "V", "Between two lines, the mean of three", 1.0, 5e4),
        quantity("current", "A", "Of a line, the mean of three", 1e-3, 1e5),
        quantity("power_factor", "1", "Of the fundamental", 0.01, 1.0),
        quantity("torque", "N·m", "At the shaft", 0.0, 1e7),
        quantity("rotational_speed", "rpm", "Of the shaft", 0.0, 1e5),
    )
    outputs = (
        result("input_power", "kW", "Electrical power taken"),
        result("output_power", "kW", "Mechanical power given"),
        result("efficiency", "1", "Output over input"),
    )
    relations = (
        Relation(
            "torque",
            lambda row: _output_power(row) > _input_power(row),
            "would give more power at the shaft than the motor takes",
        ),
    )

    def compute(self, columns: Columns) -> Columns:
        taken, given = _input_power(columns), _output_power(columns)
        return {"input_power": taken, "output_power": given, "efficiency": given / taken}


def _input_power(columns: Columns) -> Floats:
    apparent = np.sqrt(3) * columns["voltage"] * columns["current"]
    return np.asarray(apparent * columns["power_factor"] / 1000)


def _output_power(columns: Columns) -> Floats:
    angular_velocity = 2 * np.pi * columns["rotational_speed"] / 60
    return np.asarray(columns["torque"] * angular_velocity / 1000)
