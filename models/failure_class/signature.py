"""Build the model's signature: names, units, descriptions and physical limits of its columns.

Serving reads the signature from the artefact's metadata and rejects values outside the limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from models.failure_class.data import Floats, OperatingPoints
from models.failure_class.features import GRADES
from models.reason_fields import reason_fields
from models.signature import BYTES, InputField, OutputField, Signature

VERSION = "2"
NOT_APPLICABLE = -1
# Names of the reasons, in the order of the features; the value explains a derived feature.
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "type": "",
        "rotational_speed": "",
        "torque": "",
        "tool_wear": "",
        "temperature_difference": "process less air",
        "power": "torque times rotational speed",
        "strain": "tool wear times torque",
    }
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """Unit and physical limits of a measured input.

    The limits are wide on purpose: they catch a wrong unit or a dead sensor. A value within the
    limits but outside the trained range is accepted.
    """

    unit: str
    description: str
    minimum: float
    maximum: float


# Values in °C, °F, revolutions per second, newton-centimetres or seconds of wear fall outside these
# limits at any usual operating point.
QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        "air_temperature": Quantity("K", "Temperature of the ambient air", 250.0, 350.0),
        "process_temperature": Quantity("K", "Temperature of the process", 250.0, 400.0),
        "rotational_speed": Quantity("rpm", "Speed of the spindle while cutting", 100.0, 30_000.0),
        "torque": Quantity("N·m", "Torque at the spindle", 0.0, 500.0),
        "tool_wear": Quantity("min", "Time for which the tool has been cutting", 0.0, 1_000.0),
    }
)
TYPE_DESCRIPTION = "Quality grade of the workpiece: low, medium or high"


def build_signature(points: OperatingPoints, threshold: float) -> str:
    """Return the signature JSON for the artefact, with trained ranges taken from `points`."""
    inputs = (
        _type_field(),
        *(_trained_quantity_field(name, points.quantity(name)) for name in QUANTITIES),
    )
    return msgspec.json.encode(Signature(inputs, _output_fields(threshold), VERSION)).decode()


def training_file_signature() -> Signature:
    """Return the input fields and limits that a training file is validated against."""
    quantities = (_quantity_field(name) for name in QUANTITIES)
    return Signature((_type_field(), *quantities), (), VERSION)


def variant_signature(base: Signature, points: OperatingPoints, threshold: float) -> str:
    """Return a variant's signature JSON: the base's trained ranges, extended to `points`."""
    inputs = (
        msgspec.structs.replace(
            field, trained=_trained_range(field.trained, points.quantity(field.name))
        )
        if field.trained
        else field
        for field in base.inputs
    )
    return msgspec.json.encode(
        Signature(tuple(inputs), _output_fields(threshold), base.version)
    ).decode()


def _type_field() -> InputField:
    """Return the input field of the quality grade."""
    return InputField("type", BYTES, description=TYPE_DESCRIPTION, values=tuple(GRADES))


def _trained_quantity_field(name: str, values: Floats) -> InputField:
    """Return the input field of a quantity, with the trained range of `values`."""
    return msgspec.structs.replace(_quantity_field(name), trained=_trained_range((), values))


def _quantity_field(name: str) -> InputField:
    """Return the input field of a quantity, without a trained range."""
    quantity = QUANTITIES[name]
    return InputField(
        name,
        "FP32",
        unit=quantity.unit,
        description=quantity.description,
        minimum=quantity.minimum,
        maximum=quantity.maximum,
    )


def _trained_range(previous: tuple[float, ...], values: Floats) -> tuple[float, float]:
    """Return the minimum and maximum of a previous trained range and new values."""
    # Round to the file's one decimal: float32 adds digits.
    bounds = (*previous, round(float(values.min()), 1), round(float(values.max()), 1))
    return min(bounds), max(bounds)


def _output_fields(threshold: float) -> tuple[OutputField, ...]:
    """Return the output fields for a decision threshold."""
    probability = (
        "Calibrated probability that this operating point is a failure; NaN where an input is not "
        "finite or the type is unknown"
    )
    decision = (
        f"1 where failure_probability is at least {threshold:.4f}, else 0; "
        f"{NOT_APPLICABLE} where failure_probability is NaN"
    )
    return (
        OutputField("failure_probability", "FP32", unit="1", description=probability),
        OutputField("failure", "INT64", unit="1", description=decision),
        *reason_fields("reasons", "contributions", "failure", _reason_descriptions()),
    )


def _reason_descriptions() -> str:
    """Return the reason names with their meanings, as one text for the output's description."""
    return ", ".join(
        f"{name} ({meaning})" if meaning else name for name, meaning in REASONS.items()
    )
