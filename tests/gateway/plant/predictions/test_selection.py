"""Which points of an asset become the inputs of a model."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from gateway.plant.predictions.errors import AssetInputsInvalid
from gateway.plant.predictions.selection import select_inputs
from gateway.plant.predictions.values import (
    AssetRequest,
    CandidatePoint,
    InputOrigin,
    MappedInput,
    Selection,
)
from models.ready_made.proposal import read_lexicon
from models.signature import BYTES, InputField, Signature

SIGNATURE = Signature(
    (
        InputField("air_temperature", "FP32", "K"),
        InputField("rotational_speed", "FP32", "rpm"),
        InputField("torque", "FP32", "Nm", minimum=0.0),
        InputField("type", BYTES, optional=True),
    ),
    (),
    "1",
)


def point(number: int, tag: str, name: str = "", unit: str = "", **values: Any) -> CandidatePoint:
    return CandidatePoint(UUID(int=number), tag, name, unit, is_text=False, **values)


AIR = point(1, "T1", "环境温度", "degC", concept="Air_Temperature_Sensor")
SPEED = point(2, "M1.n", "Rotational speed", "1/min")
TORQUE = point(3, "torque", unit="Nm")


def select(*points: CandidatePoint, mapped: Any = None, **request: Any) -> Selection:
    fields = {"inputs": {}, "values": {}, **request}
    asked = AssetRequest(asset="P", at=datetime(2026, 1, 1, tzinfo=UTC), max_age_s=60, **fields)
    return select_inputs(SIGNATURE, points, asked, read_lexicon(), mapped or {})


def origins(selection: Selection) -> dict[str, tuple[str, str | None]]:
    return {
        one.field: (one.origin.value, one.point.tag if one.point else None)
        for one in selection.chosen
    }


def test_points_are_found_by_tag_name_and_concept() -> None:
    selection = select(AIR, SPEED, TORQUE)
    assert origins(selection) == {
        "air_temperature": ("concept", "T1"),
        "rotational_speed": ("concept", "M1.n"),
        "torque": ("name", "torque"),
        "type": ("omitted", None),
    }
    assert selection.missing == ()


def test_stated_tags_and_constants_come_before_all_others() -> None:
    other = point(4, "T9", unit="degC")
    selection = select(
        *(AIR, SPEED, TORQUE, other),
        inputs={"air_temperature": "T9"},
        values={"type": "L", "torque": 40.0},
    )
    assert origins(selection) == {
        "air_temperature": ("stated", "T9"),
        "rotational_speed": ("concept", "M1.n"),
        "torque": ("constant", None),
        "type": ("constant", None),
    }


def test_inputs_without_point_are_missing() -> None:
    assert select(SPEED).missing == ("air_temperature", "torque")


@pytest.mark.parametrize(
    "wrong",
    [
        point(5, "P5", "Air temperature", "bar"),
        point(6, "P6", "Air temperature pressure alarm count", ""),
    ],
)
def test_point_of_another_quantity_or_meaning_is_not_used(wrong: CandidatePoint) -> None:
    assert "air_temperature" in select(wrong, SPEED, TORQUE).missing


def test_torque_that_is_always_negative_is_not_used() -> None:
    selection = select(AIR, SPEED, point(7, "M", "Motor torque", "Nm", bounds=(-9.0, -1.0)))
    assert selection.missing == ("torque",)


def test_each_point_is_used_once() -> None:
    signature = Signature((InputField("torque", "FP32"), InputField("Torque", "FP32")), (), "1")
    asked = AssetRequest("P", datetime(2026, 1, 1, tzinfo=UTC), {}, {"Torque": 1.0}, 60)
    selection = select_inputs(signature, [TORQUE], asked, read_lexicon())
    assert [one.origin for one in selection.chosen] == [InputOrigin.NAME, InputOrigin.CONSTANT]


@pytest.mark.parametrize(
    ("request_fields", "text"),
    [
        ({"inputs": {"torque": "none"}}, "no point with the tag 'none'"),
        ({"inputs": {"load": "torque"}}, "no input 'load'"),
        ({"values": {"load": 1.0}}, "no input 'load'"),
        ({"inputs": {"torque": "torque"}, "values": {"torque": 1.0}}, "State one of them"),
    ],
)
def test_unknown_inputs_and_tags_are_refused(request_fields: Any, text: str) -> None:
    with pytest.raises(AssetInputsInvalid, match=text):
        select(AIR, SPEED, TORQUE, **request_fields)


def test_mapped_tag_and_concept_come_before_names_and_an_ambiguous_concept_maps_nothing() -> None:
    speed = point(2, "N-7", concept_id="brick#Speed_Sensor")
    other = point(4, "N-8", concept_id="brick#Speed_Sensor")
    mapped = {
        "torque": MappedInput(tag="N-7"),
        "rotational_speed": MappedInput(concept_id="brick#Speed_Sensor"),
    }
    found = origins(select(AIR, speed, other, TORQUE, mapped=mapped))
    assert (found["torque"], found["rotational_speed"]) == (("mapped", "N-7"), ("mapped", "N-8"))
    twice = select(AIR, speed, other, mapped={"rotational_speed": mapped["rotational_speed"]})
    assert set(twice.missing) == {"torque", "rotational_speed"}
