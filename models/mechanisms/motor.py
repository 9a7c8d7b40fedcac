"""Efficiency of three-phase motors by direct measurement: IEC 60034-2-1:2014.

Input power, output power and their ratio at one steady operating point.
"""

import numpy as np

from models.mechanisms.mechanism import Floats, Mechanism, Relation, quantity, result
from models.signature import Columns


class MotorEfficiency(Mechanism):
    """Motor efficiency: torque · angular velocity over √3 · voltage · current · power factor."""

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
        result("efficiency", "1", "Output over input"),
        result("input_power", "kW", "Electrical power taken"),
        result("output_power", "kW", "Mechanical power given"),
    )
    relations = (
        Relation(
            "torque",
            lambda row: _output_power(row) > _input_power(row),
            "would give more power at the shaft than the motor takes",
        ),
    )

    def compute(self, columns: Columns) -> Columns:
        """Compute input and output power in kW, and their ratio, the efficiency."""
        input_power, output_power = _input_power(columns), _output_power(columns)
        return {
            "efficiency": output_power / input_power,
            "input_power": input_power,
            "output_power": output_power,
        }


def _input_power(columns: Columns) -> Floats:
    """Return the electrical input power in kW."""
    apparent = np.sqrt(3) * columns["voltage"] * columns["current"]
    return np.asarray(apparent * columns["power_factor"] / 1000)


def _output_power(columns: Columns) -> Floats:
    """Return the mechanical output power in kW."""
    angular_velocity = 2 * np.pi * columns["rotational_speed"] / 60
    return np.asarray(columns["torque"] * angular_velocity / 1000)
