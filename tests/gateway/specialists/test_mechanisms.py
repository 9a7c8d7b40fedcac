"""A formula model (bearing life) through the gateway: rows and tensors with units, and errors."""

import pytest

from tests.support.builders import BEARING_LIFE, Gateway
from tests.support.operating_points import BEARING, BEARING_UNITS


async def test_bearing_life_accepts_rows_with_units(real: Gateway) -> None:
    body = {"model": BEARING_LIFE, "instances": [{**BEARING}], "units": {**BEARING_UNITS}}
    answer = (await real.http.post("/v1/predictions", json=body)).json()
    assert answer["predictions"][0]["basic_rating_time"] == pytest.approx(2400)
    row = await real.row()
    assert (row["rows"], row["cost"]) == (1, "0.000200000")


async def test_bearing_life_accepts_open_inference_tensors_with_units(real: Gateway) -> None:
    inputs = [
        {
            "name": name,
            "shape": [1],
            "datatype": "BYTES" if isinstance(value, str) else "FP64",
            "data": [value],
            "parameters": {"unit": BEARING_UNITS[name]} if name in BEARING_UNITS else {},
        }
        for name, value in BEARING.items()
    ]
    path = f"/v2/models/{BEARING_LIFE}"
    answer = (await real.http.post(f"{path}/infer", json={"inputs": inputs})).json()
    life = {output["name"]: output["data"] for output in answer["outputs"]}
    assert life["basic_rating_life"] == [pytest.approx(216)]
    described = (await real.http.get(path)).json()
    assert described["platform"] == "ISO 281:2007"


async def test_bearing_life_error_names_the_field_and_unit(real: Gateway) -> None:
    body = {"model": BEARING_LIFE, "instances": [{**BEARING}] * 2, "units": {"a_iso": "kN"}}
    error = (await real.http.post("/v1/predictions", json=body)).json()["error"]
    assert (error["param"], error["code"]) == ("a_iso", "invalid_value")
    assert "'kN'" in error["message"]
