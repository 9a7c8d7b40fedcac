"""Motor efficiency: values computed manually."""

import pytest

from models.mechanisms import MECHANISMS
from models.signature import InputInvalid

MOTOR = MECHANISMS["motor_efficiency"]
NAMES = [field.name for field in MOTOR.inputs]


def motor(*row: float, **units: str) -> dict[str, float]:
    given = {name: [value] for name, value in zip(NAMES, row, strict=True)}
    return {name: float(column[0]) for name, column in MOTOR.evaluate(given, units).items()}


def test_motor_efficiency_of_four_pole_motor() -> None:
    """√3 · 400 · 20 · .85 = 11777.945 W in; 70 · 2π · 1460/60 = 10702.359 W out; .908678."""
    answer = motor(400, 20, 0.85, 70, 1460)
    assert answer["input_power"] == pytest.approx(11.777945, abs=1e-6)
    assert answer["output_power"] == pytest.approx(10.702359, abs=1e-6)
    assert answer["efficiency"] == pytest.approx(0.908678, abs=1e-6)


def test_motor_speed_accepts_angular_velocity() -> None:
    """1460 rpm are 152.890843 rad/s; 70 N·m times that is the power."""
    answer = motor(400, 20, 0.85, 70, 152.8908425, rotational_speed="rad/s")
    assert answer["output_power"] == pytest.approx(10.702359, abs=1e-6)


def test_motor_efficiency_is_zero_at_idle() -> None:
    assert motor(400, 8, 0.1, 0, 1498)["efficiency"] == 0


def test_motor_output_above_input_power_is_rejected() -> None:
    with pytest.raises(InputInvalid, match="'torque' in row 0 would give more power"):
        motor(400, 20, 0.85, 80, 1460)
