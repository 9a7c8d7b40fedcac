"""Build the model's signature: names, units, descriptions and limits of its columns.

Serving reads the signature from the artefact's metadata and rejects values outside the limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from models.plate_fault.data import FAULTS, MEASURES, Floats
from models.plate_fault.groups import MEASURE_GROUPS
from models.reason_fields import reason_fields
from models.signature import BYTES, InputField, OutputField, Signature

VERSION = "1"
# 2 ** 24: single precision cannot represent every larger integer.
_MAX_PIXELS = 16_777_216.0


@dataclass(frozen=True, slots=True)
class MeasureLimits:
    """Description and limits of an input measure.

    Values outside `minimum` to `maximum` are impossible; a value within the limits but outside the
    trained range is accepted. The file states no units but pixels.
    """

    description: str
    minimum: float
    maximum: float
    unit: str | None = None


_POSITION_LIMITS = MeasureLimits("Where the fault's frame ends, in pixels", 0, _MAX_PIXELS)
_LENGTH_LIMITS = MeasureLimits(
    "Length of the fault's outline along one axis, in pixels", 1, 1_000_000
)
_LUMINOSITY_LIMITS = MeasureLimits("Grey value within the fault, 0 black to 255 white", 0, 255)
_STEEL_LIMITS = MeasureLimits("1 where the plate is of this steel, else 0", 0, 1)
_SHARE_LIMITS = MeasureLimits("Share, as the inspection system calculates it", 0, 1)
_LOGARITHM_LIMITS = MeasureLimits("Decimal logarithm of a number of pixels", 0, 8)
_SIGNED_INDEX_LIMITS = MeasureLimits(
    "Index of -1 to 1, as the inspection system calculates it", -1, 1
)

LIMITS: Mapping[str, MeasureLimits] = MappingProxyType(
    {
        **dict.fromkeys(("X_Minimum", "X_Maximum", "Y_Minimum", "Y_Maximum"), _POSITION_LIMITS),
        "Pixels_Areas": MeasureLimits("Number of the fault's pixels", 1, _MAX_PIXELS),
        **dict.fromkeys(("X_Perimeter", "Y_Perimeter"), _LENGTH_LIMITS),
        "Sum_of_Luminosity": MeasureLimits("Sum of the grey values of the fault's pixels", 0, 1e10),
        **dict.fromkeys(("Minimum_of_Luminosity", "Maximum_of_Luminosity"), _LUMINOSITY_LIMITS),
        "Length_of_Conveyer": MeasureLimits(
            "Length of the conveyor, as the line tells it", 100, 10_000
        ),
        **dict.fromkeys(("TypeOfSteel_A300", "TypeOfSteel_A400"), _STEEL_LIMITS),
        "Steel_Plate_Thickness": MeasureLimits("Thickness, as the line tells it", 10, 1_000),
        **dict.fromkeys(
            ("Edges_Index", "Empty_Index", "Square_Index", "Outside_X_Index"), _SHARE_LIMITS
        ),
        **dict.fromkeys(("Edges_X_Index", "Edges_Y_Index", "Outside_Global_Index"), _SHARE_LIMITS),
        **dict.fromkeys(("LogOfAreas", "Log_X_Index", "Log_Y_Index"), _LOGARITHM_LIMITS),
        **dict.fromkeys(("Orientation_Index", "Luminosity_Index"), _SIGNED_INDEX_LIMITS),
        "SigmoidOfAreas": _SHARE_LIMITS,
    }
)


def build_signature(measures: Floats) -> str:
    """Return the signature JSON for the artefact, with trained ranges taken from `measures`."""
    inputs = tuple(_input_field(name, measures[:, index]) for index, name in enumerate(MEASURES))
    return msgspec.json.encode(Signature(inputs, _output_fields(), VERSION)).decode()


def _input_field(name: str, values: Floats) -> InputField:
    """Return the input field of a measure, with the trained range of `values`."""
    measure = LIMITS[name]
    return InputField(
        name,
        "FP32",
        unit=measure.unit,
        description=measure.description,
        minimum=measure.minimum,
        maximum=measure.maximum,
        # Round to the file's four decimals: float32 adds digits.
        trained=(round(float(values.min()), 4), round(float(values.max()), 4)),
    )


def _output_fields() -> tuple[OutputField, ...]:
    """Return the output fields."""
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
            "; ".join(f"{name} ({', '.join(inputs)})" for name, inputs in MEASURE_GROUPS.items()),
        ),
    )
