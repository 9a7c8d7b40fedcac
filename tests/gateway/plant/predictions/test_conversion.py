"""Values of points in the units of a model: converted, or named as missing."""

from uuid import UUID

import pytest

from gateway.plant.predictions.conversion import readings_of
from gateway.plant.predictions.values import (
    CandidatePoint,
    ChosenInput,
    FilledInput,
    FilledInputs,
    InputOrigin,
    MissingReason,
)
from models.signature import InputField, Signature

FIELD = InputField("torque", "FP32", unit="N·m", minimum=0, maximum=500)


def filled(unit: str, value: float) -> FilledInputs:
    point = CandidatePoint(UUID(int=1), "M1.TQ", "Torque", unit, is_text=False)
    return FilledInputs((FilledInput(ChosenInput("torque", InputOrigin.NAME, point), value),), ())


@pytest.mark.parametrize(
    ("unit", "value", "reason"),
    [
        ("bar", 65.0, MissingReason.UNIT),
        ("degC", 65.0, MissingReason.UNIT),
        ("furlong", 65.0, MissingReason.UNIT),
        ("kN·m", 65.0, MissingReason.RANGE),
        ("N·m", float("nan"), MissingReason.RANGE),
    ],
)
def test_value_that_cannot_be_used_is_missing_with_its_reason(
    unit: str, value: float, reason: MissingReason
) -> None:
    readings, used = readings_of(filled(unit, value), Signature((FIELD,), (), "1"))
    assert readings == {}
    assert [one.reason for one in used.missing] == [reason]


def test_value_in_another_unit_of_the_quantity_is_converted() -> None:
    readings, used = readings_of(filled("kN·m", 0.065), Signature((FIELD,), (), "1"))
    assert readings["torque"].value == pytest.approx(65.0)
    assert used.missing == ()
