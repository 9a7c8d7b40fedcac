"""Inputs with values and series, and what is missing."""

from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from gateway.plant.predictions.errors import AssetInputsMissing
from gateway.plant.predictions.filling import (
    SeriesShape,
    fill_inputs,
    require_complete,
    series_fields,
    series_step_s,
    series_steps,
)
from gateway.plant.predictions.values import (
    AssetRequest,
    CandidatePoint,
    ChosenInput,
    InputOrigin,
    PointReadings,
    Selection,
)
from models.signature import InputField, Signature

S = 1_000_000
POINT = CandidatePoint(UUID(int=1), "P1.v", "", "mm/s", is_text=False)
SERIES = InputField("v", "FP32", length=(4, 100))
SIGNATURE = Signature((SERIES, InputField("load", "FP32")), (), "1")
SELECTION = Selection(
    (
        ChosenInput("v", InputOrigin.NAME, POINT),
        ChosenInput("load", InputOrigin.CONSTANT, constant=0.5),
    ),
    (),
)
RAMP = PointReadings(np.arange(20, dtype=np.int64) * S, np.arange(20, dtype=np.float64))


def asked(steps: int | None = None, step_s: float | None = None) -> AssetRequest:
    return AssetRequest("P1", datetime(2026, 1, 1, tzinfo=UTC), {}, {}, 60.0, steps, step_s)


def test_series_has_the_models_fewest_steps_at_the_sampling_interval():
    fields = series_fields(SIGNATURE, SELECTION)
    assert [field.name for field in fields] == ["v"]
    assert (series_steps(fields, asked()), series_step_s([RAMP], asked())) == (4, 1.0)
    assert (series_steps(fields, asked(9)), series_step_s([RAMP], asked(9, 2.0))) == (9, 2.0)


def test_inputs_are_filled_with_series_and_constants():
    shapes = {"v": SeriesShape(4, 1.0)}
    filled = fill_inputs(SELECTION, {POINT.id: RAMP}, asked(), 19 * S, shapes).inputs
    assert [one.value for one in filled] == [[16.0, 17.0, 18.0, 19.0], 0.5]
    assert filled[0].readings == 20


def test_gaps_and_missing_points_are_named_together():
    selection = Selection(SELECTION.chosen, ("pressure",))
    shapes = {"v": SeriesShape(4, 1.0)}
    filled = fill_inputs(selection, {POINT.id: RAMP}, asked(), 60 * S, shapes)
    assert [one.to_json() for one in filled.missing] == [
        {"name": "pressure", "reason": "no_point"},
        {"name": "v", "reason": "gaps", "tag": "P1.v"},
    ]
    with pytest.raises(AssetInputsMissing) as caught:
        require_complete(filled)
    assert "`pressure` has no point" in caught.value.message
    assert "P1.v has gaps in its last 4 steps of 1 s" in caught.value.message
