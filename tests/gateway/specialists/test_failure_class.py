"""The failure classifier through the gateway: named columns, and NVIDIA's client."""

import asyncio

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.support.builders import SPECIALIST, Gateway
from tests.support.oip_client import infer
from tests.support.operating_points import HEALTHY, OVERSTRAINED


async def test_failure_class_predicts_rows_with_named_columns(real: Gateway) -> None:
    body = {"model": SPECIALIST, "instances": [HEALTHY, OVERSTRAINED]}
    answer = (await real.http.post("/v1/predictions", json=body)).json()
    healthy, overstrained = answer["predictions"]
    assert (healthy["failure"], overstrained["failure"]) == (0, 1)
    assert healthy["failure_probability"] < 0.1 < 0.9 < overstrained["failure_probability"]
    row = await real.row()
    assert (row["rows"], row["settlement"]) == (2, "complete")


async def test_failure_class_error_has_the_column_and_expected_unit(real: Gateway) -> None:
    celsius = {**HEALTHY, "air_temperature": 25.0}
    body = {"model": SPECIALIST, "instances": [HEALTHY, celsius]}
    answer = await real.http.post("/v1/predictions", json=body)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert "air_temperature" in error["message"]
    assert "K" in error["message"]
    assert (await real.row())["settlement"] == "refused"


@pytest.mark.parametrize("binary", [False, True])
async def test_failure_class_answers_tritonclient_in_json_and_binary(
    real: Gateway, binary: bool
) -> None:
    result = await asyncio.to_thread(infer, real, binary, HEALTHY, OVERSTRAINED)
    assert result.as_numpy("failure").tolist() == [0, 1]
    assert result.as_numpy("failure_probability").dtype == np.float32
    assert (await real.row())["rows"] == 2


async def test_tritonclient_raises_the_gateway_error_message(real: Gateway) -> None:
    too_strong = {**HEALTHY, "torque": 90_000.0}
    with pytest.raises(InferenceServerException) as caught:
        await asyncio.to_thread(infer, real, True, too_strong)
    assert "[400]" in str(caught.value)
    assert "torque" in str(caught.value)
