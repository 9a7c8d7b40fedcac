"""Rows of `/v1/predictions` as tensors: missing values of models of an account's own rows."""

from typing import Any

import msgspec
import pytest

from gateway.call.errors import ParameterInvalid
from gateway.call.values import ParsedRequest, ResolvedModel
from gateway.wire.inference import build_prediction_request, parse_prediction_request
from tests.support.builders import CATALOG, SPECIALIST

FITTED = next(m.id for m in CATALOG.models.values() if m.adapter == "tabular_classifier")


def built(model: str, *rows: dict[str, Any], **fields: Any) -> ParsedRequest:
    body = msgspec.json.encode({"model": model, "instances": rows, **fields})
    resolved = ResolvedModel(CATALOG.models[model], model, model)
    return build_prediction_request(parse_prediction_request(body), resolved, "req_1")


def tensors(*rows: dict[str, Any], **fields: Any) -> dict[str, dict[str, Any]]:
    inputs = msgspec.json.decode(built(FITTED, *rows, **fields).body)["inputs"]
    return {one["name"]: one for one in inputs}


def test_null_and_absent_number_of_a_fitted_model_are_null_in_its_tensor() -> None:
    found = tensors({"torque": 4.0}, {"torque": None}, {"grade": "A"})
    assert found["torque"]["data"] == [4.0, None, None]
    assert (found["torque"]["datatype"], found["torque"]["shape"]) == ("FP32", [3])


def test_null_and_absent_text_of_a_fitted_model_are_empty_texts_in_its_tensor() -> None:
    found = tensors({"grade": None}, {"grade": "A"}, {"torque": 4.0})
    assert found["grade"]["data"] == ["", "A", ""]
    assert found["grade"]["datatype"] == "BYTES"


def test_column_of_nulls_of_a_fitted_model_is_left_out_also_with_a_unit() -> None:
    rows = ({"torque": 4.0, "grade": None}, {"torque": 5.0, "grade": None})
    assert list(tensors(*rows, units={"grade": "Nm"})) == ["torque"]


def test_rows_with_missing_values_are_metered_like_others() -> None:
    request = built(FITTED, {"torque": 4.0}, {"torque": None})
    assert request.output_bounds is not None
    assert request.output_bounds.rows == 2


@pytest.mark.parametrize(
    ("model", "rows", "param", "message"),
    [
        (FITTED, ({}, {"torque": None}), "instances[0]", "has no value"),
        (FITTED, ({"x": None}, {"x": 1.0}, {"x": "a"}), "instances[2].x", "another type"),
        (FITTED, ({"x": [1.0, 2.0]}, {"x": None}), "instances[1].x", "is missing"),
        (FITTED, ({"x": None}, {"x": [1.0]}, {"x": [1.0, 2.0]}), "instances[2].x", "2 values"),
        (SPECIALIST, ({"torque": 1.0}, {"torque": None}), "instances[1].torque", "is missing"),
        (SPECIALIST, ({"torque": None}, {"torque": 1.0}), "instances[0].torque", "is missing"),
        (SPECIALIST, ({"torque": 1.0}, {}), "instances[1].torque", "is missing"),
        (SPECIALIST, ({}, {"torque": 1.0}), "instances[1].torque", "not in the first row"),
    ],
)
def test_value_that_must_not_be_missing_is_named(
    model: str, rows: tuple[dict[str, Any], ...], param: str, message: str
) -> None:
    with pytest.raises(ParameterInvalid, match=message) as failed:
        built(model, *rows)
    assert failed.value.param == param


def test_unit_of_a_column_that_no_row_has_is_rejected() -> None:
    with pytest.raises(ParameterInvalid, match="not a column of the rows"):
        built(FITTED, {"torque": 4.0}, units={"speed": "rpm"})


def test_rows_that_lack_most_columns_of_each_other_are_rejected() -> None:
    rows = [{f"x{number}": 1.0} for number in range(1_200)]
    with pytest.raises(ParameterInvalid, match="1200 rows have 1200 columns") as failed:
        built(FITTED, *rows)
    assert failed.value.param == "instances"


def test_null_for_optional_fields_is_as_if_they_were_absent() -> None:
    nothing = built(SPECIALIST, {"torque": 1.0}, units=None, task=None, parameters=None)
    assert nothing.body == built(SPECIALIST, {"torque": 1.0}).body
