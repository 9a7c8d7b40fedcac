"""Inputs and outputs of the artefact: names, units, descriptions and physical limits.

The serving process reads them from the artefact's metadata and rejects inputs outside the limits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import msgspec
import numpy as np

from models.rul.data import CAP, SENSORS, Engine
from models.rul.features import MAX_CYCLES, MIN_CYCLES
from models.rul.intervals import CONFIDENCE
from models.signature import InputField, OutputField, Signature

VERSION = "1"


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """A measured input with its physical limits.

    A value outside `minimum` to `maximum` is rejected: it indicates a wrong unit or a dead sensor.
    A value inside the limits but outside the training range is accepted.
    """

    unit: str | None
    description: str
    minimum: float
    maximum: float


# Saxena et al. 2008, table 2.
SENSOR_SPECS: Mapping[str, SensorSpec] = MappingProxyType(
    {
        "T24": SensorSpec("degR", "Total temperature at the LPC outlet", 550, 750),
        "T30": SensorSpec("degR", "Total temperature at the HPC outlet", 1200, 2000),
        "T50": SensorSpec("degR", "Total temperature at the LPT outlet", 1000, 2000),
        "P15": SensorSpec("psi", "Total pressure in the bypass duct, absolute", 5, 40),
        "P30": SensorSpec("psi", "Total pressure at the HPC outlet, absolute", 200, 1000),
        "Nf": SensorSpec("rpm", "Physical fan speed", 1500, 3000),
        "Nc": SensorSpec("rpm", "Physical core speed", 6000, 12_000),
        "Ps30": SensorSpec("psi", "Static pressure at the HPC outlet, absolute", 20, 100),
        "phi": SensorSpec("lb/s/psi", "Fuel flow for one psi of Ps30", 200, 1000),
        "NRf": SensorSpec("rpm", "Corrected fan speed", 1500, 3000),
        "NRc": SensorSpec("rpm", "Corrected core speed", 6000, 12_000),
        "BPR": SensorSpec("1", "Bypass ratio", 3, 20),
        "htBleed": SensorSpec(None, "Bleed enthalpy, as the machine tells it", 200, 600),
        "W31": SensorSpec("lb/s", "HPT coolant bleed", 10, 100),
        "W32": SensorSpec("lb/s", "LPT coolant bleed", 5, 100),
    }
)


def input_signature() -> Signature:
    """Return the inputs without training ranges, to validate training files."""
    return Signature(tuple(_input_field(name) for name in SENSORS), (), VERSION)


def render_signature(fleet: Sequence[Engine]) -> str:
    """Render the signature as JSON for the artefact's metadata, with the ranges of `fleet`."""
    readings = np.vstack([engine.readings for engine in fleet])
    inputs = tuple(
        msgspec.structs.replace(
            _input_field(name),
            trained=(
                _round_to_seven_digits(readings[:, column].min()),
                _round_to_seven_digits(readings[:, column].max()),
            ),
        )
        for column, name in enumerate(SENSORS)
    )
    return msgspec.json.encode(Signature(inputs, _output_fields(), VERSION)).decode()


def _input_field(name: str) -> InputField:
    """Return the input of one sensor, without its training range."""
    return InputField(
        name,
        "FP32",
        unit=SENSOR_SPECS[name].unit,
        description=f"{SENSOR_SPECS[name].description}, one value each cycle since new",
        minimum=SENSOR_SPECS[name].minimum,
        maximum=SENSOR_SPECS[name].maximum,
        length=(MIN_CYCLES, MAX_CYCLES),
    )


def _output_fields() -> tuple[OutputField, ...]:
    """Return the outputs: remaining life and both bounds of its interval."""
    share_of_machines = f"{CONFIDENCE:.0%} of machines"
    return (
        OutputField(
            "remaining_life",
            "FP32",
            description=f"Cycles until failure; {CAP} stands for {CAP} or more",
        ),
        OutputField(
            "lower", "FP32", description=f"{share_of_machines} have between this many cycles left"
        ),
        OutputField("upper", "FP32", description=f"and this many; {CAP} stands for no upper end"),
    )


def _round_to_seven_digits(value: np.float32) -> float:
    """Round to seven significant digits, the precision of float32."""
    return float(f"{value:.7g}")
