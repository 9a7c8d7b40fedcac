"""`maas plant predict`, `verdicts` and `inputs`."""

import json
from typing import Any

import pytest

from infra.clock import SystemClock
from tests.support.builders import SPECIALIST, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.plant.mills import create_mill, send_readings

COLUMNS = [
    {"name": "torque", "datatype": "FP32", "unit": "N·m", "minimum": 0, "maximum": 500},
    {"name": "tool_wear", "datatype": "FP32", "unit": "min", "minimum": 0},
]


@pytest.fixture
async def plant(
    gateway: Gateway, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> Gateway:
    leave_logs_alone(monkeypatch)
    monkeypatch.setenv("MAAS_API_KEY", gateway.key.secret)
    upstream.inputs[SPECIALIST] = COLUMNS
    upstream.predicts = {"failure_probability": 0.93, "failure": 1}
    points = (("M1.TQ", "Torque", "Nm", 65.0),)
    await create_mill(gateway, points)
    await send_readings(gateway, SystemClock().now(), points)
    return gateway


async def run(gateway: Gateway, *arguments: str) -> tuple[int, Any]:
    code, out = await invoke({}, "plant", *arguments, "--url", gateway.url, "--json")
    return code, json.loads(out)


async def test_prediction_of_an_asset_names_missing_inputs_then_answers(plant: Gateway) -> None:
    command = ("predict", "M1", "--model", SPECIALIST)
    code, refused = await run(plant, *command)
    assert (code, "`tool_wear` has no point" in refused["error"]["message"]) == (1, True)
    code, answer = await run(plant, *command, "--value", "tool_wear=220")
    assert (code, answer["predictions"][0]["failure"], answer["asset"]["code"]) == (0, 1, "M1")
    listed = (await plant.http.get("/v1/plant/assets/M1/verdicts")).json()["data"]
    assert [one["request_id"] for one in listed] == [answer["id"]]
    code, wrong = await run(plant, *command, "--value", "tool_wear")
    assert (code, wrong["error"]["param"]) == (1, "value")


async def test_inputs_of_a_model_are_mapped_shown_and_cleared(plant: Gateway) -> None:
    command = ("inputs", SPECIALIST)
    code, mapped = await run(plant, *command, "--set", "torque=tag:{asset}.TQ")
    assert (code, mapped["inputs"]) == (0, {"torque": {"tag": "{asset}.TQ"}})
    assert (await run(plant, *command))[1] == mapped
    code, wrong = await run(plant, *command, "--set", "torque=TQ")
    assert (code, wrong["error"]["param"]) == (1, "set")
    assert (await run(plant, *command, "--clear"))[1]["inputs"] == {}
