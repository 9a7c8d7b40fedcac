"""One specialist of each kind with real parts: official clients, our gateway, Ray Serve. Other
properties are tested without Ray (tests/gateway/specialists)."""

import asyncio
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI

from models.rul.data import SENSORS
from tests.support.adaptations import adapted
from tests.support.builders import BEARING_LIFE, REMAINING_LIFE, Gateway
from tests.support.models.made_up_engines import engine
from tests.support.oip_client import infer
from tests.support.operating_points import BEARING, BEARING_UNITS, HEALTHY, OVERSTRAINED
from tests.support.training_files import fleet


async def test_bearing_life_formula_is_served_and_billed_per_row(real: Gateway) -> None:
    body = {"model": BEARING_LIFE, "instances": [{**BEARING}], "units": {**BEARING_UNITS}}
    answer = (await real.http.post("/v1/predictions", json=body)).json()
    assert answer["predictions"][0]["basic_rating_time"] == pytest.approx(2400)
    row = await real.row()
    assert (row["rows"], row["cost"]) == (1, "0.000200000")


async def test_classifier_is_served_to_tritonclient_and_billed_per_row(real: Gateway) -> None:
    result = await asyncio.to_thread(infer, real, True, HEALTHY, OVERSTRAINED)
    assert result.as_numpy("failure").tolist() == [0, 1]
    assert result.as_numpy("failure_probability").dtype == np.float32
    assert (await real.row())["rows"] == 2


async def test_remaining_life_variant_is_trained_served_and_billed(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    job = await adapted(openai, REMAINING_LIFE, fleet())
    score: Any = job.score
    assert score["adapted"] < score["base"]
    readings = engine(9, 140).readings[:120].astype(float)
    row = {name: readings[:, at].tolist() for at, name in enumerate(SENSORS)}
    said = [
        (await real.http.post("/v1/predictions", json={"model": name, "instances": [row]})).json()
        for name in (REMAINING_LIFE, job.fine_tuned_model)
    ]
    assert said[1]["model"] == job.fine_tuned_model
    of_base, of_variant = (each["predictions"][0]["remaining_life"] for each in said)
    assert of_base != of_variant
    assert of_variant == pytest.approx(20, abs=25)
    billed = [row for row in await real.rows(3) if row["operation"] == "adaptation"]
    assert [row["adaptation_seconds"] for row in billed] == [job.adaptation_seconds]
