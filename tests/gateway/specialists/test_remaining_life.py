"""Remaining life through the gateway. A row is one machine's history: each sensor has a list with
one reading per cycle."""

import pytest

from tests.support.builders import REMAINING_LIFE, Gateway
from tests.support.operating_points import history


async def test_remaining_life_is_the_same_in_another_unit(real: Gateway) -> None:
    histories = [history(seed, life=90) for seed in (1, 2)]
    kelvin = [{**one, "T50": [value / 1.8 for value in one["T50"]]} for one in histories]
    answers = [
        (await real.http.post("/v1/predictions", json={"model": REMAINING_LIFE, **body})).json()
        for body in (
            {"instances": histories},
            {"instances": kelvin, "units": {"T50": "K"}},
        )
    ]
    plain, converted = (answer["predictions"] for answer in answers)
    for one, other in zip(plain, converted, strict=True):
        assert 0 <= one["lower"] <= one["remaining_life"] <= one["upper"] <= 125
        assert one["remaining_life"] == pytest.approx(other["remaining_life"], abs=2)
    rows = await real.rows(2)
    assert [(row["rows"], row["cost"]) for row in rows] == [(2, "0.010000000")] * 2


async def test_remaining_life_of_a_too_short_history_is_rejected(real: Gateway) -> None:
    body = {"model": REMAINING_LIFE, "instances": [history(1, life=5)]}
    answer = await real.http.post("/v1/predictions", json=body)
    assert answer.status_code == 400
    assert "a list of 20 to 1000 values" in answer.json()["error"]["message"]
