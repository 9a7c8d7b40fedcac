"""Tables of predictions as CSV, and uploads as instances."""

from typing import Any

import pytest

from gateway.dashboard.pages.own_models.prediction_table import (
    MAX_INSTANCES,
    TableNotPredicted,
    read_instances,
    read_predictions,
    render_predictions,
)
from gateway.upstream.declared_inputs import DeclaredInput
from models.signature import InputInvalid

TORQUE = DeclaredInput("torque", "FP32")
CURVE = (DeclaredInput("load", "FP32", length=(2, 9)), DeclaredInput("horizon", "FP32"))


def lines(*predictions: Any, labels: tuple[str, ...] = ("2",)) -> list[str]:
    return render_predictions("line", labels, predictions).decode("utf-8-sig").splitlines()


def test_prediction_is_a_line_with_its_label() -> None:
    found = lines({"class": "worn", "probability": 0.25, "reasons": ["torque", "wear"]})
    assert found == ["line,class,probability,reasons", "2,worn,0.25,torque; wear"]


def test_forecast_is_a_line_for_each_step() -> None:
    found = lines({"forecast": [1.0, 2.5], "lower": [0.5, 1.0], "level": 0.8, "outside": ""})
    assert found == [
        "line,step,forecast,lower,level,outside",
        "2,1,1,0.5,0.8,",
        "2,2,2.5,1,0.8,",
    ]


def test_numbers_have_no_exponent_and_texts_are_no_formulas() -> None:
    found = lines({"value": -0.00001234, "big": 1.5e9, "class": "=1+1"})
    assert found[1] == "2,-0.00001234,1500000000,'=1+1"


def test_horizon_is_in_every_instance() -> None:
    found = read_instances(b"load\n1\n2\n3\n", CURVE, "", "24")
    assert found.instances == ({"load": [1.0, 2.0, 3.0], "horizon": 24.0},)


@pytest.mark.parametrize("horizon", ["", "0", "x", "1.5", "99999"])
def test_forecast_without_a_valid_horizon_is_rejected(horizon: str) -> None:
    with pytest.raises(InputInvalid, match="how many steps") as failed:
        read_instances(b"load\n1\n2\n3\n", CURVE, "", horizon)
    assert failed.value.param == "horizon"


def test_table_with_too_many_rows_is_rejected() -> None:
    content = b"torque\n" + b"1\n" * (MAX_INSTANCES + 1)
    with pytest.raises(InputInvalid, match="20,000 rows"):
        read_instances(content, (TORQUE,), "", "")


def test_error_of_the_call_is_the_message() -> None:
    with pytest.raises(TableNotPredicted, match="credit is used up"):
        read_predictions(402, b'{"error": {"message": "The credit is used up."}}')
