"""Work orders reach a maintenance system as signed webhooks, and their status comes back."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import pytest
from sqlmodel import col, select

from billing.tables import NotificationEvent
from tests.support.builders import Gateway
from tests.support.gateway.agent_api import create, post, propose
from tests.support.gateway.errors import error_of
from tests.support.gateway.notified import add_endpoint

PATH = "/v1/plant/work-orders"


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The shared gateway: each test has work orders of its own."""
    return shared_gateway


async def ordered(gateway: Gateway) -> tuple[str, dict[str, Any]]:
    """The action of an agent and its work order, with an endpoint that has its events."""
    await add_endpoint(gateway)
    agent = await create(gateway, autonomy="approve", actions=["work_order"])
    action = await propose(gateway, agent["id"])
    approved = await post(gateway, f"/v1/agents/actions/{action}/approve")
    shown = await gateway.http.get(f"{PATH}/{approved['entity']}")
    return action, shown.json()


async def events_of(gateway: Gateway, order: str) -> list[Mapping[str, Any]]:
    """The webhook bodies about a work order, oldest first."""
    query = select(NotificationEvent).where(
        col(NotificationEvent.account_id) == gateway.account.id,
        col(NotificationEvent.type).like("work_order.%"),
    )
    async with gateway.parts.database.transaction() as session:
        rows = (await session.scalars(query.order_by(col(NotificationEvent.id)))).all()
    return [row.payload for row in rows if row.payload["data"]["id"] == order]


async def test_order_of_an_agent_is_sent_and_its_status_comes_back(gateway: Gateway) -> None:
    action, order = await ordered(gateway)
    assert (order["status"], order["agent_action"]) == ("open", action)
    report = {"status": "in_progress", "external_id": "WO-4711", "at": "2026-12-01T08:00:00Z"}
    for _ in range(2):
        changed = await post(gateway, f"{PATH}/{order['id']}/status", report)
        assert (changed["status"], changed["external_id"]) == ("in_progress", "WO-4711")
    older = {"status": "open", "at": "2026-12-01T07:00:00Z"}
    assert (await post(gateway, f"{PATH}/{order['id']}/status", older))["status"] == "in_progress"
    by_code = {"status": "cancelled", "external_status": "STORNO", "note": "=1+1"}
    ended = await post(gateway, f"{PATH}/{order['code']}/status", by_code)
    assert (ended["status"], ended["external_id"]) == ("cancelled", "WO-4711")
    sent = await events_of(gateway, order["id"])
    assert [one["type"] for one in sent] == [
        "work_order.created",
        "work_order.updated",
        "work_order.cancelled",
    ]
    created = sent[0]["data"]
    assert (created["asset"]["code"], created["status"]) == (order["asset"]["code"], "open")
    assert created["reason"]["rules"][0]["name"] == "vibration"
    assert sent[1]["data"]["external_id"] == "WO-4711"
    exported = await gateway.http.get(f"{PATH}/export")
    rows = csv.DictReader(io.StringIO(exported.content.decode("utf-8-sig")))
    (row,) = [one for one in rows if one["id"] == order["id"]]
    assert (row["asset"], row["external_status"]) == (order["asset"]["code"], "STORNO")
    assert row["note"] == "'=1+1"


async def test_undone_order_is_cancelled_in_the_maintenance_system(gateway: Gateway) -> None:
    action, order = await ordered(gateway)
    await post(gateway, f"/v1/agents/actions/{action}/undo")
    sent = await events_of(gateway, order["id"])
    assert [one["type"] for one in sent] == ["work_order.created", "work_order.cancelled"]
    late = await gateway.http.post(f"{PATH}/{order['id']}/status", json={"status": "done"})
    assert (late.status_code, error_of(late)["code"]) == (409, "plant_node_retired")
    listed = (await gateway.http.get(PATH, params={"text": order["code"]})).json()["data"]
    assert listed == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "lost"},
        {"status": "done", "external_id": "x" * 201},
        {"status": "done", "at": "2026-12-01T08:00:00"},
        {"status": "done", "unknown": 1},
    ],
)
async def test_invalid_report_changes_nothing(gateway: Gateway, body: dict[str, Any]) -> None:
    _, order = await ordered(gateway)
    answer = await gateway.http.post(f"{PATH}/{order['id']}/status", json=body)
    assert answer.status_code == 400
    assert (await gateway.http.get(f"{PATH}/{order['id']}")).json() == order


async def test_entity_of_another_kind_is_no_work_order(gateway: Gateway) -> None:
    entity = {"kind": "material", "code": "WO-STEEL", "name": "Steel"}
    made = await post(gateway, "/v1/plant/entities", entity)
    assert (await gateway.http.get(f"{PATH}/{made['id']}")).status_code == 404
    answer = await gateway.http.post(f"{PATH}/{made['id']}/status", json={"status": "done"})
    assert answer.status_code == 404
