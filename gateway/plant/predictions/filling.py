"""Compute the values and series of chosen inputs from readings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from gateway.plant.predictions.alignment import resample, sampling_interval, value_at
from gateway.plant.predictions.errors import AssetInputsMissing
from gateway.plant.predictions.values import (
    AssetRequest,
    ChosenInput,
    FilledInput,
    FilledInputs,
    MissingInput,
    MissingReason,
    PointReadings,
    Selection,
)
from models.signature import InputField, Signature

_NOTHING = PointReadings(np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True)
class SeriesShape:
    """The steps of the series of one request, and the length of a step in seconds."""

    steps: int
    step_s: float


def series_fields(signature: Signature, selection: Selection) -> list[InputField]:
    """Return the inputs with a point that are series of several steps."""
    with_point = {one.field for one in selection.chosen if one.point is not None}
    return [
        field
        for field in signature.inputs
        if field.length is not None and field.length[1] > 1 and field.name in with_point
    ]


def series_steps(fields: Sequence[InputField], request: AssetRequest) -> int:
    """Return the number of steps: the stated one, else the fewest that all inputs accept."""
    return request.steps or max(field.length[0] for field in fields if field.length is not None)


def series_step_s(readings: Sequence[PointReadings], request: AssetRequest) -> float | None:
    """Return the length of a step: the stated one, else the median sampling interval.

    Returns None if no point has two readings.
    """
    intervals = [interval for one in readings if (interval := sampling_interval(one)) is not None]
    return request.step_s or (float(np.median(intervals)) if intervals else None)


def fill_inputs(
    selection: Selection,
    readings: Mapping[UUID, PointReadings],
    request: AssetRequest,
    at_us: int,
    shapes: Mapping[str, SeriesShape],
) -> FilledInputs:
    """Return each input with its value or series; `shapes` are those of the inputs with series."""
    filled: list[FilledInput] = []
    missing = [
        MissingInput(name, MissingReason.NO_POINT, f"`{name}` has no point")
        for name in selection.missing
    ]
    for chosen in selection.chosen:
        one = _fill(chosen, readings, request, at_us, shapes.get(chosen.field))
        if one is None:
            missing.append(_unusable(chosen, request, shapes.get(chosen.field)))
        else:
            filled.append(one)
    return FilledInputs(tuple(filled), tuple(missing))


def require_complete(filled: FilledInputs) -> None:
    """Raise AssetInputsMissing that lists every required input without point or usable reading."""
    if not filled.missing:
        return
    problems = [one.text for one in filled.missing]
    listed = "; ".join(problems[:20]) + ("; …" if len(problems) > 20 else "")
    message = f"The asset lacks inputs of the model: {listed}. State them in `asset_options`."
    raise AssetInputsMissing(message, param="asset")


def _fill(
    chosen: ChosenInput,
    readings: Mapping[UUID, PointReadings],
    request: AssetRequest,
    at_us: int,
    shape: SeriesShape | None,
) -> FilledInput | None:
    """Return an input with its value; None without usable readings."""
    if chosen.point is None:
        return FilledInput(chosen, chosen.constant)
    own = readings.get(chosen.point.id, _NOTHING)
    if shape is not None:
        series = resample(own, at_us, shape.steps, shape.step_s)
        if series is None:
            return None
        return FilledInput(chosen, series.tolist(), readings=len(own.times))
    found = value_at(own, at_us, request.max_age_s)
    if found is None:
        return None
    return FilledInput(chosen, found[0], age_s=found[1], readings=1)


def _unusable(
    chosen: ChosenInput, request: AssetRequest, shape: SeriesShape | None
) -> MissingInput:
    """Return why an input with a point has no value."""
    tag = "" if chosen.point is None else chosen.point.tag
    if shape is None:
        text = f"`{chosen.field}`: {tag[:100]} has no good reading within {request.max_age_s:g} s"
        return MissingInput(chosen.field, MissingReason.NO_READING, text, tag)
    text = (
        f"`{chosen.field}`: {tag[:100]} has gaps in its last {shape.steps} steps of "
        f"{shape.step_s:g} s"
    )
    return MissingInput(chosen.field, MissingReason.GAPS, text, tag)
