"""The signature: what the artefact takes and gives, for whoever serves it.

Owns names, units, descriptions and the physical limits; serving reads them from the artefact's
metadata and refuses what lies outside.
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
# What may be told as a reason, in the order of the features: inputs, and what is made of two.
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
    """A measured input. Outside `minimum` to `maximum` it is no reading of such a machine.

    The limits are wide on purpose: they catch a wrong unit or a dead sensor, while a value
    outside the trained range but inside the limits stays a matter of judgement.
    """

    unit: str
    description: str
    minimum: float
    maximum: float


# Degrees Celsius or Fahrenheit, revolutions a second, newton-centimetres and seconds of wear all
# fall outside at any usual operating point.
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


def signature(points: OperatingPoints, threshold: float) -> str:
    """The JSON document for the artefact's metadata, from the points that it learned from."""
    inputs = (_type(), *(_quantity(name, points.quantity(name)) for name in QUANTITIES))
    return msgspec.json.encode(Signature(inputs, _outputs(threshold), VERSION)).decode()


def accepted() -> Signature:
    """The inputs and their limits, without what was seen in training: what a file is held to."""
    quantities = (_limits(name) for name in QUANTITIES)
    return Signature((_type(), *quantities), (), VERSION)


def widened(known: Signature, points: OperatingPoints, threshold: float) -> str:
    """That of a variant: it has seen what `known` had, and `points` besides."""
    inputs = (
        msgspec.structs.replace(one, trained=_span(one.trained, points.quantity(one.name)))
        if one.trained
        else one
        for one in known.inputs
    )
    return msgspec.json.encode(
        Signature(tuple(inputs), _outputs(threshold), known.version)
    ).decode()


def _type() -> InputField:
    return InputField("type", BYTES, description=TYPE_DESCRIPTION, values=tuple(GRADES))


def _quantity(name: str, seen: Floats) -> InputField:
    return msgspec.structs.replace(_limits(name), trained=_span((), seen))


def _limits(name: str) -> InputField:
    quantity = QUANTITIES[name]
    return InputField(
        name,
        "FP32",
        unit=quantity.unit,
        description=quantity.description,
        minimum=quantity.minimum,
        maximum=quantity.maximum,
    )


def _span(known: tuple[float, ...], seen: Floats) -> tuple[float, float]:
    """From the least to the greatest."""
    # The file gives one decimal, which float32 would blur.
    ends = (*known, round(float(seen.min()), 1), round(float(seen.max()), 1))
    return min(ends), max(ends)


def _outputs(threshold: float) -> tuple[OutputField, ...]:
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
        *reason_fields("reasons", "contributions", "failure", _names()),
    )


def _names() -> str:
    return ", ".join(
        f"{name} ({meaning})" if meaning else name for name, meaning in REASONS.items()
    )
