"""Convert filled inputs to the units of a model, as readings of a conversation or a decision."""

from collections.abc import Iterable

import numpy as np

from gateway.plant.predictions.values import (
    FilledInput,
    FilledInputs,
    MissingInput,
    MissingReason,
)
from models.arguments import Reading, Source
from models.arguments.values import ColumnValue
from models.signature import BYTES, InputField, Signature
from models.units import UnitMismatch, UnitUnknown, unit_conversion


def readings_of(
    filled: FilledInputs, signature: Signature
) -> tuple[dict[str, Reading], FilledInputs]:
    """Return the values in the model's units by input, and the inputs that these come from.

    A value in another quantity's unit, or outside the model's limits, becomes a missing input.
    """
    fields = {field.name: field for field in signature.inputs}
    readings: dict[str, Reading] = {}
    used: list[FilledInput] = []
    missing = list(filled.missing)
    for one in filled.inputs:
        if one.value is None:
            continue
        found = _convert(one, fields[one.chosen.field])
        if isinstance(found, MissingInput):
            missing.append(found)
            continue
        tag = "" if one.chosen.point is None else one.chosen.point.tag
        readings[one.chosen.field] = Reading(one.chosen.field, found, tag, Source.ASSET)
        used.append(one)
    return readings, FilledInputs(tuple(used), tuple(missing))


def _convert(one: FilledInput, field: InputField) -> ColumnValue | MissingInput:
    """Return a value or series in the unit of an input, or why it cannot be used."""
    if isinstance(one.value, str) or field.datatype == BYTES:
        return str(one.value)
    numbers = one.value if isinstance(one.value, list) else [one.value]
    values = np.array(numbers, dtype=np.float64)
    unit = "" if one.chosen.point is None else one.chosen.point.unit
    if unit and field.unit is not None and unit != field.unit:
        try:
            values = unit_conversion(unit, field.unit)(values)
        except (UnitMismatch, UnitUnknown):
            return _problem(one, MissingReason.UNIT, f"is in {unit}, not in a unit of {field.unit}")
    if _is_outside(values.tolist(), field):
        return _problem(one, MissingReason.RANGE, "is outside the model's limits")
    return tuple(values.tolist()) if isinstance(one.value, list) else float(values[0])


def _is_outside(values: Iterable[float], field: InputField) -> bool:
    """Return whether a value is outside the limits of an input."""
    low = -np.inf if field.minimum is None else field.minimum
    high = np.inf if field.maximum is None else field.maximum
    return any(not low <= value <= high for value in values)


def _problem(one: FilledInput, reason: MissingReason, text: str) -> MissingInput:
    """Return the missing input for a value that cannot be used."""
    tag = "" if one.chosen.point is None else one.chosen.point.tag
    return MissingInput(one.chosen.field, reason, f"`{one.chosen.field}`: {tag} {text}", tag)
