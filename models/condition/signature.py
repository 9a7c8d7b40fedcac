"""The signature: what the artefact takes and gives, for whoever serves it.

Owns names, units, descriptions and the physical limits; serving reads them from the artefact's
metadata and refuses what lies outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from models.condition.data import SECONDS, SENSORS, TARGETS, Floats, Target
from models.reason_fields import TOLD
from models.signature import BYTES, InputField, OutputField, Signature

VERSION = "1"
NOT_APPLICABLE = -1


@dataclass(frozen=True, slots=True)
class Sensor:
    """A measured input. Outside `minimum` to `maximum` it is no reading of such a rig: a wrong unit
    or a dead sensor. A value inside them but outside the trained range stays a matter of
    judgement."""

    unit: str
    description: str
    minimum: float
    maximum: float


# Helwig et al. 2015. Megapascal, kelvin, cubic metres an hour and kilowatts for watts fall outside.
READINGS: Mapping[str, Sensor] = MappingProxyType(
    {
        "PS1": Sensor("bar", "Pressure behind the main pump", 20, 400),
        "PS2": Sensor("bar", "Pressure before the switched valve", 0, 400),
        "PS3": Sensor("bar", "Pressure behind the switched valve", 0, 100),
        "PS4": Sensor("bar", "Pressure at the accumulators", 0, 400),
        "PS5": Sensor("bar", "Pressure in the cooling circuit", 0, 50),
        "PS6": Sensor("bar", "Pressure in the cooling circuit behind the filter", 0, 50),
        "EPS1": Sensor("W", "Electrical power of the main pump's motor", 100, 20_000),
        "FS1": Sensor("L/min", "Flow in the working circuit", 0, 200),
        "FS2": Sensor("L/min", "Flow in the cooling circuit", 0, 200),
        "TS1": Sensor("°C", "Oil temperature 1", -20, 120),
        "TS2": Sensor("°C", "Oil temperature 2", -20, 120),
        "TS3": Sensor("°C", "Oil temperature 3", -20, 120),
        "TS4": Sensor("°C", "Oil temperature 4", -20, 120),
        "VS1": Sensor("mm/s", "Vibration velocity of the pump", 0, 50),
        "CE": Sensor("%", "Cooling efficiency, calculated by the rig", 0, 100),
        "CP": Sensor("kW", "Cooling power, calculated by the rig", 0, 50),
        "SE": Sensor("%", "Efficiency of the working circuit, calculated by the rig", 0, 150),
    }
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A target in words. `conditions` from the worst on, as in data.py."""

    unit: str | None
    description: str
    words: tuple[str, ...]


CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {
        "cooler": Condition(
            "%",
            "Efficiency of the cooler",
            ("close to total failure", "reduced", "full"),
        ),
        "valve": Condition(
            "%",
            "Switching behaviour of the valve",
            ("close to total failure", "severe lag", "small lag", "optimal"),
        ),
        "pump": Condition(None, "Internal leakage of the pump", ("severe", "weak", "none")),
        "accumulator": Condition(
            "bar",
            "Gas pressure of the hydraulic accumulator",
            ("close to total failure", "severely reduced", "slightly reduced", "optimal"),
        ),
    }
)


def signature(readings: Floats) -> str:
    """The JSON document for the artefact's metadata, from the cycles that it learned from, [cycles,
    sensors, SECONDS]."""
    inputs = tuple(_input(name, readings[:, at]) for at, name in enumerate(SENSORS))
    outputs = tuple(field for target in TARGETS for field in _outputs(target))
    return msgspec.json.encode(Signature(inputs, outputs, VERSION)).decode()


def _input(name: str, seen: Floats) -> InputField:
    sensor = READINGS[name]
    return InputField(
        name,
        "FP32",
        unit=sensor.unit,
        description=f"{sensor.description}; the mean of each of the cycle's {SECONDS} seconds",
        minimum=sensor.minimum,
        maximum=sensor.maximum,
        trained=(float(f"{seen.min():.4g}"), float(f"{seen.max():.4g}")),
        length=(SECONDS, SECONDS),
    )


def _outputs(target: Target) -> tuple[OutputField, ...]:
    condition = CONDITIONS[target.name]
    words = zip(target.conditions, condition.words, strict=True)
    scale = ", ".join(f"{told} {meaning}" for told, meaning in words)
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
            description=f"The {TOLD} sensors that moved the {target.name}'s level most, strongest "
            "first",
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
