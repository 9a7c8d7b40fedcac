"""The signature: what the artefact takes and gives, for whoever serves it.

Owns names, units, descriptions and the limits; serving reads them from the artefact's metadata and
refuses what lies outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from models.plate_fault.data import FAULTS, MEASURES, Floats
from models.plate_fault.groups import GROUPS
from models.reason_fields import reason_fields
from models.signature import BYTES, InputField, OutputField, Signature

VERSION = "1"
# Beyond it neighbouring whole numbers are one and the same in single precision.
_PIXELS = 16_777_216.0


@dataclass(frozen=True, slots=True)
class Measure:
    """An input. Outside `minimum` to `maximum` it cannot be; a value inside them but outside the
    trained range stays a matter of judgement. The file states no units but pixels."""

    description: str
    minimum: float
    maximum: float
    unit: str | None = None


_POSITION = Measure("Where the fault's frame ends, in pixels", 0, _PIXELS)
_LENGTH = Measure("Length of the fault's outline along one axis, in pixels", 1, 1_000_000)
_LUMINOSITY = Measure("Grey value within the fault, 0 black to 255 white", 0, 255)
_STEEL = Measure("1 where the plate is of this steel, else 0", 0, 1)
_SHARE = Measure("Share, as the inspection system calculates it", 0, 1)
_LOGARITHM = Measure("Decimal logarithm of a number of pixels", 0, 8)
_SIGNED = Measure("Index of -1 to 1, as the inspection system calculates it", -1, 1)

LIMITS: Mapping[str, Measure] = MappingProxyType(
    {
        **dict.fromkeys(("X_Minimum", "X_Maximum", "Y_Minimum", "Y_Maximum"), _POSITION),
        "Pixels_Areas": Measure("Number of the fault's pixels", 1, _PIXELS),
        **dict.fromkeys(("X_Perimeter", "Y_Perimeter"), _LENGTH),
        "Sum_of_Luminosity": Measure("Sum of the grey values of the fault's pixels", 0, 1e10),
        **dict.fromkeys(("Minimum_of_Luminosity", "Maximum_of_Luminosity"), _LUMINOSITY),
        "Length_of_Conveyer": Measure("Length of the conveyor, as the line tells it", 100, 10_000),
        **dict.fromkeys(("TypeOfSteel_A300", "TypeOfSteel_A400"), _STEEL),
        "Steel_Plate_Thickness": Measure("Thickness, as the line tells it", 10, 1_000),
        **dict.fromkeys(("Edges_Index", "Empty_Index", "Square_Index", "Outside_X_Index"), _SHARE),
        **dict.fromkeys(("Edges_X_Index", "Edges_Y_Index", "Outside_Global_Index"), _SHARE),
        **dict.fromkeys(("LogOfAreas", "Log_X_Index", "Log_Y_Index"), _LOGARITHM),
        **dict.fromkeys(("Orientation_Index", "Luminosity_Index"), _SIGNED),
        "SigmoidOfAreas": _SHARE,
    }
)


def signature(measures: Floats) -> str:
    """The JSON document for the artefact's metadata, from the plates that it learned from."""
    inputs = tuple(_input(name, measures[:, at]) for at, name in enumerate(MEASURES))
    return msgspec.json.encode(Signature(inputs, _outputs(), VERSION)).decode()


def _input(name: str, seen: Floats) -> InputField:
    measure = LIMITS[name]
    return InputField(
        name,
        "FP32",
        unit=measure.unit,
        description=measure.description,
        minimum=measure.minimum,
        maximum=measure.maximum,
        # The file gives four decimals, which float32 would blur.
        trained=(round(float(seen.min()), 4), round(float(seen.max()), 4)),
    )


def _outputs() -> tuple[OutputField, ...]:
    return (
        OutputField(
            "fault",
            BYTES,
            description=f"The likeliest of {', '.join(FAULTS)}; empty where an input is not finite",
        ),
        OutputField(
            "fault_probability", "FP32", unit="1", description="Calibrated probability of it"
        ),
        *(
            OutputField(f"{name}_probability", "FP32", unit="1", description=f"That of {name}")
            for name in FAULTS
        ),
        *reason_fields(
            "reasons",
            "contributions",
            "the told fault, against the usual plate's",
            "; ".join(f"{name} ({', '.join(inputs)})" for name, inputs in GROUPS.items()),
        ),
    )
