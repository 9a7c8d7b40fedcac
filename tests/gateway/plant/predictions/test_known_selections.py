"""Selections of inputs that are kept from call to call: they follow every change of the plant."""

from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from infra.clock import SystemClock
from infra.database.database import Database
from tests.support import builders
from tests.support.builders import SPECIALIST, Gateway, customer
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of
from tests.support.gateway.milling_model import serve_milling_model
from tests.support.plant.mills import create_mill, post, send_readings

BODY = {"model": SPECIALIST, "asset": "M1"}
STATEMENTS = ("plant_revision", "plant_asset", "WITH RECURSIVE", "plant_model_input")


@pytest.fixture
async def mill(gateway: Gateway, upstream: FakeUpstream) -> Gateway:
    """A gateway with a milling machine whose readings are new."""
    serve_milling_model(upstream)
    await create_mill(gateway)
    await send_readings(gateway, SystemClock().now())
    return gateway


async def inputs(gateway: Gateway, **more: Any) -> dict[str, tuple[Any, Any]]:
    """Predict by asset and return tag and value of each input."""
    answer = await post(gateway, "/v1/predictions", {**BODY, **more})
    return {one["name"]: (one.get("tag"), one["value"]) for one in answer["asset"]["inputs"]}


async def test_second_call_reads_one_statement_and_newer_values(mill: Gateway) -> None:
    first = await inputs(mill)
    assert first["torque"] == ("M1.TQ", 65.0)
    await send_readings(mill, SystemClock().now(), [("M1.TQ", "", "", 71.5)])
    seen: list[str] = []

    def record(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", record)
    try:
        second = await inputs(mill)
    finally:
        event.remove(Engine, "before_cursor_execute", record)
    assert second["torque"] == ("M1.TQ", 71.5)
    of_plant = [one for one in seen if any(name in one for name in STATEMENTS)]
    assert len(of_plant) == 1, of_plant


async def test_constants_of_another_call_are_its_own(mill: Gateway) -> None:
    for torque in (10.0, 20.0):
        found = await inputs(mill, asset_options={"values": {"torque": torque}})
        assert found["torque"] == (None, torque)


async def test_changes_of_the_plant_are_followed(mill: Gateway) -> None:
    await inputs(mill)
    await post(mill, "/v1/plant/points/M1.TQ/replace", {"unit": "Nm"})
    await send_readings(mill, SystemClock().now(), [("M1.TQ", "", "", 12.0)])
    assert (await inputs(mill))["torque"] == ("M1.TQ", 12.0)
    other = {"tag": "M1.X", "name": "x", "unit": "Nm", "asset": "M1"}
    await post(mill, "/v1/plant/points", other)
    await send_readings(mill, SystemClock().now(), [("M1.X", "", "", 33.0)])
    path = f"/v1/plant/models/{SPECIALIST}/inputs"
    for mapped, expected in (({"torque": {"tag": "{asset}.X"}}, 33.0), ({}, 12.0)):
        await post(mill, path, {"inputs": mapped})
        assert (await inputs(mill))["torque"][1] == expected
    await mill.http.delete("/v1/plant/points/M1.N")
    missing = await mill.http.post("/v1/predictions", json=BODY)
    assert error_of(missing)["code"] == "asset_inputs_missing"


async def test_another_account_never_gets_a_known_selection(
    mill: Gateway, database: Database
) -> None:
    await inputs(mill)
    _, key = await customer(database, mill.parts.settings, "Other")
    async with builders.client(mill.url, {"authorization": f"Bearer {key.secret}"}) as http:
        answer = await http.post("/v1/predictions", json=BODY)
    assert (answer.status_code, error_of(answer)["code"]) == (404, "plant_node_not_found")
