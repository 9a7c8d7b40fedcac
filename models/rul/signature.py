"""The signature: what the artefact takes and gives, for whoever serves it.

Owns names, units, descriptions and the physical limits; serving reads them from the artefact's
metadata and refuses what lies outside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import msgspec
import numpy as np

from models.rul.data import CAP, SENSORS, Engine
from models.rul.features import LONGEST, SHORTEST
from models.rul.intervals import CONFIDENCE
from models.signature import InputField, OutputField, Signature

VERSION = "1"


@dataclass(frozen=True, slots=True)
class Sensor:
    """A measured input. Outside `minimum` to `maximum` it is no reading of such a machine: a wrong
    unit or a dead sensor. A value inside them but outside the trained range stays a matter of
    judgement."""

    unit: str | None
    description: str
    minimum: float
    maximum: float


# Saxena et al. 2008, table 2.
READINGS: Mapping[str, Sensor] = MappingProxyType(
    {
        "T24": Sensor("degR", "Total temperature at the LPC outlet", 550, 750),
        "T30": Sensor("degR", "Total temperature at the HPC outlet", 1200, 2000),
        "T50": Sensor("degR", "Total temperature at the LPT outlet", 1000, 2000),
        "P15": Sensor("psi", "Total pressure in the bypass duct, absolute", 5, 40),
        "P30": Sensor("psi", "Total pressure at the HPC outlet, absolute", 200, 1000),
        "Nf": Sensor("rpm", "Physical fan speed", 1500, 3000),
        "Nc": Sensor("rpm", "Physical core speed", 6000, 12_000),
        "Ps30": Sensor("psi", "Static pressure at the HPC outlet, absolute", 20, 100),
        "phi": Sensor("lb/s/psi", "Fuel flow for one psi of Ps30", 200, 1000),
        "NRf": Sensor("rpm", "Corrected fan speed", 1500, 3000),
        "NRc": Sensor("rpm", "Corrected core speed", 6000, 12_000),
        "BPR": Sensor("1", "Bypass ratio", 3, 20),
        "htBleed": Sensor(None, "Bleed enthalpy, as the machine tells it", 200, 600),
        "W31": Sensor("lb/s", "HPT coolant bleed", 10, 100),
        "W32": Sensor("lb/s", "LPT coolant bleed", 5, 100),
    }
)


def accepted() -> Signature:
    """The inputs and their limits, without what was seen in training: what a file is held to."""
    return Signature(tuple(_limits(name) for name in SENSORS), (), VERSION)


def signature(fleet: Sequence[Engine]) -> str:
    """The JSON document for the artefact's metadata, from the machines that it learned from."""
    readings = np.vstack([one.readings for one in fleet])
    inputs = tuple(
        msgspec.structs.replace(
            _limits(name),
            trained=(_shown(readings[:, at].min()), _shown(readings[:, at].max())),
        )
        for at, name in enumerate(SENSORS)
    )
    return msgspec.json.encode(Signature(inputs, _outputs(), VERSION)).decode()


def _limits(name: str) -> InputField:
    return InputField(
        name,
        "FP32",
        unit=READINGS[name].unit,
        description=f"{READINGS[name].description}, one value each cycle since new",
        minimum=READINGS[name].minimum,
        maximum=READINGS[name].maximum,
        length=(SHORTEST, LONGEST),
    )


def _outputs() -> tuple[OutputField, ...]:
    sure = f"{CONFIDENCE:.0%} of machines"
    return (
        OutputField(
            "remaining_life",
            "FP32",
            description=f"Cycles until failure; {CAP} stands for {CAP} or more",
        ),
        OutputField("lower", "FP32", description=f"{sure} have between this many cycles left"),
        OutputField("upper", "FP32", description=f"and this many; {CAP} stands for no upper end"),
    )


def _shown(value: np.float32) -> float:
    return float(f"{value:.7g}")
