"""Inputs and outputs of the artefact: names, units, descriptions and physical limits.

The serving process reads them from the artefact's metadata and rejects inputs outside the limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from models.condition.data import SECONDS, SENSORS, TARGETS, Floats, Target
from models.reason_fields import REASON_COUNT
from models.signature import BYTES, InputField, OutputField, Signature

VERSION = "1"
NOT_APPLICABLE = -1


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """A measured input with its physical limits.

    A value outside `minimum` to `maximum` is rejected: it indicates a wrong unit or a dead sensor.
    A value inside the limits but outside the training range is accepted.
    """

    unit: str
    description: str
    minimum: float
    maximum: float


# Helwig et al. 2015. The limits reject values in megapascal, kelvin, cubic metres an hour, and
# kilowatts in place of watts.
SENSOR_SPECS: Mapping[str, SensorSpec] = MappingProxyType(
    {
        "PS1": SensorSpec("bar", "Pressure behind the main pump", 20, 400),
        "PS2": SensorSpec("bar", "Pressure before the switched valve", 0, 400),
        "PS3": SensorSpec("bar", "Pressure behind the switched valve", 0, 100),
        "PS4": SensorSpec("bar", "Pressure at the accumulators", 0, 400),
        "PS5": SensorSpec("bar", "Pressure in the cooling circuit", 0, 50),
        "PS6": SensorSpec("bar", "Pressure in the cooling circuit behind the filter", 0, 50),
        "EPS1": SensorSpec("W", "Electrical power of the main pump's motor", 100, 20_000),
        "FS1": SensorSpec("L/min", "Flow in the working circuit", 0, 200),
        "FS2": SensorSpec("L/min", "Flow in the cooling circuit", 0, 200),
        "TS1": SensorSpec("°C", "Oil temperature 1", -20, 120),
        "TS2": SensorSpec("°C", "Oil temperature 2", -20, 120),
        "TS3": SensorSpec("°C", "Oil temperature 3", -20, 120),
        "TS4": SensorSpec("°C", "Oil temperature 4", -20, 120),
        "VS1": SensorSpec("mm/s", "Vibration velocity of the pump", 0, 50),
        "CE": SensorSpec("%", "Cooling efficiency, calculated by the rig", 0, 100),
        "CP": SensorSpec("kW", "Cooling power, calculated by the rig", 0, 50),
        "SE": SensorSpec("%", "Efficiency of the working circuit, calculated by the rig", 0, 150),
    }
)


@dataclass(frozen=True, slots=True)
class ConditionSpec:
    """Unit and description of a target.

    labels: text of each condition, worst first, in the order of data.py.
    """

    unit: str | None
    description: str
    labels: tuple[str, ...]


CONDITION_SPECS: Mapping[str, ConditionSpec] = MappingProxyType(
    {
        "cooler": ConditionSpec(
            "%",
            "Efficiency of the cooler",
            ("close to total failure", "reduced", "full"),
        ),
        "valve": ConditionSpec(
            "%",
            "Switching behaviour of the valve",
            ("close to total failure", "severe lag", "small lag", "optimal"),
        ),
        "pump": ConditionSpec(None, "Internal leakage of the pump", ("severe", "weak", "none")),
        "accumulator": ConditionSpec(
            "bar",
            "Gas pressure of the hydraulic accumulator",
            ("close to total failure", "severely reduced", "slightly reduced", "optimal"),
        ),
    }
)


def render_signature(readings: Floats) -> str:
    """Render the signature as JSON for the artefact's metadata.

    readings: the training cycles, [cycles, sensors, SECONDS], which give the training ranges.
    """
    inputs = tuple(_input_field(name, readings[:, sensor]) for sensor, name in enumerate(SENSORS))
    outputs = tuple(field for target in TARGETS for field in _output_fields(target))
    return msgspec.json.encode(Signature(inputs, outputs, VERSION)).decode()


def _input_field(name: str, readings: Floats) -> InputField:
    """Return the input of one sensor; readings: its training series, [cycles, SECONDS]."""
    sensor = SENSOR_SPECS[name]
    return InputField(
        name,
        "FP32",
        unit=sensor.unit,
        description=f"{sensor.description}; the mean of each of the cycle's {SECONDS} seconds",
        minimum=sensor.minimum,
        maximum=sensor.maximum,
        trained=(float(f"{readings.min():.4g}"), float(f"{readings.max():.4g}")),
        length=(SECONDS, SECONDS),
    )


def _output_fields(target: Target) -> tuple[OutputField, ...]:
    """Return the outputs of one target."""
    condition = CONDITION_SPECS[target.name]
    conditions = zip(target.conditions, condition.labels, strict=True)
    scale = ", ".join(f"{condition_value} {label}" for condition_value, label in conditions)
    return (
        OutputField(
            target.name,
            "INT64",
            unit=condition.unit,
            description=f"{condition.description}: {scale}; {NOT_APPLICABLE} where a reading is "
            "not finite",
        ),
        OutputField(
            f"{target.name}_probability",
            "FP32",
            unit="1",
            description=f"Calibrated probability of the {target.name}'s told condition",
        ),
        OutputField(
            f"{target.name}_reasons",
            BYTES,
            description=f"The {REASON_COUNT} sensors that moved the {target.name}'s level most, "
            "strongest first",
            series=True,
        ),
        OutputField(
            f"{target.name}_contributions",
            "FP32",
            unit="1",
            description="By how many of its conditions each of them moves the level, against a "
            "cycle with a sound one; negative is worse",
            series=True,
        ),
    )
