"""Pages of an asset: overview, charts, verdicts, history, changes, prediction, opening by code."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from gateway.call.asset_inputs import AssetVerdict
from gateway.identity.roles import Role
from gateway.plant.assets.ids import ASSET
from gateway.plant.predictions.verdicts import store_verdict
from infra import ids
from tests.support.builders import SPECIALIST
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.fakes.upstream import FakeUpstream
from tests.support.nightly import nightly

PLANT = "/dashboard/plant"
COLUMNS = [
    {"name": "torque", "datatype": "FP32", "unit": "N·m", "minimum": 0, "maximum": 500},
    {"name": "tool_wear", "datatype": "FP32", "unit": "min", "minimum": 0},
]


async def send(firm: Firm, path: str, **fields: str) -> str:
    """Send a form and return the address that it leads to."""
    answer = await firm.owner.send(path, **fields)
    assert answer.status_code == 303, words(answer.text)
    address: str = answer.headers["location"]
    return address


async def create_plant(firm: Firm) -> str:
    """Create a line with a mill on the pages; returns the address of the mill."""
    await send(firm, f"{PLANT}/new", code="L1", name="Line 1", level="work_center")
    fields = {"code": "M1", "name": "Mill 1", "level": "equipment", "parent": "L1"}
    mill = await send(firm, f"{PLANT}/new", **fields, global_id="88.100.5001/M1")
    await send(firm, f"{mill}/points", tag="M1.TQ", name="Torque", unit="Nm", high="400")
    return mill


async def read(firm: Firm, value: float) -> None:
    now = datetime.now(UTC).isoformat()
    body = {"readings": [{"tag": "M1.TQ", "time": now, "value": value}]}
    answer = await firm.gateway.http.post("/v1/plant/readings", json=body)
    assert answer.status_code == 200, answer.text


async def judge(firm: Firm, mill: str, verdict: str, model: str = SPECIALIST) -> None:
    """Store a verdict on the mill."""
    asset_id = ids.parse_id(ASSET, mill.rpartition("/")[2])
    assert isinstance(asset_id, UUID)
    finding = {"verdict": verdict, "name": "failure_probability", "value": 0.9, "unit": None}
    stored = AssetVerdict(
        account_id=firm.gateway.account.id,
        asset_id=asset_id,
        request_id=ids.new_id(),
        model=model,
        version="3",
        at=datetime.now(UTC),
        prediction={"failure": 1},
        inputs=({"name": "torque", "origin": "name", "tag": "M1.TQ", "value": 65.0, "unit": "Nm"},),
        finding=finding,
    )
    async with firm.gateway.parts.database.transaction() as session:
        await store_verdict(session, stored, datetime.now(UTC))


async def test_asset_is_created_changed_moved_and_retired(office: Firm) -> None:
    mill = await create_plant(office)
    page = words(await office.owner.page(mill))
    assert "Line 1" in page
    assert "M1.TQ" in page
    form = {"name": "Mill one", "level": "component", "parent": "", "global_id": ""}
    assert await send(office, f"{mill}/edit", **form) == mill
    assert "Line 1" not in words(await office.owner.page(mill))
    wrong = await office.owner.send(f"{mill}/edit", name="x", level="equipment", parent="none")
    assert (wrong.status_code, "no asset with this code" in wrong.text) == (422, True)
    twice = await office.owner.send(f"{PLANT}/new", code="L1", level="site")
    assert (twice.status_code, "in use" in twice.text) == (422, True)
    full = await office.owner.send(f"{mill}/retire")
    assert (full.status_code, "Move or retire" in full.text) == (422, True)


async def test_point_is_changed_replaced_and_retired_and_the_history_tells_it(office: Firm) -> None:
    mill = await create_plant(office)
    found = re.search(r"/dashboard/plant/points/pt_\w+", await office.owner.page(mill))
    assert found
    wrong = await office.owner.send(f"{found[0]}/edit", step="change", low="high")
    assert (wrong.status_code, "Enter a number" in wrong.text) == (422, True)
    await send(office, f"{found[0]}/edit", step="change", name="Torque", unit="kNm")
    new = await send(office, f"{found[0]}/edit", step="replace", name="Torque 2", unit="Nm")
    assert new != found[0]
    history = words(await office.owner.page(f"{mill}/history"))
    assert "Replaced a sensor" in history
    assert "Sensor removed" in history
    await send(office, f"{new}/edit", step="retire")
    assert "Retired" in words(await office.owner.page(new))


@nightly
async def test_documents_and_relations_are_added_and_ended(office: Firm) -> None:
    mill = await create_plant(office)
    work_order = {"kind": "work_order", "code": "WO-1", "name": "Spindle changed"}
    assert await send(office, f"{mill}/objects", **work_order) == mill
    page = words(await office.owner.page(mill))
    assert "Work orders" in page
    assert "Spindle changed" in page
    target = {"predicate": "feeds", "target_kind": "asset", "target": "L1"}
    await send(office, f"{mill}/relations", **target)
    missing = await office.owner.send(f"{mill}/relations", **{**target, "target": "none"})
    assert missing.status_code == 422
    edit = await office.owner.page(f"{mill}/edit")
    (end, *_) = re.findall(r"/dashboard/plant/assets/ast_\w+/relations/rel_\w+/end", edit)
    await send(office, end)
    created = await send(office, f"{PLANT}/objects", kind="failure_mode", code="FM-1", name="Seal")
    await send(office, created, step="relate", **{**target, "target": "M1"})
    assert "feeds" in await office.owner.page(created)
    await send(office, created, step="change", code="FM-1", name="Seal leak")
    assert "Seal leak" in await office.owner.page(f"{PLANT}/objects?kind=failure_mode")
    assert await send(office, created, step="retire") == f"{PLANT}/objects?kind=failure_mode"


async def test_health_is_that_of_the_newest_verdicts_and_rolls_up(office: Firm) -> None:
    mill = await create_plant(office)
    assert "No recent verdict" in words(await office.owner.page(mill))
    await judge(office, mill, "yes")
    await judge(office, mill, "uncertain", "other-model")
    assert "Needs attention" in words(await office.owner.page(mill))
    assert "Needs attention" in words(await office.owner.page(PLANT))
    await judge(office, mill, "no")  # the newest of its model
    page = words(await office.owner.page(mill))
    assert "Needs attention" not in page
    assert "Watch" in page
    verdicts = await office.owner.page(f"{mill}/verdicts")
    assert verdicts.count("/dashboard/usage/calls/req_") == 3
    assert "M1.TQ" in verdicts


async def test_charts_show_chosen_points_and_the_scanned_code_opens_the_asset(
    office: Firm,
) -> None:
    mill = await create_plant(office)
    await read(office, 60.0)
    await read(office, 65.0)
    charts = await office.owner.page(f"{mill}/readings?range=hour")
    assert '<svg class="line"' in charts
    assert "2 readings" in words(charts)
    for code in ("M1", "88.100.5001/M1", "https://node.example/id/88.100.5001/M1"):
        opened = await office.owner.http.get(f"{PLANT}/scan", params={"code": code})
        assert opened.headers["location"] == mill, code
    assert "No asset has the code" in words(await office.owner.page(f"{PLANT}/scan?code=zz"))
    office.owner.http.cookies.clear()
    signed_out = await office.owner.http.get(f"{PLANT}/scan?code=M1")
    assert "next=%2Fdashboard%2Fplant%2Fscan%3Fcode%3DM1" in signed_out.headers["location"]


async def test_prediction_names_its_price_and_what_is_missing_before_it_is_made(
    office: Firm, upstream: FakeUpstream
) -> None:
    upstream.inputs[SPECIALIST] = COLUMNS
    upstream.predicts = {"failure_probability": 0.93, "failure": 1}
    mill = await create_plant(office)
    await read(office, 65.0)
    page = await office.owner.page(f"{mill}/predict")
    key = re.findall(r'<option value="(key_\w+)"', page)[0]
    form: dict[str, Any] = {"model": SPECIALIST, "key": key}
    priced = await office.owner.send(f"{mill}/predict", step="price", **form)
    shown = words(priced.text)
    assert "Price of this prediction" in shown
    assert "The asset has no point for this input." in shown
    assert "M1.TQ" in shown
    wrong = {**form, "value.tool_wear": "old"}
    refused = await office.owner.send(f"{mill}/predict", step="predict", **wrong)
    assert (refused.status_code, "Enter a number" in refused.text) == (422, True)
    lacking = await office.owner.send(f"{mill}/predict", step="predict", **form)
    assert lacking.status_code == 422
    filled = {**form, "value.tool_wear": "220"}
    done = await office.owner.send(f"{mill}/predict", step="predict", **filled)
    assert done.status_code == 200, words(done.text)
    assert "Result" in words(done.text)
    assert "/dashboard/usage/calls/req_" in await office.owner.page(f"{mill}/verdicts")


@pytest.mark.parametrize("path", ["edit", "predict"])
async def test_viewer_sees_an_asset_but_cannot_change_or_predict(office: Firm, path: str) -> None:
    mill = await create_plant(office)
    gateway = office.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER) as viewer:
        assert "M1.TQ" in await viewer.page(mill)
        await viewer.page(f"{mill}/{path}", 403)
